"""At which service level one call is served, and for how long, as metrics."""

import time

from common import metrics
from common.messages.facts import LevelCause


class LevelMeter:
    """`enter` a level, `leave` at the end; a level that was changed to is counted with its cause."""

    def __init__(self) -> None:
        self._level: int | None = None
        self._since = 0.0

    def enter(self, level: int) -> None:
        """The call is served at this level from now on."""
        self.leave()
        self._level, self._since = level, time.monotonic()
        metrics.CALLS_BY_LEVEL.labels(f"L{level}").inc()

    def change(self, level: int, cause: LevelCause) -> None:
        """It was served at another before."""
        metrics.LEVEL_CHANGES.labels(f"L{level}", cause).inc()
        if level != self._level:
            self.enter(level)

    def leave(self) -> None:
        """The call is over for us."""
        if self._level is None:
            return
        name, self._level = f"L{self._level}", None
        metrics.CALLS_BY_LEVEL.labels(name).dec()
        metrics.LEVEL_SECONDS.labels(name).inc(time.monotonic() - self._since)
