"""Which talkers to give up: weighs their silence and NATS's own word against doubts about the observer itself.

Each talker stands somewhere in this table; `ALIVE` and `LOST` are the ends between which evidence moves it:

    ALIVE ──quiet──▶ ASKED ──unanswered──▶ ASKED_AGAIN ──unanswered──▶ ACCUSED (asked over and over)
      ▲                │                       │                          │
      └──── any sign of life, or evidence that is void ◀──────────────────┤
      │                                                                   ▼
      └──────────────────────── a sign of life ◀────────────────────── LOST

Certain evidence (nobody subscribes any more, a farewell) loses a talker at once; silence needs two lost probes. Before
anybody is accused we look at ourselves: a loop that lags, a bus that does not answer, a bus that has just had an event,
many talkers silent at once: then the talker is held, not lost.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, assert_never

from common.fsm import Machine
from edge.core.evidence import (
    BusAnswered,
    BusChanged,
    Command,
    DeclareLost,
    Doubt,
    Event,
    Evidence,
    Hold,
    NobodyThere,
    Probe,
    ProbeBus,
    Resume,
    SaidFarewell,
    ShowedLife,
    Tick,
)

QUIET_AFTER_S: Final = 0.16
"""Heartbeats come every 100 ms, at worst 155 ms apart (measured): without one for this long a talker is asked."""
ANSWER_WITHIN_S: Final = 0.15
"""Two lost probes end 460 ms after the last sign of life: a talker may block its loop for 300 ms."""
SETTLES_WITHIN_S: Final = 1.5
"""After an event of the bus NATS may not know a living talker's subscription yet."""
LAG_S: Final = 0.1
LAG_DOUBTED_FOR_S: Final = 1.0
MASS_SHARE: Final = 0.3
MASS_AT_LEAST: Final = 2
MASS_WITHIN_S: Final = 1.0
HELD_AT_MOST_S: Final = 5.0
"""Our own lag and mass silence protect a talker no longer than this; a bus that does not answer always does."""
FORGOTTEN_AFTER_S: Final = 5.0
"""How long a loss is remembered, so that what is still addressed to the lost talker loses it only once."""


class Standing(Enum):
    """What we think of a talker."""

    ALIVE = auto()
    ASKED = auto()
    ASKED_AGAIN = auto()
    ACCUSED = auto()
    LOST = auto()


class Turn(Enum):
    """What changes it."""

    SIGN = auto()
    QUIET = auto()
    UNANSWERED = auto()
    VOID = auto()
    GIVEN_UP = auto()


TABLE: Final = {
    (Standing.ALIVE, Turn.SIGN): Standing.ALIVE,
    (Standing.ALIVE, Turn.QUIET): Standing.ASKED,
    (Standing.ALIVE, Turn.VOID): Standing.ALIVE,
    (Standing.ALIVE, Turn.GIVEN_UP): Standing.LOST,
    (Standing.ASKED, Turn.SIGN): Standing.ALIVE,
    (Standing.ASKED, Turn.UNANSWERED): Standing.ASKED_AGAIN,
    (Standing.ASKED, Turn.VOID): Standing.ALIVE,
    (Standing.ASKED, Turn.GIVEN_UP): Standing.LOST,
    (Standing.ASKED_AGAIN, Turn.SIGN): Standing.ALIVE,
    (Standing.ASKED_AGAIN, Turn.UNANSWERED): Standing.ACCUSED,
    (Standing.ASKED_AGAIN, Turn.VOID): Standing.ALIVE,
    (Standing.ASKED_AGAIN, Turn.GIVEN_UP): Standing.LOST,
    (Standing.ACCUSED, Turn.SIGN): Standing.ALIVE,
    (Standing.ACCUSED, Turn.UNANSWERED): Standing.ACCUSED,
    (Standing.ACCUSED, Turn.VOID): Standing.ALIVE,
    (Standing.ACCUSED, Turn.GIVEN_UP): Standing.LOST,
    (Standing.LOST, Turn.SIGN): Standing.ALIVE,
}


class _Watched:
    """One talker: where it stands, and since when."""

    def __init__(self, now: float) -> None:
        self.standing = Machine(TABLE, Standing.ALIVE)
        self.shown_at: float | None = None
        """Its last sign of life."""
        self.quiet_since = now
        """As `shown_at`, but silence before an event of the bus does not count."""
        self.asked_at = now
        self.is_unreachable = False
        """Nobody was there, at a time when the bus could not be trusted to know."""
        self.lost_at = now
        self.lost_by: Evidence | None = None
        self.held_since: float | None = None

    @property
    def state(self) -> Standing:
        """Where it stands."""
        return self.standing.state

    @property
    def is_silent(self) -> bool:
        """True if it has left a probe unanswered, or was given up for that."""
        is_asked_in_vain = self.state in (Standing.ASKED_AGAIN, Standing.ACCUSED)
        return is_asked_in_vain or self.lost_by is Evidence.SILENCE

    def shows_life(self, now: float) -> None:
        """It is there: nothing it was suspected of stands."""
        self.standing.move(Turn.SIGN)
        self.shown_at = now
        self._acquit(now)

    def void(self, now: float) -> None:
        """What was held against it, silence included, came from the bus."""
        self.standing.move(Turn.VOID)
        self._acquit(now)

    def _acquit(self, now: float) -> None:
        self.quiet_since = now
        self.is_unreachable = False
        self.lost_by = self.held_since = None


class Suspicion:
    """Fed with everything that tells of a process's talkers; do what it answers, in order."""

    def __init__(self) -> None:
        self._talkers: dict[str, _Watched] = {}
        self._held: dict[str, Doubt] = {}
        self._is_bus_well = True
        self._bus_event_at = float("-inf")
        self._bus_answered_at = float("-inf")
        self._lagged_at = float("-inf")
        self._mass_until = float("-inf")
        """Many fell silent at once: until then, or until all of them have shown life, nobody is lost by silence."""
        self._is_holding = False

    # --- what anyone may ask --------------------------------------------------------------------------------------

    @property
    def is_holding(self) -> bool:
        """True while talkers are missed that may live."""
        return self._is_holding

    @property
    def held(self) -> frozenset[str]:
        """The talkers that are missed but not given up."""
        return frozenset(self._held if self._is_bus_well else (talker_id for talker_id, _ in self._not_lost()))

    @property
    def missed(self) -> frozenset[str]:
        """The talkers that are held, or have left a question unanswered."""
        return self.held | {talker_id for talker_id, watched in self._not_lost() if watched.is_silent}

    def missed_since(self, talker_id: str) -> float | None:
        """The talker's last sign of life, if it has left a question unanswered since, or was lost for that."""
        watched = self._talkers.get(talker_id)
        return watched.quiet_since if watched is not None and watched.is_silent else None

    @property
    def suspected(self) -> frozenset[str]:
        """The talkers no call should be given to now."""
        return frozenset(
            talker_id
            for talker_id, watched in self._talkers.items()
            if watched.state is not Standing.ALIVE or watched.is_unreachable
        )

    def next_deadline(self) -> float | None:
        """When a `Tick` is due, in the time of `feed`; None while there is nobody to look at."""
        watched = self._talkers.values() if self._is_bus_well else self._lost()
        return min(map(self._due, watched), default=None)

    def _due(self, watched: _Watched) -> float:
        match watched.state:
            case Standing.ALIVE:
                quiet_at = watched.quiet_since + QUIET_AFTER_S
                return max(quiet_at, self._bus_event_at + SETTLES_WITHIN_S) if watched.is_unreachable else quiet_at
            case Standing.ASKED | Standing.ASKED_AGAIN | Standing.ACCUSED:
                return watched.asked_at + ANSWER_WITHIN_S
            case Standing.LOST:
                return watched.lost_at + FORGOTTEN_AFTER_S
            case _:
                assert_never(watched.state)

    # --- the one entrance -----------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Take one event; what to do about it."""
        return (*self._feed(event, now), *self._held_or_not())

    def _feed(self, event: Event, now: float) -> Iterator[Command]:
        match event:
            case ShowedLife(talker_id):
                self._known(talker_id, now).shows_life(now)
                self._held.pop(talker_id, None)
            case SaidFarewell(talker_id):
                yield from self._lose(talker_id, self._known(talker_id, now), Evidence.FAREWELL, now)
            case NobodyThere(talker_id):
                yield from self._nobody_there(talker_id, self._known(talker_id, now), now)
            case BusAnswered():
                self._bus_answered_at = now
            case BusChanged():
                self._bus_changed(event, now)
            case Tick(late_s):
                yield from self._tick(late_s, now)
            case _:
                assert_never(event)

    def _known(self, talker_id: str, now: float) -> _Watched:
        watched = self._talkers.get(talker_id)
        if watched is None:
            watched = self._talkers[talker_id] = _Watched(now)
        return watched

    def _not_lost(self) -> Iterator[tuple[str, _Watched]]:
        return ((name, watched) for name, watched in self._talkers.items() if watched.state is not Standing.LOST)

    def _lost(self) -> list[_Watched]:
        return [watched for watched in self._talkers.values() if watched.state is Standing.LOST]

    # --- certain evidence -----------------------------------------------------------------------------------------

    def _nobody_there(self, talker_id: str, watched: _Watched, now: float) -> Iterator[Command]:
        if self._is_settled(now):
            yield from self._lose(talker_id, watched, Evidence.NO_RESPONDERS, now)
        elif watched.state is not Standing.LOST:
            watched.is_unreachable = True
            self._hold(talker_id, watched, Doubt.BUS_EVENT if self._is_bus_well else Doubt.BUS_AWAY, now)

    def _lose(self, talker_id: str, watched: _Watched, evidence: Evidence, now: float) -> Iterator[Command]:
        watched.lost_at = now
        if watched.state is Standing.LOST:
            return
        watched.standing.move(Turn.GIVEN_UP)
        watched.lost_by, watched.is_unreachable = evidence, False
        self._held.pop(talker_id, None)
        yield DeclareLost(talker_id, evidence, None if watched.shown_at is None else now - watched.shown_at)

    # --- the bus --------------------------------------------------------------------------------------------------

    def _is_settled(self, now: float) -> bool:
        return self._is_bus_well and now >= self._bus_event_at + SETTLES_WITHIN_S

    def _bus_changed(self, event: BusChanged, now: float) -> None:
        self._is_bus_well = event.is_well
        if event.has_moved:
            self._bus_event_at = now
        self._held.clear()
        for _, watched in self._not_lost():
            watched.void(now)

    # --- silence --------------------------------------------------------------------------------------------------

    def _tick(self, late_s: float, now: float) -> Iterator[Command]:
        if late_s > LAG_S:
            self._lagged_at = now
        commands = [
            command
            for talker_id, watched in tuple(self._talkers.items())
            for command in self._look_at(talker_id, watched, late_s > LAG_S, now)
        ]
        yield from commands
        if any(isinstance(command, Probe) for command in commands):
            yield ProbeBus()

    def _look_at(self, talker_id: str, watched: _Watched, is_late: bool, now: float) -> Iterator[Command]:
        if watched.state is Standing.LOST:
            if now >= self._due(watched):
                del self._talkers[talker_id]
            return
        if is_late:  # answers may wait behind us in the loop; only what stays unanswered from now on counts
            watched.standing.move(Turn.VOID)
        if not self._is_bus_well or now < self._due(watched):
            return
        watched.standing.move(Turn.QUIET if watched.state is Standing.ALIVE else Turn.UNANSWERED)
        if watched.state is Standing.ACCUSED:
            why = self._doubt(watched, now)
            if why is None:
                evidence = Evidence.NO_RESPONDERS if watched.is_unreachable else Evidence.SILENCE
                yield from self._lose(talker_id, watched, evidence, now)
                return
            self._hold(talker_id, watched, why, now)
        watched.asked_at = now
        yield Probe(talker_id)

    def _doubt(self, accused: _Watched, now: float) -> Doubt | None:
        """None: the talker is at fault, not the bus, not we."""
        if self._bus_answered_at < accused.asked_at:
            return Doubt.BUS_AWAY
        if not self._is_settled(now):
            return Doubt.BUS_EVENT
        if accused.held_since is not None and now >= accused.held_since + HELD_AT_MOST_S:
            return None
        if now < self._lagged_at + LAG_DOUBTED_FOR_S:
            return Doubt.OWN_LAG
        if now >= self._mass_until and self._is_one_of_many(accused):
            self._mass_until = now + HELD_AT_MOST_S
        return Doubt.MASS_SILENCE if now < self._mass_until else None

    def _is_one_of_many(self, accused: _Watched) -> bool:
        def fell_silent_with_it(watched: _Watched) -> bool:
            return watched.is_silent and abs(watched.quiet_since - accused.quiet_since) <= MASS_WITHIN_S

        silent = sum(map(fell_silent_with_it, self._talkers.values()))
        known = sum(
            watched.state is not Standing.LOST or fell_silent_with_it(watched) for watched in self._talkers.values()
        )
        return silent >= MASS_AT_LEAST and silent > MASS_SHARE * known

    # --- holding --------------------------------------------------------------------------------------------------

    def _hold(self, talker_id: str, watched: _Watched, why: Doubt, now: float) -> None:
        """It is missed, but not given up yet."""
        self._held[talker_id] = why
        watched.held_since = now if watched.held_since is None else watched.held_since

    def _held_or_not(self) -> Iterator[Command]:
        is_holding = bool(self._held) or not self._is_bus_well
        if is_holding and not self._is_holding:
            yield Hold(next(iter(self._held.values())) if self._is_bus_well else Doubt.BUS_AWAY)
        elif self._is_holding and not is_holding:
            yield Resume()
        self._is_holding = is_holding
        if not self._held:
            self._mass_until = float("-inf")
