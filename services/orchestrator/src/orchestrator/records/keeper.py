"""Moves one stream into the database: acknowledged once written, never stopped by what cannot be read."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import backoff, logs, metrics, subjects
from common.errors import RemoteProtocolError, StorageUnavailable
from common.messages.facts import FLEET
from orchestrator.core.record_vocabulary import Entry, Stamp
from orchestrator.pulling import Pull
from orchestrator.records import writing
from orchestrator.stores.database import Database, StorageRejected

log = logs.get("records")

_WRITE_WITHIN_S: Final = 20.0
"""Less than the stream waits for an acknowledgement."""
_LOOK_EVERY_S: Final = 5.0
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What one message says."""

    kind: str
    """Of what: a bounded label."""
    about: str
    """The call, or `FLEET`."""
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class _Read:
    message: Msg
    at: datetime
    reading: Reading

    @property
    def seen(self) -> tuple[writing.Seen, ...]:
        return ((self.reading.about, self.at),) if self.reading.about != FLEET else ()


Read: TypeAlias = Callable[[bytes, Stamp], Reading]
"""Reads a message. Raises `RemoteProtocolError` if it cannot be."""


class Keeper:
    """Keep `run` running; `retire` ends it after the batch in hand."""

    def __init__(self, pull: Pull, database: Database, read: Read) -> None:
        self._pull, self._database, self._read = pull, database, read
        self._is_retired = self._is_prepared = False
        self._waits = backoff.delays(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        self._look_from = 0.0

    async def start(self) -> None:
        """Be ready to receive."""
        await self._pull.start()

    async def run(self) -> None:
        """Until retired or cancelled. While JetStream or the database is away, tries again and again."""
        while not self._is_retired:
            try:
                if self._pull.is_lost or not self._is_prepared:
                    await self._pull.prepare()
                    self._is_prepared = True
                await self._keep(await self._pull.next())
                await self._look()
            except (NatsError, OSError, TimeoutError) as error:
                log.debug("JetStream is not ready", extra=logs.fields(error=type(error).__name__))
                await asyncio.sleep(next(self._waits))

    def retire(self) -> None:
        """Take no further batch."""
        self._is_retired = True
        self._pull.interrupt()

    async def close(self) -> None:
        """Give back what was received and not written."""
        await self._pull.stop()

    async def _keep(self, messages: Sequence[Msg]) -> None:
        batch = [each for message in messages if (each := await self._understand(message)) is not None]
        if not batch:
            return
        try:
            await self._write(batch)
        except StorageRejected:
            await self._keep_one_by_one(batch)
        except StorageUnavailable as error:
            await self._wait_for_the_database(batch, error)
        else:
            await self._written(batch)

    async def _keep_one_by_one(self, batch: Sequence[_Read]) -> None:
        """One of them is not taken. The others must not suffer for it."""
        for index, each in enumerate(batch):
            try:
                await self._write([each])
            except StorageRejected as error:
                await self._give_up(each.message, "refused", each.reading.kind, str(error))
            except StorageUnavailable as error:
                await self._wait_for_the_database(batch[index:], error)
                return
            else:
                await self._written([each])

    async def _write(self, batch: Sequence[_Read]) -> None:
        seen = [pair for each in batch for pair in each.seen]
        entries = [entry for each in batch for entry in each.reading.entries]
        try:
            async with asyncio.timeout(_WRITE_WITHIN_S):
                await writing.write(self._database, seen, entries)
        except TimeoutError:
            raise StorageUnavailable("the database did not take a batch in time") from None
        except StorageUnavailable:
            raise
        except Exception as error:
            log.exception("a batch could not be written")
            raise StorageRejected(f"our own error: {type(error).__name__}") from error

    async def _written(self, batch: Sequence[_Read]) -> None:
        self._waits = backoff.delays(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        for each in batch:
            metrics.RECORDS_WRITTEN.labels(each.reading.kind).inc()
            await self._pull.acknowledge(each.message)

    async def _wait_for_the_database(self, batch: Sequence[_Read], error: StorageUnavailable) -> None:
        """The stream keeps what could not be written, and gives it to whoever asks after a while."""
        wait_s = next(self._waits)
        metrics.RECORDS_DEFERRED.inc(len(batch))
        log.warning("facts wait for the database", extra=logs.fields(count=len(batch), why=str(error)))
        for each in batch:
            await self._pull.give_back(each.message, wait_s)
        await asyncio.sleep(wait_s)

    async def _understand(self, message: Msg) -> _Read | None:
        try:
            about = message.metadata
            at = about.timestamp
            reading = self._read(message.data, Stamp(about.sequence.stream, at))
            if reading.about != subjects.last_token(message.subject):
                raise RemoteProtocolError("a fact of another call")
            return _Read(message, at, reading)
        except RemoteProtocolError as error:
            await self._give_up(message, "malformed", "", str(error))
        except Exception:
            log.exception("a fact could not be made a record")
            await self._give_up(message, "bug", "", "our own error")
        return None

    async def _give_up(self, message: Msg, why: str, kind: str, words: str) -> None:
        metrics.RECORDS_REFUSED.labels(why).inc()
        log.error("a fact is not recorded", extra=logs.fields(kind=kind, why=words))
        await self._pull.terminate(message)

    async def _look(self) -> None:
        if time.monotonic() >= self._look_from:
            self._look_from = time.monotonic() + _LOOK_EVERY_S
            metrics.RECORDS_LAG.labels(self._pull.stream).set(await self._pull.unwritten())
