"""The one timer of a core that says when it wants to be fed a tick."""

import asyncio
import time
from collections.abc import Callable


class Alarm:
    """`ring` is called at the earliest moment asked for since it last rang; too early only feeds an idle tick."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0

    def set(self, due: float) -> None:
        """Ring at `due` (monotonic seconds; infinity: not at all), unless it rings before that anyway."""
        if self._timer is not None and self._due <= due:
            return
        self.stop()
        if due < float("inf"):
            self._due = due
            delay_s = max(0.0, due - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._on_timer)

    def stop(self) -> None:
        """Do not ring."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        self._ring()
