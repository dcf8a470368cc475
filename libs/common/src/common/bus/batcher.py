"""Audio batches: records of many calls gathered per receiver and sent once a tick."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from common import audio, metrics
from common.audio import RawRecord
from common.bus.connection import Bus

MAX_TICK_S: Final = 0.005
"""Longest wait of an urgent record for its batch; with few calls there is little to gather and the wait is shorter."""

LAZY_S: Final = 0.05
"""Longest wait of a record that is in no hurry, such as audio the carrier will play much later."""

_TICK_PER_CALL_S: Final = 0.00025


def tick_s(calls: int) -> float:
    """How long to gather, by the calls that share the batches: 0.25 ms a call, at most 5 ms."""
    return min(MAX_TICK_S, calls * _TICK_PER_CALL_S)


class Batcher:
    """Gathers records by subject and publishes them. `add` is for the hot path: it never waits."""

    def __init__(
        self, bus: Bus, direction: str, tick: Callable[[], float], reply: Callable[[str], str] = lambda _: ""
    ) -> None:
        """`tick` says how long to gather from the first urgent record on; `reply` names a batch's reply subject."""
        self._bus = bus
        self._tick = tick
        self._reply = reply
        self._waiting: defaultdict[str, list[RawRecord]] = defaultdict(list)
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._is_urgent = False
        self._moved = metrics.AUDIO_FRAMES.labels(direction)
        self._dropped = metrics.AUDIO_DROPPED.labels(direction, "disconnected")

    def add(self, subject: str, record: RawRecord, *, is_urgent: bool = True) -> None:
        """Queue one record for the receiver behind `subject`. Records of a subject keep their order."""
        self._waiting[subject].append(record)
        if self._timer is None:
            self._schedule(self._tick() if is_urgent else LAZY_S, is_urgent)
        elif is_urgent and not self._is_urgent:
            self._timer.cancel()
            self._schedule(self._tick(), is_urgent)

    def _schedule(self, after_s: float, is_urgent: bool) -> None:
        loop = asyncio.get_running_loop()
        self._is_urgent = is_urgent
        self._timer = loop.call_later(after_s, self._due.set) if after_s else loop.call_soon(self._due.set)

    async def run(self) -> None:
        """Publish batches as they fall due, until cancelled."""
        while True:
            await self._due.wait()
            self._due.clear()
            self._timer = None
            waiting, self._waiting = self._waiting, defaultdict(list)
            for subject, records in waiting.items():
                await self._publish(subject, records)

    async def _publish(self, subject: str, records: list[RawRecord]) -> None:
        for batch in split(records):
            if await self._bus.publish(subject, audio.encode(batch), reply=self._reply(subject)):
                self._moved.inc(len(batch))
            else:
                self._dropped.inc(len(batch))


def split(records: list[RawRecord], limit: int = audio.MAX_BATCH_BYTES) -> list[list[RawRecord]]:
    """The records in order, cut into batches whose payloads stay under `limit` bytes (one record at least)."""
    if len(records) * audio.MAX_PAYLOAD_BYTES <= limit or sum(len(record[5]) for record in records) <= limit:
        return [records]
    batches: list[list[RawRecord]] = [[]]
    size = 0
    for record in records:
        if batches[-1] and size + len(record[5]) > limit:
            batches.append([])
            size = 0
        batches[-1].append(record)
        size += len(record[5])
    return batches
