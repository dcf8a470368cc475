"""Where a position in the caller audio we sent lies on the leg's media clock."""

from bisect import bisect_right
from typing import Final

from common.pcmu import BYTES_PER_MS

_MOST_ANCHORS: Final = 512


class LegClock:
    """The session counts the audio it was sent, the leg counts time. They part at every gap: each is an anchor."""

    __slots__ = ("_leg_at_ms", "_next_leg_ms", "_sent_bytes", "_session_at_bytes")

    def __init__(self, leg_ms: int = 0) -> None:
        self._session_at_bytes = [0]
        self._leg_at_ms = [leg_ms]
        self._sent_bytes = 0
        self._next_leg_ms = leg_ms

    @property
    def sent_ms(self) -> int:
        """How much caller audio the session was sent."""
        return self._sent_bytes // BYTES_PER_MS

    @property
    def leg_ms(self) -> int:
        """The leg's clock at the end of what was sent."""
        return self._next_leg_ms

    def sent(self, leg_ms: int, size_bytes: int) -> None:
        """Note that `size_bytes` of pcmu beginning at `leg_ms` were sent. Hot path: called for every frame."""
        if leg_ms != self._next_leg_ms:
            self._anchor(leg_ms)
        self._sent_bytes += size_bytes
        self._next_leg_ms = leg_ms + size_bytes // BYTES_PER_MS

    def _anchor(self, leg_ms: int) -> None:
        if self._session_at_bytes[-1] == self._sent_bytes:
            self._leg_at_ms[-1] = leg_ms
            return
        self._session_at_bytes.append(self._sent_bytes)
        self._leg_at_ms.append(leg_ms)
        if len(self._leg_at_ms) > _MOST_ANCHORS:
            del self._session_at_bytes[: _MOST_ANCHORS // 2]
            del self._leg_at_ms[: _MOST_ANCHORS // 2]

    def to_leg(self, session_ms: int) -> int:
        """The leg's clock at this position; positions outside of what was sent count as its nearest end."""
        at = min(max(0, session_ms * BYTES_PER_MS), self._sent_bytes)
        index = max(0, bisect_right(self._session_at_bytes, at) - 1)
        return self._leg_at_ms[index] + max(0, at - self._session_at_bytes[index]) // BYTES_PER_MS
