"""Brings the database to the form this version needs, or says that somebody has to."""

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from common.errors import ConfigError, StorageUnavailable
from common.lifecycle import EXIT_CONFIG
from common.settings import load
from orchestrator.settings import PREFIXES, OrchestratorSettings
from orchestrator.stores.database import Database

_SCRIPTS: Final = Path(__file__).with_name("migrations")
_ONE_AT_A_TIME: Final = 0x7472756E6B  # of this database; any number will do that nobody else locks


@dataclass(frozen=True, slots=True)
class Migration:
    """What `upgrade` did: the level before (None: an empty database) and now."""

    before: str | None
    after: str

    @property
    def is_change(self) -> bool:
        """False if there was nothing to do."""
        return self.before != self.after


async def upgrade(database: Database) -> Migration:
    """Bring the database to the newest migration, all of it or nothing. Several may try at once: one does it.

    Raises `StorageUnavailable` while the database is away, `ConfigError` if a newer version of Trunkline made it.
    """
    async with database.transaction() as connection:
        if database.is_sqlite:
            await connection.execute(text("BEGIN IMMEDIATE"))  # the driver would begin with the first change only
        else:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ONE_AT_A_TIME})
        return await connection.run_sync(_upgrade)


async def check(database: Database) -> None:
    """Raises `ConfigError` with what to do if the database is not at the newest migration, `StorageUnavailable`
    while it is away."""
    async with database.transaction() as connection:
        at = await connection.run_sync(_level)
    needed = _needed()
    _refuse_newer(at)
    if at != needed:
        raise ConfigError(
            f"the database is at migration {at or 'none'}, this version needs {needed}: run `make migrate`"
        )


def _upgrade(connection: Connection) -> Migration:
    before = _level(connection)
    _refuse_newer(before)
    if before != _needed():
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return Migration(before, _needed())


def _level(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _needed() -> str:
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


def _refuse_newer(level: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if level is not None and level not in known:
        raise ConfigError(
            f"the database is at migration {level}, which this version does not know: a newer version made it. "
            f"Run that version; this one needs {_needed()}"
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config


async def _migrate(settings: OrchestratorSettings) -> Migration:
    database = Database(settings.orchestrator_database_url.get_secret_value())
    try:
        return await upgrade(database)
    finally:
        await database.close()


def main() -> None:
    """`make migrate`: migrate the database of `ORCHESTRATOR_DATABASE_URL` and say what was done."""
    try:
        done = asyncio.run(_migrate(load(OrchestratorSettings, PREFIXES)))
    except ConfigError as error:
        _end(str(error), EXIT_CONFIG)
    except StorageUnavailable as error:
        _end(f"{error}: see that it runs and that ORCHESTRATOR_DATABASE_URL is right", 1)
    if done.is_change:
        print(f"migrated from {done.before or 'an empty database'} to {done.after}")  # noqa: T201
    else:
        print(f"at {done.after} already: nothing to do")  # noqa: T201


def _end(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
