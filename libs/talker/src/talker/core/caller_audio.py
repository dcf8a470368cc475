"""The caller's audio on its way to the model: repetitions dropped, kept while we are not the talker."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from common.pcmu import BYTES_PER_MS
from talker.core.leg_clock import LegClock

KEEP_MS: Final = 35_000
"""Edges replay 30 s, and the caller goes on speaking meanwhile."""


class CallerAudio:
    """Ask `repeated` about every record, the hot path; then send it and `note` that, or `keep` it."""

    __slots__ = ("_kept", "_kept_bytes", "clock", "heard_at", "until_ms")

    def __init__(self, now: float) -> None:
        self.clock = LegClock()
        self.heard_at = now
        """When the last record came (monotonic seconds)."""
        self.until_ms = 0
        """Up to where on the leg's clock audio has come."""
        self._kept: deque[tuple[int, bytes]] = deque()
        self._kept_bytes = 0

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
