"""What one call's attendant is told, in the order it came: much audio at once is heard a little at a time.

Hearing costs time: the last half minute of a caller takes a quarter of a second. A replica that is given all the calls
of a provider that failed gets that for each of them at the same moment; heard in one go, it would not say for seconds
that it lives, be given up, and hand the same work on to the next.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from common.pcmu import BYTES_PER_MS

SLICE_BYTES: Final = 128 * BYTES_PER_MS
"""Heard in one go; then everybody else has a turn."""
_LIVE_S: Final = 0.02
"""As long as that a caller does not speak within so short a time."""

T = TypeVar("T")


class Inbox(Generic[T]):
    """`audio` and `tell` it; `hear` and `told` are called with the same, at once if nothing waits."""

    def __init__(self, hear: Callable[[bytes], None], told: Callable[[T], None]) -> None:
        self._hear = hear
        self._told = told
        self._waiting: deque[bytearray | tuple[T]] = deque()
        self._since = 0.0
        self._heard_bytes = 0
        """Since then, at once."""

    def audio(self, pcmu: bytes) -> None:
        """Caller audio of any length."""
        if self._waiting or self._is_much(len(pcmu)):
            self._wait(bytearray(pcmu))
        else:
            self._hear(pcmu)

    def tell(self, what: T) -> None:
        """Anything else: not before the audio that came before it."""
        if self._waiting:
            self._wait((what,))
        else:
            self._told(what)

    def close(self) -> None:
        """Nothing more is passed on."""
        self._waiting.clear()

    def _is_much(self, size: int) -> bool:
        now = time.monotonic()
        if now - self._since > _LIVE_S:
            self._since, self._heard_bytes = now, 0
        self._heard_bytes += size
        return self._heard_bytes > SLICE_BYTES

    def _wait(self, what: "bytearray | tuple[T]") -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._take_turn)
        self._waiting.append(what)

    def _take_turn(self) -> None:
        """A slice, and whatever else comes before the next."""
        left = SLICE_BYTES
        while self._waiting and left > 0:
            first = self._waiting[0]
            if isinstance(first, bytearray):
                piece = bytes(first[:left])
                del first[:left]
                left -= len(piece)
                if not first:
                    self._waiting.popleft()
                self._hear(piece)
            else:
                self._waiting.popleft()
                self._told(*first)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._take_turn)
