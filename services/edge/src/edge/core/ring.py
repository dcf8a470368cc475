"""The caller-audio ring: the last seconds the caller said, kept for a talker that comes later."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from common.pcmu import BYTES_PER_MS

KEEP_MS: Final = 30_000
_SEGMENT_BYTES: Final = 8_000


@dataclass(slots=True)
class _Segment:
    """Audio without a gap, up to a second of it: one object instead of fifty frames (a call's ring is 240 kB)."""

    start_ms: int
    pcmu: bytearray = field(default_factory=bytearray)

    @property
    def end_ms(self) -> int:
        return self.start_ms + len(self.pcmu) // BYTES_PER_MS


class CallerRing:
    """Caller audio by its time on the leg's clock; what is older than 30 s falls out by the second."""

    def __init__(self, keep_ms: int = KEEP_MS) -> None:
        self._segments: deque[_Segment] = deque(maxlen=keep_ms * BYTES_PER_MS // _SEGMENT_BYTES + 2)
        self._keep_ms = keep_ms

    def add(self, at_ms: int, pcmu: bytes) -> None:
        """Keep one frame."""
        segments = self._segments
        if segments:
            last = segments[-1]
            if len(last.pcmu) < _SEGMENT_BYTES and last.end_ms == at_ms:
                last.pcmu += pcmu
                return
        segments.append(_Segment(at_ms, bytearray(pcmu)))
        while segments[0].end_ms < at_ms - self._keep_ms:
            segments.popleft()

    def shift(self, by_ms: int) -> None:
        """The call's clock was put forward: so are the times of what is kept."""
        for segment in self._segments:
            segment.start_ms += by_ms

    def since(self, at_ms: int) -> list[tuple[int, bytes]]:
        """What was said at or after `at_ms`, in pieces of up to a second with their times, oldest first."""
        pieces: list[tuple[int, bytes]] = []
        for segment in self._segments:
            skip_ms = max(0, at_ms - segment.start_ms)
            if skip_ms * BYTES_PER_MS < len(segment.pcmu):
                pieces.append((segment.start_ms + skip_ms, bytes(segment.pcmu[skip_ms * BYTES_PER_MS :])))
        return pieces
