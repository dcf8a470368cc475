"""The part of the orchestrator that waits until the database is there, in the form this version needs."""

import asyncio
from typing import Final

from common import backoff, logs
from common.errors import StorageUnavailable
from orchestrator.stores import migrating
from orchestrator.stores.database import Database

log = logs.get("database")

_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 5.0


class DatabaseReady:
    """A `Part`, the first: what starts after it finds every table."""

    name = "database"

    def __init__(self, database: Database, migrate: bool | None) -> None:
        """`migrate`: bring it to the newest form by ourselves; None: if it is a file of this machine."""
        self._database = database
        self._migrates = database.is_sqlite if migrate is None else migrate

    async def start(self) -> None:
        """Return once it is ready. Raises `ConfigError` if it has another form and we may not change it."""
        for wait_s in backoff.delays(_FIRST_WAIT_S, _LONGEST_WAIT_S):
            try:
                await self._prepare()
                self._database.missing = None
                return
            except StorageUnavailable as error:
                self._database.missing = "the database is away"
                log.warning("the database is away, trying again", extra=logs.fields(why=str(error)))
                await asyncio.sleep(wait_s)

    async def run(self) -> None:
        """Nothing more to do: everybody notices by themselves when it is away later."""

    async def drain(self) -> None:
        """Nothing to finish."""

    async def close(self) -> None:
        """The service closes the database, after all that use it."""

    async def _prepare(self) -> None:
        if not self._migrates:
            await migrating.check(self._database)
            return
        done = await migrating.upgrade(self._database)
        if done.is_change:
            log.info("database migrated", extra=logs.fields(before=done.before, after=done.after))
