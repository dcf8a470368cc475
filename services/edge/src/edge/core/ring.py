"""The caller-audio ring: the last seconds the caller said, kept for a talker that comes later."""

from collections import deque
from typing import Final

KEEP_MS: Final = 30_000
_SHORTEST_FRAME_MS: Final = 5
"""A carrier whose clock stands still must not fill our memory."""


class CallerRing:
    """Frames with their time on the leg's clock; older than 30 s fall out."""

    def __init__(self, keep_ms: int = KEEP_MS) -> None:
        self._keep_ms = keep_ms
        self._frames: deque[tuple[int, bytes]] = deque(maxlen=max(1, keep_ms // _SHORTEST_FRAME_MS))

    def add(self, at_ms: int, pcmu: bytes) -> None:
        """Keep one frame."""
        frames = self._frames
        frames.append((at_ms, pcmu))
        while frames[0][0] < at_ms - self._keep_ms:
            frames.popleft()

    def since(self, at_ms: int) -> list[tuple[int, bytes]]:
        """The frames at or after `at_ms`, oldest first: what is not yet a fact."""
        return [frame for frame in self._frames if frame[0] >= at_ms]
