"""Where to seek a lost connection, and how soon."""

import random
import time
from typing import Final

from nats.aio.client import Server

_FIRST_ROUND_WAIT_S: Final = (0.0, 0.1)
_LATER_WAIT_S: Final = (0.1, 0.5)
_LASTS_S: Final = 1.0
"""A connection that did not live this long counts as another failed attempt."""


class Attempts:
    """Which server to try next, and when: soon the others, last the one just lost, then slower, round and round."""

    def __init__(self) -> None:
        self.last_at = 0.0
        """When the last attempt was about to be made (monotonic)."""
        self._left = ""
        self._made = 0
        self._is_hurried = False

    def begin(self, left: str, now: float) -> None:
        """The connection to `left` is lost."""
        self._left = left
        if now - self.last_at > _LASTS_S:
            self._made = 0

    def hurry(self) -> None:
        """The next attempt need not be spread: leaving was."""
        self._is_hurried = True

    def next(self, servers: list[Server]) -> tuple[Server, float]:
        """The server, and how long to wait before trying it: never long, never all clients at the same moment."""
        in_order = sorted(servers, key=lambda server: server.uri.netloc == self._left)
        server = in_order[self._made % len(in_order)]
        span = (0, 0) if self._is_hurried else _FIRST_ROUND_WAIT_S if self._made < len(in_order) else _LATER_WAIT_S
        wait_s = random.uniform(*span)  # noqa: S311
        self._made, self._is_hurried = self._made + 1, False
        self.last_at = time.monotonic() + wait_s
        return server, wait_s
