"""Which sessions to open ahead of need, which to close, and when."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeAlias, TypeVar

from common import backoff

K = TypeVar("K")

REFILL_AFTER_S: Final = 1.0
"""A session that was taken is replaced so much later: when a lost worker's calls come all at once, their takeovers
come first. Further ones taken meanwhile do not put it off."""


@dataclass(frozen=True, slots=True)
class Open:
    """Open one more session; answer with `opened` or `open_failed`."""


@dataclass(frozen=True, slots=True)
class Close(Generic[K]):
    """This session is too old to be given to a call."""

    session: K


Command: TypeAlias = Open | Close[K]


class WarmPool(Generic[K]):
    """Keeps `target` idle sessions. After every change ask `due` for what to do."""

    def __init__(
        self,
        target: int,
        max_age_s: float,
        jitter: Callable[[], float],
        delays: Callable[[], Iterator[float]] = lambda: backoff.delays(0.5, 30.0),
    ) -> None:
        """`jitter` yields factors near 1, so that sessions opened together do not age out together."""
        self._target = target
        self._max_age_s = max_age_s
        self._jitter = jitter
        self._new_delays = delays
        self._delays = self._new_delays()
        self._idle: OrderedDict[K, float] = OrderedDict()
        self._opening = 0
        self._not_before = 0.0

    def __len__(self) -> int:
        return len(self._idle)

    def opened(self, session: K, now: float) -> None:
        """A session we asked for is open."""
        self._opening -= 1
        self._idle[session] = now + self._max_age_s * self._jitter()
        self._delays = self._new_delays()

    def open_failed(self, now: float) -> None:
        """A session we asked for could not be opened: wait longer each time, calls need the provider's quota more."""
        self._opening -= 1
        self._not_before = now + next(self._delays)

    def died(self, session: K) -> None:
        """The provider closed an idle session."""
        self._idle.pop(session, None)

    def take(self, now: float) -> K | None:
        """The oldest idle session, no longer ours; None if there is none."""
        if not self._idle:
            return None
        if not self._missing:
            self._not_before = max(self._not_before, now + REFILL_AFTER_S)
        return self._idle.popitem(last=False)[0]

    def retire(self) -> tuple[Close[K], ...]:
        """Open no more and give up all."""
        self._target = 0
        idle, self._idle = self._idle, OrderedDict()
        return tuple(Close(session) for session in idle)

    def due(self, now: float) -> tuple[Command[K], ...]:
        """What to do now."""
        surplus = max(0, len(self._idle) - self._target)
        oldest = list(self._idle)[:surplus]
        aged = [session for session, until in self._idle.items() if until <= now or session in oldest]
        for session in aged:
            del self._idle[session]
        missing = self._missing if now >= self._not_before else 0
        self._opening += missing
        return (*(Close(session) for session in aged), *(Open() for _ in range(missing)))

    def next_deadline(self) -> float:
        """When to ask `due` again if nothing happens."""
        deadlines = list(self._idle.values())
        if self._missing:
            deadlines.append(self._not_before)
        return min(deadlines, default=float("inf"))

    @property
    def _missing(self) -> int:
        return max(0, self._target - len(self._idle) - self._opening)
