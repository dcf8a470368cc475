"""The caller's audio on its way to the model: in order, repetitions dropped, kept while we are not the talker."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from common.pcmu import BYTES_PER_MS
from talker.core.leg_clock import LegClock

KEEP_MS: Final = 35_000
"""Edges replay 30 s, and the caller goes on speaking meanwhile."""
GAP_MS: Final = 10
"""A carrier's clock is this uneven by itself; after a longer leap something is missing."""
DOUBT_S: Final = 1.5
"""So long what is missing is waited for."""


class CallerAudio:
    """Ask `repeated` about every record, the hot path; then send it and `note` that, or `keep` it."""

    __slots__ = ("_ahead", "_doubt_ends_at", "_kept", "_kept_bytes", "clock", "heard_at", "until_ms")

    def __init__(self, now: float) -> None:
        self.clock = LegClock()
        self.heard_at = now
        """When the last record came (monotonic seconds)."""
        self.until_ms = 0
        """Up to where on the leg's clock audio has come."""
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0
        self._doubt_ends_at = 0.0
        self._ahead: list[tuple[int, bytes]] = []

    @property
    def is_in_doubt(self) -> bool:
        """True while records have to be `settled` before they are heard."""
        return self._doubt_ends_at > 0

    def doubt(self, now: float) -> None:
        """What came lately may have got lost, and will come again: newer audio must not be heard before it."""
        if self.until_ms:
            self._doubt_ends_at = now + DOUBT_S

    def settled(self, at_ms: int, pcmu: bytes, now: float) -> tuple[tuple[int, bytes], ...]:
        """The records to hear now, in order, of this one and those that are held back.

        The first that follows on what was heard shows that nothing is missing, or that it is coming again: then what
        was held back comes with it once more.
        """
        self.heard_at = now
        is_ahead = at_ms > self.until_ms + GAP_MS
        if is_ahead:
            self._ahead.append((at_ms, pcmu))
            if now < self._doubt_ends_at:
                return ()
        self._doubt_ends_at = 0.0
        ahead, self._ahead = tuple(self._ahead), []
        return ahead if is_ahead else ((at_ms, pcmu),)

    def repeated(self, at_ms: int, size_bytes: int, now: float) -> int:
        """How many bytes at its front have come before; all of it: a mere repetition.

        What lies further back than an edge can replay is no repetition: the leg's clock was set back.
        """
        self.heard_at = now
        until_ms = self.until_ms
        if at_ms < until_ms <= at_ms + KEEP_MS:
            known = (until_ms - at_ms) * BYTES_PER_MS
            if known >= size_bytes:
                return size_bytes
            self.until_ms = at_ms + size_bytes // BYTES_PER_MS
            return known
        self.until_ms = at_ms + size_bytes // BYTES_PER_MS
        return 0

    def keep(self, at_ms: int, pcmu: bytes) -> int:
        """Keep a record for later. Returns how many old ones had to go for it."""
        self._kept.append((at_ms, pcmu))
        self._kept_bytes += len(pcmu)
        dropped = 0
        while self._kept_bytes > KEEP_MS * BYTES_PER_MS:
            self._kept_bytes -= len(self._kept.popleft()[1])
            dropped += 1
        return dropped

    def take_kept(self) -> Iterator[tuple[int, bytes]]:
        """What was kept, in order; it is no longer."""
        while self._kept:
            yield self._kept.popleft()
        self._kept_bytes = 0
