"""Audio batches: records of many calls gathered per receiver and sent once a tick."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from common import audio, logs, metrics
from common.audio import RawRecord
from common.bus.connection import Bus
from common.bus.retention import Kept, Retention
from common.errors import LocalProtocolError

log = logs.get("batcher")

MAX_TICK_S: Final = 0.005
"""Longest wait of an urgent record for its batch; with few calls there is little to gather and the wait is shorter."""

LAZY_S: Final = 0.1
"""Longest wait of a record that is in no hurry, such as audio the carrier will play much later."""

_TICK_PER_CALL_S: Final = 0.00025
_ASK_AGAIN_S: Final = 0.01
_ASK_FOR_ROOM: Final = 50
"""A server that takes nothing for so many tries is stuck; what is said now matters more than what was said then."""


def tick_s(calls: int) -> float:
    """How long to gather, by the calls that share the batches: 0.25 ms a call, at most 5 ms."""
    return min(MAX_TICK_S, calls * _TICK_PER_CALL_S)


class Batcher:
    """Gathers records by subject and publishes them. `add` is for the hot path: it never waits."""

    def __init__(
        self,
        bus: Bus,
        direction: str,
        tick: Callable[[], float],
        reply: Callable[[str], str] = lambda _: "",
        *,
        keep_s: float = 0.0,
        keep_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        """`tick` says how long to gather from the first urgent record on; `reply` names a batch's reply subject.

        With `keep_s` what was published is kept that long and what could not be published is kept until it can, up to
        `keep_bytes` in all; when the connection is back, what may have been lost with it is sent again, in order.
        """
        self._bus = bus
        self._tick = tick
        self._reply = reply
        self._urgent: defaultdict[str, list[RawRecord]] = defaultdict(list)
        self._lazy: defaultdict[tuple[str, int], list[RawRecord]] = defaultdict(list)
        self._due = asyncio.Event()
        self._is_ticking = False
        self._is_lazy_waiting = False
        self._is_lazy_due = False
        self._retention = Retention(keep_s, keep_bytes) if keep_s else None
        self._turn = asyncio.Lock()
        if self._retention is not None:
            bus.on_back(self._on_back)
        self._moved = metrics.AUDIO_FRAMES.labels(direction)
        self._dropped = metrics.AUDIO_DROPPED.labels(direction, "disconnected")
        self._refused = metrics.AUDIO_DROPPED.labels(direction, "malformed")

    def add(self, subject: str, record: RawRecord, *, is_urgent: bool = True) -> None:
        """Queue one record for the receiver behind `subject`. The records of a call keep their order.

        An urgent record takes along what waits of its call, not what waits of others: they want company.
        """
        if is_urgent:
            waiting = self._urgent[subject]
            if self._lazy and (held := self._lazy.pop((subject, record[0]), None)):
                waiting += held
            waiting.append(record)
            if not self._is_ticking:
                self._is_ticking = True
                tick = self._tick()
                loop = asyncio.get_running_loop()
                _ = loop.call_later(tick, self._due.set) if tick else loop.call_soon(self._due.set)
        else:
            self._lazy[subject, record[0]].append(record)
            if not self._is_lazy_waiting:
                self._is_lazy_waiting = True
                asyncio.get_running_loop().call_later(LAZY_S, self._on_lazy_due)

    def _on_lazy_due(self) -> None:
        self._is_lazy_waiting, self._is_lazy_due = False, True
        self._due.set()

    def _on_back(self, gap_s: float) -> None:
        """Before anything else is sent: the receivers take records in order."""
        if self._retention is not None:
            self._retention.reopen(time.monotonic() - gap_s)
            self._due.set()

    async def run(self) -> None:
        """Publish batches as they fall due, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            async with self._turn:
                if self._retention is not None and self._retention.has_waiting:
                    await self._send_waiting(self._retention)
                for subject, records in self._take().items():
                    await self._publish(subject, records)

    async def resend(self, subject: str, for_s: float) -> None:
        """Publish again, in order, what was published to `subject` in the last `for_s` seconds; repeats are harmless.

        Returns at once if the bus is away: what is kept is then sent when it is back.
        """
        if self._retention is None:
            return
        async with self._turn:
            for kept in self._retention.published_since(time.monotonic() - for_s, subject):
                if not await self._is_sent(kept):
                    return
            await self._send_waiting(self._retention)

    def _take(self) -> dict[str, list[RawRecord]]:
        due, self._urgent = self._urgent, defaultdict(list)
        self._is_ticking = False
        if self._is_lazy_due:
            self._is_lazy_due = False
            lazy, self._lazy = self._lazy, defaultdict(list)
            for (subject, _), records in lazy.items():
                due[subject] += records
        return due

    async def _publish(self, subject: str, records: list[RawRecord]) -> None:
        """More than one batch is a replay, perhaps of many calls at once: its receiver is given time to take it."""
        for number, batch in enumerate(split(records)):
            if number and self._retention is None:
                await asyncio.sleep(_ASK_AGAIN_S)
            try:
                payload = audio.encode(batch)
            except LocalProtocolError:
                await self._publish_what_can_be(subject, batch)
                continue
            if self._retention is not None:
                await self._keep(self._retention, Kept(time.monotonic(), subject, payload, len(batch)))
            elif await self._is_taken(subject, payload):
                self._moved.inc(len(batch))
            else:
                self._dropped.inc(len(batch))

    async def _is_taken(self, subject: str, payload: bytes) -> bool:
        """Publish; for a moment wait for room in the socket, which many replays at once fill up. False: not sent."""
        for _ in range(_ASK_FOR_ROOM):
            if await self._bus.publish(subject, payload, reply=self._reply(subject)):
                return True
            if not self._bus.is_connected:
                return False
            await asyncio.sleep(_ASK_AGAIN_S)
        return False

    async def _keep(self, retention: Retention, kept: Kept) -> None:
        """Publish and keep; or only keep, behind what still waits."""
        is_sent = not retention.has_waiting and await self._bus.publish(
            kept.subject, kept.payload, reply=self._reply(kept.subject)
        )
        if is_sent:
            self._moved.inc(kept.records)
        elif not retention.has_waiting and self._bus.is_connected:
            # There is no room in the socket. Without a connection `_on_back` would wake us.
            asyncio.get_running_loop().call_later(_ASK_AGAIN_S, self._due.set)
        if given_up := retention.add(kept, is_waiting=not is_sent):
            self._dropped.inc(given_up)

    async def _send_waiting(self, retention: Retention) -> None:
        """What could not be sent before, and what may have been lost, oldest first, as fast as the socket takes it."""
        while (kept := retention.next_waiting()) is not None:
            if not await self._is_sent(kept):
                return
            retention.sent(kept, time.monotonic())
            self._moved.inc(kept.records)

    async def _is_sent(self, kept: Kept) -> bool:
        """Publish; while the socket has no room, wait for it. False: the bus is away."""
        while self._bus.is_connected:
            if await self._bus.publish(kept.subject, kept.payload, reply=self._reply(kept.subject)):
                await asyncio.sleep(0)  # lets the client write, so that its buffer does not fill up with all at once
                return True
            await asyncio.sleep(_ASK_AGAIN_S)
        return False

    async def _publish_what_can_be(self, subject: str, records: list[RawRecord]) -> None:
        """One call's impossible record must not silence the others, nor end `run`."""
        sound = [record for record in records if audio.is_encodable(record)]
        self._refused.inc(len(records) - len(sound))
        log.error("audio records refused", extra=logs.fields(count=len(records) - len(sound)))
        if sound:
            await self._publish(subject, sound)


def split(records: list[RawRecord], limit: int = audio.MAX_BATCH_BYTES) -> list[list[RawRecord]]:
    """The records in order, cut into batches of at most `limit` bytes as they travel (one record at least)."""
    if len(records) * audio.RECORD_BYTES + sum(len(record[5]) for record in records) <= limit:
        return [records]
    batches: list[list[RawRecord]] = [[]]
    total = 0
    for record in records:
        size = audio.RECORD_BYTES + len(record[5])
        if batches[-1] and total + size > limit:
            batches.append([])
            total = 0
        batches[-1].append(record)
        total += size
    return batches
