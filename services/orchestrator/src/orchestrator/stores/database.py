"""The connection to the database: SQLite in a file, or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from common.errors import ConfigError, StorageUnavailable

_DRIVERS: Final = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_POOL: Final = 5
_BUSY_MS: Final = 5_000
_CONNECT_WITHIN_S: Final = 5
_REFUSED: Final = ("22", "23", "54")
"""Classes of SQLSTATE that speak of what is written (data, constraints, limits): refused once, refused always."""


class StorageRejected(StorageUnavailable):
    """The database works and refuses what it was given."""


class Database:
    """One engine. `close` it at the end."""

    def __init__(self, url: str) -> None:
        """`url`: `sqlite:///file` or `postgresql://…`. Raises `ConfigError`, which never repeats the URL."""
        self.url = _parsed(url)
        self.missing: str | None = None
        """What the start waits for, in words; None: nothing that is known of."""
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_room(self.url)
            self.engine = create_async_engine(self.url, connect_args={"timeout": _BUSY_MS / 1000})
            event.listen(self.engine.sync_engine, "connect", _share_file)
        else:
            self.engine = create_async_engine(
                self.url,
                pool_size=_POOL,
                pool_pre_ping=True,
                pool_timeout=5.0,
                connect_args={"connect_timeout": _CONNECT_WITHIN_S},
            )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Everything in it, or nothing. Raises `StorageUnavailable` while the database is away, and of that kind
        `StorageRejected` when it is there and does not take these values."""
        try:
            async with self.engine.begin() as connection:
                yield connection
        except (DBAPIError, OSError, TimeoutError) as error:
            if _is_refusal(error):
                raise StorageRejected(f"the database: {type(error).__name__}") from error
            raise StorageUnavailable(f"the database: {type(error).__name__}") from error
        except SQLAlchemyError as error:
            if "timeout" in type(error).__name__.lower():  # the pool had no connection in time
                raise StorageUnavailable("the database: no connection in time") from error
            raise

    async def close(self) -> None:
        """Let go of every connection."""
        await self.engine.dispose()


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, DataError | IntegrityError):
        return True
    sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None) or ""
    return sqlstate[:2] in _REFUSED


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        driver = _DRIVERS[parsed.drivername.partition("+")[0]]
    except (ArgumentError, KeyError):
        raise ConfigError(
            "ORCHESTRATOR_DATABASE_URL: give sqlite:///file or postgresql://user:password@host/name"
        ) from None
    return parsed.set(drivername=driver)


def _make_room(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise ConfigError("ORCHESTRATOR_DATABASE_URL: SQLite needs a file, such as sqlite:///var/trunkline.db")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"ORCHESTRATOR_DATABASE_URL: {Path(url.database).parent}: {error.strerror}") from None


def _share_file(connection: Any, _record: Any) -> None:
    """Readers do not wait for the writer, and writers wait for each other."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
