"""The caller-audio ring: the last seconds the caller said, kept for a talker that comes later."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from common.pcmu import BYTES_PER_MS, FRAME_BYTES

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

    def since(self, at_ms: int) -> list[tuple[int, bytes]]:
        """What was said at or after `at_ms` as 20 ms frames with their times, oldest first: not yet a fact."""
        frames: list[tuple[int, bytes]] = []
        for segment in self._segments:
            for start in range(0, len(segment.pcmu), FRAME_BYTES):
                frame_ms = segment.start_ms + start // BYTES_PER_MS
                if frame_ms >= at_ms:
                    frames.append((frame_ms, bytes(segment.pcmu[start : start + FRAME_BYTES])))
        return frames
