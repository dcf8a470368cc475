"""The breaker of one provider and model: whether it may be given callers, and which share of the new ones.

    CLOSED ──trip──▶ OPEN ──retry──▶ HALF_OPEN ──pass──▶ RAMPING ──recovered──▶ CLOSED
                      ▲                  │ trip              │ trip
                      └──────────────────┴───────────────────┘

It trips on what talkers tell of their attempts; it recovers by probes, which carry no caller, and then step by step. No
input makes it change more than twice in a dwell time: a change that would be the third waits until then and is decided
anew. An operator may hold it open or closed; what happens meanwhile is still watched.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias, assert_never

from common.fsm import Machine
from common.messages.breaker import BreakerMode, BreakerState, TripReason
from fallback.core.thresholds import Thresholds
from fallback.core.window import Numbers, Window


class Move(Enum):
    """What happens to a breaker."""

    TRIP = auto()
    RETRY = auto()
    PASS = auto()
    RECOVERED = auto()


TABLE: Final = {
    (BreakerState.CLOSED, Move.TRIP): BreakerState.OPEN,
    (BreakerState.OPEN, Move.RETRY): BreakerState.HALF_OPEN,
    (BreakerState.HALF_OPEN, Move.TRIP): BreakerState.OPEN,
    (BreakerState.HALF_OPEN, Move.PASS): BreakerState.RAMPING,
    (BreakerState.RAMPING, Move.TRIP): BreakerState.OPEN,
    (BreakerState.RAMPING, Move.RECOVERED): BreakerState.CLOSED,
}


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """An attempt at a speech session ended: ready after so long; None: it failed."""

    ready_s: float | None


@dataclass(frozen=True, slots=True)
class Responded:
    """A response ended."""

    is_failed: bool


@dataclass(frozen=True, slots=True)
class ProbeEnded:
    """The answer to `Probe` of this number."""

    number: int
    is_ok: bool


@dataclass(frozen=True, slots=True)
class Ordered:
    """An operator's word."""

    mode: BreakerMode


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event: TypeAlias = Connected | Responded | ProbeEnded | Ordered | Tick

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Probe:
    """Open a session without a caller and close it; answer with `ProbeEnded`."""

    number: int


@dataclass(frozen=True, slots=True)
class Changed:
    """Something others go by is different now; look at the breaker for what."""

    numbers: Numbers


Command: TypeAlias = Probe | Changed


class Breaker:
    """Feed it every event with the time (monotonic seconds), and a `Tick` every second at least; do as it says."""

    def __init__(self, thresholds: Thresholds, jitter: Callable[[], float]) -> None:
        """`jitter` yields factors near 1, so that many breakers do not retry at the same moment."""
        self._limits = thresholds
        self._jitter = jitter
        self._machine = Machine(TABLE, BreakerState.CLOSED)
        self._window = Window(thresholds.window_s)
        self._changed_at: tuple[float, ...] = ()
        """The last two changes of state."""
        self._trips_in_a_row = 0
        self._open_until = -math.inf
        self._probes = _Probes()
        self._announced: tuple[BreakerState, BreakerMode, float] = (BreakerState.CLOSED, BreakerMode.AUTO, 1.0)
        self.mode = BreakerMode.AUTO
        self.reason: TripReason | None = None
        """Why it last tripped; None if it never did, or has recovered since."""

    def restore(self, state: BreakerState, mode: BreakerMode, reason: TripReason | None, now: float) -> None:
        """Go on where another replica was; what it waited for is waited for anew."""
        self._machine = Machine(TABLE, state)
        self.mode, self.reason = mode, reason
        self._changed_at = (now,)
        self._open_until = now + self._limits.open_s
        self._trips_in_a_row = int(state is not BreakerState.CLOSED)
        self._probes = _Probes(last_number=self._probes.last_number)
        self._window.clear()
        self._announced = (state, mode, self.share(now))

    # --- what anyone may ask --------------------------------------------------------------------------------------

    @property
    def state(self) -> BreakerState:
        """Where it stands by itself."""
        return self._machine.state

    def share(self, now: float) -> float:
        """The share of new calls the provider may be given: 0.0 to 1.0."""
        match self.mode:
            case BreakerMode.OPEN:
                return 0.0
            case BreakerMode.CLOSED:
                return 1.0
            case BreakerMode.AUTO:
                return self._own_share(now)
            case _:
                assert_never(self.mode)

    def _own_share(self, now: float) -> float:
        match self.state:
            case BreakerState.CLOSED:
                return 1.0
            case BreakerState.OPEN | BreakerState.HALF_OPEN:
                return 0.0
            case BreakerState.RAMPING:
                return self._limits.ramp[min(self._ramp_step(now), len(self._limits.ramp) - 1)]
            case _:
                assert_never(self.state)

    def _ramp_step(self, now: float) -> int:
        return int((now - self._changed_at[-1]) / self._limits.ramp_step_s)

    # --- the one entrance -----------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Take one event; what to do about it."""
        match event:
            case Connected(ready_s):
                self._window.connected(ready_s, now)
            case Responded(is_failed):
                self._window.responded(is_failed=is_failed, now=now)
            case ProbeEnded(number, is_ok):
                self._probes.ended(number, is_ok=is_ok)
            case Ordered(mode):
                self.mode = mode
            case Tick():
                self._probes.look_at(now)
            case _:
                assert_never(event)
        numbers = self._window.numbers(now)
        self._advance(numbers, now)
        return (*self._announcement(numbers, now), *self._next_probe(now))

    # --- moving ---------------------------------------------------------------------------------------------------

    def _advance(self, numbers: Numbers, now: float) -> None:
        """One move at most: each is looked at by what comes after it."""
        move, reason = self._wanted(numbers, now)
        is_third = len(self._changed_at) == 2 and now < self._changed_at[0] + self._limits.dwell_s
        if move is None or is_third:
            return
        self._machine.move(move)
        self._changed_at = (*self._changed_at, now)[-2:]
        match move:
            case Move.TRIP:
                self._trips_in_a_row += 1
                self.reason = reason
                wait_s = min(self._limits.open_s * 2.0 ** (self._trips_in_a_row - 1), self._limits.open_at_most_s)
                self._open_until = now + wait_s * self._jitter()
            case Move.RETRY:
                self._probes = _Probes(last_number=self._probes.last_number)
            case Move.PASS:
                self._window.clear()
            case Move.RECOVERED:
                self._trips_in_a_row = 0
                self.reason = None
            case _:
                assert_never(move)

    def _wanted(self, numbers: Numbers, now: float) -> tuple[Move | None, TripReason | None]:
        match self.state:
            case BreakerState.CLOSED:
                reason = self._trips_by(numbers)
                return (None if reason is None else Move.TRIP), reason
            case BreakerState.OPEN:
                return (Move.RETRY if now >= self._open_until else None), None
            case BreakerState.HALF_OPEN:
                if self._probes.has_failed:
                    return Move.TRIP, TripReason.PROBE
                return (Move.PASS if self._probes.passed >= self._limits.probes_to_pass else None), None
            case BreakerState.RAMPING:
                if (reason := self._trips_by(numbers)) is not None:
                    return Move.TRIP, reason
                return (Move.RECOVERED if self._ramp_step(now) >= len(self._limits.ramp) else None), None
            case _:
                assert_never(self.state)

    def _trips_by(self, numbers: Numbers) -> TripReason | None:
        limits = self._limits
        if numbers.connects_failed_in_a_row >= limits.connects_failed_in_a_row:
            return TripReason.CONNECTS
        if numbers.attempts >= limits.attempts_at_least and numbers.failed_share >= limits.failed_share:
            return TripReason.FAILURES
        if numbers.sessions >= limits.sessions_at_least and numbers.ready_p95_s > limits.ready_p95_s:
            return TripReason.SLOW
        return None

    # --- saying ---------------------------------------------------------------------------------------------------

    def _announcement(self, numbers: Numbers, now: float) -> tuple[Command, ...]:
        standing = (self.state, self.mode, self.share(now))
        if standing == self._announced:
            return ()
        self._announced = standing
        return (Changed(numbers),)

    def _next_probe(self, now: float) -> tuple[Command, ...]:
        is_wanted = self.state is BreakerState.HALF_OPEN and self._probes.passed < self._limits.probes_to_pass
        if not is_wanted or self._probes.is_decided_or_waiting:
            return ()
        return (Probe(self._probes.begin(now + self._limits.probe_within_s)),)


@dataclass(slots=True)
class _Probes:
    """One at a time: a provider that has just come back is not to be met by a crowd."""

    last_number: int = 0
    passed: int = 0
    has_failed: bool = False
    _until: float = math.inf

    @property
    def is_decided_or_waiting(self) -> bool:
        """True if no probe may begin now."""
        return self.has_failed or self._until < math.inf

    def begin(self, until: float) -> int:
        """One more, which is lost at `until`. Returns its number."""
        self.last_number += 1
        self._until = until
        return self.last_number

    def ended(self, number: int, *, is_ok: bool) -> None:
        """The answer to a probe; to an earlier one, or to none, it says nothing."""
        if number != self.last_number or self._until == math.inf:
            return
        self._until = math.inf
        self.passed += is_ok
        self.has_failed = self.has_failed or not is_ok

    def look_at(self, now: float) -> None:
        """A probe without an answer has failed."""
        if now >= self._until:
            self.ended(self.last_number, is_ok=False)
