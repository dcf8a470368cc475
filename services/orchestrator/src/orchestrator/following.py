"""Following all calls of the fleet: partitions by lease, facts from the stream, a cursor that outlives the replica."""

import asyncio
import contextlib
import datetime
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import backoff, logs, metrics, subjects
from common.bus.connection import Bus
from common.bus.direct_get import AT_MOST, Kept, after, first_since
from common.bus.lease import Lease
from common.ending import end_tasks
from common.errors import RemoteProtocolError, StorageUnavailable, TrunklineError
from common.messages.base import decode_as
from common.messages.facts import FLEET, Fact
from common.messages.heartbeat import Heartbeat
from orchestrator.checkpoints import open_saver
from orchestrator.core.membership import Membership
from orchestrator.core.partitions import PARTITIONS, partition_of
from orchestrator.partition import NewSession, Partition
from orchestrator.stores.database import Database
from orchestrator.stores.following import FollowingStore

log = logs.get("following")

_CLAIM_EVERY_S: Final = 0.1
_RENEW_EVERY_S: Final = 0.4
"""A lease lasts five times as long; one that is another's is tried more often, since its calls wait."""
_SAVE_EVERY_S: Final = 0.5
_FORGET_EVERY_S: Final = 60.0
_FORGET_AFTER: Final = datetime.timedelta(minutes=10)
_LONGEST_CALL: Final = datetime.timedelta(hours=26)
_FORGET_AT_ONCE: Final = 200
_LOOK_BACK: Final = datetime.timedelta(hours=1)
_LOOK_EVERY_S: Final = 0.25
_LOOK_AGAIN_S: Final = 0.01
_LOOKS: Final = 5
"""A fact is heard on the bus a moment before the stream has it."""
_READ_WITHIN_S: Final = 2.0

Sessions = Callable[[BaseCheckpointSaver[str]], NewSession]
"""Makes sessions whose graphs are kept by a saver."""


class Following:
    """A part of the orchestrator (`orchestrator.part`)."""

    name = "following"

    def __init__(
        self,
        bus: Bus,
        database: Database,
        replica_id: str,
        sessions: Sessions,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        """`close` lets go of what sessions share."""
        self._bus, self._database = bus, database
        self._store = FollowingStore(database)
        self._sessions, self._close = sessions, close
        self._members = Membership(replica_id)
        self._leases = [Lease(bus, f"calls-{number}", replica_id) for number in range(PARTITIONS)]
        self._renewed = [float("-inf")] * PARTITIONS
        self._partitions: dict[int, Partition] = {}
        self._position = 0
        self._bell = asyncio.Event()
        self._notes: asyncio.Queue[tuple[str, bool]] = asyncio.Queue()
        self._saved: dict[int, int] = {}
        self._saver: BaseCheckpointSaver[str] | None = None
        self._new_session: NewSession | None = None

    # --- the life of the part -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Hear of other replicas, and of news in the stream."""
        await self._bus.subscribe(subjects.heartbeats_of("orchestrator"), self._on_heartbeat)
        await self._bus.subscribe(subjects.ALL_FACTS, self._on_fact)

    async def run(self) -> None:
        """Until cancelled. What is away is waited for."""
        async with AsyncExitStack() as stack:
            self._saver = await self._open(stack)
            self._new_session = self._sessions(self._saver)
            works = (self._claim(), self._read(), self._save(), self._clean(), self._keep())
            working = [asyncio.create_task(work) for work in works]
            try:
                ended, _ = await asyncio.wait(working, return_when=asyncio.FIRST_EXCEPTION)
                for task in ended:
                    task.result()
            finally:
                await end_tasks(working)  # no `TaskGroup`: it cancels once, which drivers of databases may lose
                await self._let_go()

    async def drain(self) -> None:
        """Finish the turns that are being decided; then others may have the partitions."""
        self._members.is_leaving = True
        while not all(partition.is_idle for partition in self._partitions.values()):
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def close(self) -> None:
        """The partitions were let go of when `run` ended."""
        await self._close()

    async def _open(self, stack: AsyncExitStack) -> BaseCheckpointSaver[str]:
        for wait in backoff.delays(0.5, 10.0):
            try:
                return await stack.enter_async_context(open_saver(self._database, self._may_write))
            except Exception as error:  # of either database's driver
                log.warning("no place for checkpoints, trying again", extra=logs.fields(error=type(error).__name__))
            await asyncio.sleep(wait)
        raise AssertionError("delays never end")

    def _may_write(self, call_id: str) -> bool:
        return self._leases[partition_of(call_id)].is_held

    async def forget(self, call_ids: Sequence[str]) -> None:
        """Delete what graphs know of these calls (`records.erasing.WordStore`). Raises `StorageUnavailable`."""
        if self._saver is None:
            raise StorageUnavailable("the place of checkpoints is not open")
        for call_id in call_ids:
            await self._saver.adelete_thread(call_id)
            await self._store.forget(call_id)

    # --- partitions ---------------------------------------------------------------------------------------------------

    def _on_heartbeat(self, message: Msg) -> None:
        self._members.feed(Heartbeat.decode(message.data), time.monotonic())

    async def _claim(self) -> None:
        """Have the partitions that are ours, and no others."""
        while True:
            before = frozenset(self._partitions)
            await asyncio.gather(*(self._settle(number) for number in range(PARTITIONS)))
            if before != frozenset(self._partitions):
                metrics.PARTITIONS_FOLLOWED.set(len(self._partitions))
                log.info("following", extra=logs.fields(partitions=", ".join(map(str, sorted(self._partitions)))))
            await asyncio.sleep(_CLAIM_EVERY_S)

    async def _settle(self, number: int) -> None:
        lease, now = self._leases[number], time.monotonic()
        is_ours = number in self._members.ours(now)
        if is_ours and (number not in self._partitions or now >= self._renewed[number] + _RENEW_EVERY_S):
            self._renewed[number] = now
            await lease.attempt()
        if lease.is_held and is_ours:
            if number not in self._partitions:
                await self._take_up(number)
        elif number in self._partitions:
            await self._give(number)

    async def _take_up(self, number: int) -> None:
        try:
            cursor = await self._cursor(number)
        except (TrunklineError, NatsError, OSError, TimeoutError) as error:
            log.warning("a partition waits", extra=logs.fields(partition=number, error=type(error).__name__))
            return
        assert self._new_session is not None  # claiming begins after the saver was opened
        self._partitions[number] = Partition(number, cursor, self._new_session, self._note)
        self._position = min(self._position, cursor) if len(self._partitions) > 1 else cursor
        self._bell.set()
        log.debug("following a partition", extra=logs.fields(partition=number, after=cursor))

    async def _cursor(self, number: int) -> int:
        """How far it is followed. Beyond the stream's end means that the stream was made anew, and counts from one."""
        cursor = await self._store.cursor(number)  # first: until the other is known it can only grow
        last = int((await self._bus.jetstream.stream_info(subjects.FACTS_STREAM)).state.last_seq)
        return await self._beginning(last) if cursor is None or cursor > last else cursor

    async def _beginning(self, last: int) -> int:
        """Nobody has followed these calls before: those that may still run are taken up, yesterday's are not."""
        since = _now() - _LOOK_BACK
        first = await first_since(self._bus, subjects.FACTS_STREAM, subjects.ALL_FACTS, since, _READ_WITHIN_S)
        return last if first is None else first.sequence - 1

    async def _give(self, number: int) -> None:
        """Somebody else is to have it, or has it already."""
        partition = self._partitions.pop(number)
        await partition.close()
        if self._leases[number].is_held:
            await self._write_cursors({number: partition.progress.cursor})
        await self._leases[number].give_up()
        log.debug("gave a partition away", extra=logs.fields(partition=number))

    async def _let_go(self) -> None:
        self._members.is_leaving = True
        await asyncio.gather(*(self._give(number) for number in tuple(self._partitions)))
        metrics.PARTITIONS_FOLLOWED.set(0)

    # --- facts --------------------------------------------------------------------------------------------------------

    def _on_fact(self, message: Msg) -> None:
        self._bell.set()

    async def _read(self) -> None:
        """Everything that comes after our position, over and over."""
        while True:
            was_rung = self._bell.is_set()
            self._bell.clear()
            looks = _LOOKS if was_rung else 1
            while self._partitions and looks:
                count = await self._read_on()
                looks = _LOOKS if count else looks - 1
                if count < AT_MOST:
                    await asyncio.sleep(_LOOK_AGAIN_S if was_rung else 0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._bell.wait()

    async def _read_on(self) -> int:
        """How many facts came."""
        position = self._position
        try:
            kept = await after(self._bus, subjects.FACTS_STREAM, subjects.ALL_FACTS, position, _READ_WITHIN_S)
        except TrunklineError as error:
            log.warning("the stream of facts cannot be read now", extra=logs.fields(error=error.code))
            await asyncio.sleep(_LOOK_EVERY_S)
            return 0
        if position == self._position:  # else a partition with an older cursor has come: it goes first
            for each in kept:
                self._take(each)
            self._position = kept[-1].sequence if kept else position
            for partition in self._partitions.values():
                partition.progress.passed(self._position)
        return len(kept)

    def _take(self, kept: Kept) -> None:
        call_id = subjects.last_token(kept.subject)
        partition = self._partitions.get(partition_of(call_id))
        if partition is None or call_id == FLEET or kept.sequence <= partition.progress.newest:
            return
        try:
            fact = decode_as(Fact, kept.data)
            if fact.call_id != call_id:
                raise RemoteProtocolError("malformed message: a fact of another call")
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            partition.progress.passed(kept.sequence)
            return
        partition.take(kept.sequence, fact)

    # --- what outlives us ---------------------------------------------------------------------------------------------

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_EVERY_S)
            await self._write_cursors({number: each.progress.cursor for number, each in self._partitions.items()})

    async def _write_cursors(self, cursors: dict[int, int]) -> None:
        changed = {number: cursor for number, cursor in cursors.items() if self._saved.get(number) != cursor}
        if not changed:
            return
        try:
            await self._store.advance(changed)
        except StorageUnavailable as error:
            log.debug("cursors are not kept yet", extra=logs.fields(error=str(error)))
        else:
            self._saved |= changed

    def _note(self, call_id: str, is_over: bool) -> None:
        self._notes.put_nowait((call_id, is_over))

    async def _keep(self) -> None:
        """How long checkpoints are needed: that of an ended call a little longer, for facts that are read twice."""
        while True:
            call_id, is_over = await self._notes.get()
            with contextlib.suppress(StorageUnavailable):
                await self._store.keep(call_id, _now() + (_FORGET_AFTER if is_over else _LONGEST_CALL))

    async def _clean(self) -> None:
        """Checkpoints nobody needs any more."""
        while True:
            await asyncio.sleep(_FORGET_EVERY_S)
            try:
                await self.forget(await self._store.forgettable(_now(), _FORGET_AT_ONCE))
            except StorageUnavailable as error:
                log.warning("checkpoints stay for now", extra=logs.fields(why=str(error)))


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
