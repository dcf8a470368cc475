"""Where graphs' states are kept: SQLite beside the records, or the cluster's PostgreSQL; fenced by the lease."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final, TypeVar

import aiosqlite
import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from common.errors import StorageUnavailable
from orchestrator.stores.database import Database

T = TypeVar("T")

_SUFFIX: Final = ".graphs"
_POOL: Final = 4
_WITHIN_S: Final = 5.0
_SETUP_LOCK: Final = 7_142_001
"""Any number: replicas that start together must not make the tables at the same time."""


@asynccontextmanager
async def open_saver(database: Database, may_write: Callable[[str], bool]) -> AsyncIterator[BaseCheckpointSaver[str]]:
    """The saver, its tables made. `may_write`: whether this replica still follows the call (thread) of that id."""
    async with AsyncExitStack() as stack:
        saver = await (_sqlite(database, stack) if database.is_sqlite else _postgres(database, stack))
        yield FencedSaver(saver, may_write)


async def _sqlite(database: Database, stack: AsyncExitStack) -> BaseCheckpointSaver[Any]:
    connection = await stack.enter_async_context(aiosqlite.connect(f"{database.url.database}{_SUFFIX}"))
    saver = AsyncSqliteSaver(connection)
    await saver.setup()
    await connection.execute("PRAGMA synchronous=NORMAL")
    return saver


async def _postgres(database: Database, stack: AsyncExitStack) -> BaseCheckpointSaver[Any]:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        url, min_size=1, max_size=_POOL, open=False, kwargs=options, timeout=_WITHIN_S
    )
    await stack.enter_async_context(pool)
    saver = AsyncPostgresSaver(pool)
    async with pool.connection() as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (_SETUP_LOCK,))
        try:
            await saver.setup()
        finally:
            await connection.execute("SELECT pg_advisory_unlock(%s)", (_SETUP_LOCK,))
    return saver


class FencedSaver(BaseCheckpointSaver[str]):
    """Writes only what is ours to write: a replica that was frozen must not overwrite what its successor knows."""

    def __init__(self, saver: BaseCheckpointSaver[Any], may_write: Callable[[str], bool]) -> None:
        super().__init__(serde=saver.serde)
        self._saver = saver
        self._may_write = may_write

    @property
    def config_specs(self) -> list[Any]:
        """As the saver has them."""
        return self._saver.config_specs

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The newest checkpoint of a thread."""
        return await _within(self._saver.aget_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint. Raises `NotOurs`."""
        self._check(config)
        return await _within(self._saver.aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """Keep what a step wrote. Raises `NotOurs`."""
        self._check(config)
        await _within(self._saver.aput_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a call."""
        await _within(self._saver.adelete_thread(thread_id))

    def get_next_version(self, current: Any, channel: None) -> Any:
        """As the saver numbers them."""
        return self._saver.get_next_version(current, channel)

    def _check(self, config: RunnableConfig) -> None:
        if not self._may_write(str(config["configurable"]["thread_id"])):
            raise NotOurs


class NotOurs(StorageUnavailable):
    """Another replica follows this call now."""

    def __init__(self) -> None:
        super().__init__("another replica follows this call now")


async def _within(work: Awaitable[T]) -> T:
    """Raises `StorageUnavailable` for whatever either database's driver raises."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            return await work
    except (psycopg.Error, sqlite3.Error, OSError, TimeoutError) as error:
        raise StorageUnavailable(f"the place of checkpoints: {type(error).__name__}") from error
