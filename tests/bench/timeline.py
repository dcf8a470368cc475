"""Things to do later, run by whoever holds the clock."""

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[float], None]


class Timeline:
    """A queue of actions by due time; `run` performs what is due and passes it the present."""

    __slots__ = ("_numbers", "_queue")

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def at(self, due: float, action: Action) -> None:
        """Performs `action` at the first `run` not before `due`; equal times keep their order."""
        heapq.heappush(self._queue, (due, next(self._numbers), action))

    def run(self, now: float) -> None:
        """Performs everything that is due."""
        while self._queue and self._queue[0][0] <= now:
            heapq.heappop(self._queue)[2](now)
