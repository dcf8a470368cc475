"""Which sessions to open ahead of need, which to close, and when."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from common import backoff

K = TypeVar("K")


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

    def take(self) -> K | None:
        """The oldest idle session, no longer ours; None if there is none."""
        return self._idle.popitem(last=False)[0] if self._idle else None

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
        missing = self._target - len(self._idle) - self._opening
        if missing <= 0 or now < self._not_before:
            return tuple(Close(session) for session in aged)
        self._opening += missing
        return (*(Close(session) for session in aged), *(Open() for _ in range(missing)))

    def next_deadline(self) -> float:
        """When to ask `due` again if nothing happens."""
        deadlines = list(self._idle.values())
        if self._target > len(self._idle) + self._opening:
            deadlines.append(self._not_before)
        return min(deadlines, default=float("inf"))
