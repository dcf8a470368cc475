"""The part of the orchestrator that deletes what has been kept long enough."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

from common import backoff, logs
from common.errors import StorageUnavailable
from orchestrator.records.erasing import Eraser

log = logs.get("retention")

_EVERY_S: Final = 3_600.0
_FIRST_RETRY_S: Final = 10.0
_LAST_RETRY_S: Final = 600.0


class Retention:
    """A `Part`. Every replica does it; what one has deleted the next does not find."""

    name = "retention"

    def __init__(self, eraser: Eraser, keep_transcripts_days: int, keep_calls_days: int) -> None:
        self._eraser = eraser
        self._keep_words, self._keep_calls = timedelta(days=keep_transcripts_days), timedelta(days=keep_calls_days)

    async def start(self) -> None:
        """Nothing to acquire."""

    async def run(self) -> None:
        """Once an hour, until cancelled."""
        while True:
            await self._until_done()
            await asyncio.sleep(_EVERY_S)

    async def drain(self) -> None:
        """What is not deleted yet is found by the next."""

    async def close(self) -> None:
        """Nothing to release."""

    async def once(self, now: datetime) -> None:
        """Delete what is due. Raises `StorageUnavailable`."""
        calls = await self._eraser.erase_old_calls(now - self._keep_calls)
        words = await self._eraser.erase_old_words(now - self._keep_words)
        await self._eraser.erase_late_words()
        if calls or words:
            log.info("old records deleted", extra=logs.fields(words_of_calls=words, calls=calls))

    async def _until_done(self) -> None:
        for wait_s in backoff.delays(_FIRST_RETRY_S, _LAST_RETRY_S):
            try:
                await self.once(datetime.now(UTC))
                return
            except StorageUnavailable as error:
                log.warning("old records are not deleted yet", extra=logs.fields(why=str(error)))
                await asyncio.sleep(wait_s)
