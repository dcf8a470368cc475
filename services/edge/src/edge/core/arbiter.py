"""The arbiter of one call: who may talk, numbered by epochs.

There is one way to change talker, whatever the reason.

A candidate is sought beside (or without) a current talker:

    IDLE ──seek──▶ OFFERED ──accepted──▶ PREPARING ──ready──▶ IDLE (cut over: the candidate is current)
                     ▲  │ refused, unanswered      │ failed, late    ▲
                     │  ▼                          ▼                 │ quiet moment, deadline, talker lost
                     └─ WAITING ◀──────────────────┴───────── HOLDING (a ready candidate of a planned change)

Each offer has an epoch of its own, higher than any before, so whatever arrives late names an epoch that can no longer
win. Only the current epoch's audio is let through (`is_current`). A talker that outlived its edge is adopted the same
way: it is offered its own call under a new epoch.
"""

from enum import Enum, auto
from typing import Final, assert_never

from common.fsm import Machine
from common.messages.commands import EndReason
from common.messages.offers import PLANNED, HandoverReason
from edge.core.arbitration import (
    AdoptionAccepted,
    AgentSpoke,
    AskAdoption,
    BusBack,
    BusLost,
    Command,
    CutOver,
    EndCall,
    Event,
    HandoverAsked,
    HandoverOrdered,
    LegDown,
    LegLost,
    LegUp,
    MakeOffer,
    OfferAccepted,
    OfferFailed,
    QuietChanged,
    ReleaseTalker,
    Talker,
    TalkerGone,
    TalkerReady,
    Tick,
)

OFFER_TRIES_AT_ONCE: Final = 3
"""A queue group keeps feeding a frozen member, so another member is asked at once a few times."""
RETRY_EVERY_S: Final = 0.25
READY_WITHIN_S: Final = 5.0
TALKER_WITHIN_S: Final = 10.0
"""Without any talker for this long the caller is told and the carrier takes the call back."""
BUS_WITHIN_S: Final = 60.0
"""Nobody can be reached while the bus is away; that is no talker's fault, and the caller is asked for more patience."""
QUIET_WITHIN_S: Final = 60.0
"""A planned change that finds no quiet moment for this long is made anyway."""
REATTACH_WITHIN_S: Final = 15.0
FAILURES_AT_MOST: Final = 5
"""Talkers that failed upstream since the last one that spoke."""


class Seeking(Enum):
    """How far the search for a talker is."""

    IDLE = auto()
    OFFERED = auto()
    PREPARING = auto()
    WAITING = auto()
    HOLDING = auto()


class Move(Enum):
    """What happens to the search."""

    SEEK = auto()
    ACCEPTED = auto()
    FAILED = auto()
    RETRY = auto()
    HOLD = auto()
    CUT = auto()
    ABANDON = auto()


TABLE: Final = {
    (Seeking.IDLE, Move.SEEK): Seeking.OFFERED,
    (Seeking.OFFERED, Move.ACCEPTED): Seeking.PREPARING,
    (Seeking.OFFERED, Move.FAILED): Seeking.WAITING,
    (Seeking.OFFERED, Move.HOLD): Seeking.HOLDING,
    (Seeking.OFFERED, Move.CUT): Seeking.IDLE,
    (Seeking.OFFERED, Move.ABANDON): Seeking.IDLE,
    (Seeking.PREPARING, Move.HOLD): Seeking.HOLDING,
    (Seeking.PREPARING, Move.CUT): Seeking.IDLE,
    (Seeking.PREPARING, Move.FAILED): Seeking.WAITING,
    (Seeking.PREPARING, Move.ABANDON): Seeking.IDLE,
    (Seeking.HOLDING, Move.CUT): Seeking.IDLE,
    (Seeking.HOLDING, Move.FAILED): Seeking.WAITING,
    (Seeking.HOLDING, Move.ABANDON): Seeking.IDLE,
    (Seeking.WAITING, Move.RETRY): Seeking.OFFERED,
    (Seeking.WAITING, Move.ABANDON): Seeking.IDLE,
}


class Arbiter:
    """Feed it every event of one call with the time; do what it answers, in order."""

    def __init__(
        self, now: float, max_call_s: float, last_epoch: int = 0, reattach_within_s: float = REATTACH_WITHIN_S
    ) -> None:
        """`last_epoch`: the highest epoch the call had anywhere before; the first offer is one higher."""
        self._seeking = Machine(TABLE, Seeking.IDLE)
        self._call_until = now + max_call_s
        self._reattach_within_s = reattach_within_s
        self._epoch = last_epoch
        self._current: Talker | None = None
        self._candidate: Talker | None = None
        self._candidate_session_id = ""
        self._adopting: Talker | None = None
        self._reason = HandoverReason.START
        self._tries = 0
        self._failures = 0
        self._wanted_at = now
        self._deadline: float | None = None
        self._silent_since: float | None = now
        self._bus_lost_at: float | None = None
        self._leg_lost_at: float | None = None
        self._is_quiet = False
        self._is_over = False

    # --- what anyone may ask --------------------------------------------------------------------------------------

    @property
    def current(self) -> Talker | None:
        """Who may talk now."""
        return self._current

    @property
    def last_epoch(self) -> int:
        """The highest epoch given out so far; whoever carries the call next goes on above it."""
        return self._epoch

    @property
    def is_over(self) -> bool:
        """True once the call has ended here."""
        return self._is_over

    def is_current(self, epoch: int) -> bool:
        """True if audio of this epoch may be heard."""
        return self._current is not None and self._current.epoch == epoch

    def holds(self, talker: Talker) -> bool:
        """True if this candidate is ready and waits for its moment."""
        return self._seeking.state is Seeking.HOLDING and self._candidate == talker

    def next_deadline(self) -> float | None:
        """When a `Tick` is due, in the time of `feed`; None once over."""
        return None if self._is_over else min(self._deadlines())

    def _deadlines(self) -> list[float]:
        deadlines = [self._call_until]
        if self._leg_lost_at is not None:
            deadlines.append(self._leg_lost_at + self._reattach_within_s)
        elif self._bus_lost_at is not None:
            deadlines.append(self._bus_lost_at + BUS_WITHIN_S)
        else:
            deadlines += [] if self._deadline is None else [self._deadline]
            deadlines += [] if self._silent_since is None else [self._silent_since + TALKER_WITHIN_S]
        return deadlines

    # --- the one entrance -----------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Take one event; what to do about it."""
        if self._is_over:
            return self._after_the_end(event)
        match event:
            case LegUp(adopt):
                return self._seek(HandoverReason.START, now) if adopt is None else self._adopt(adopt, now)
            case OfferAccepted():
                return self._accepted(event, now)
            case OfferFailed():
                return self._offer_failed(event, now)
            case AdoptionAccepted():
                return self._adopted(event, now)
            case TalkerReady():
                return self._ready(event, now)
            case TalkerGone():
                return self._gone(event.talker_id, now)
            case HandoverAsked():
                return self._handover_asked(event, now)
            case HandoverOrdered(reason):
                return self._seek(reason, now) if self._current is not None else ()
            case QuietChanged(is_quiet):
                self._is_quiet = is_quiet
                return self._cut_if_quiet(now)
            case AgentSpoke():
                self._failures = 0
                return ()
            case BusLost():
                self._bus_lost_at = now if self._bus_lost_at is None else self._bus_lost_at
                return ()
            case BusBack():
                return self._bus_back(now)
            case LegLost():
                return self._leg_lost(now)
            case LegDown():
                return self._end(event.reason, "leg down")
            case Tick():
                return self._tick(now)
            case _:
                assert_never(event)

    # --- seeking --------------------------------------------------------------------------------------------------

    def _seek(self, reason: HandoverReason, now: float) -> tuple[Command, ...]:
        if self._seeking.state is not Seeking.IDLE or self._leg_lost_at is not None:
            return ()
        self._reason, self._wanted_at, self._tries = reason, now, 0
        self._seeking.move(Move.SEEK)
        return self._offer()

    def _offer(self) -> tuple[Command, ...]:
        self._epoch += 1
        self._tries += 1
        self._deadline = None
        return (MakeOffer(self._epoch, self._reason),)

    def _adopt(self, talker: Talker, now: float) -> tuple[Command, ...]:
        """Its old talker is asked first: it has the session and knows everything."""
        self._epoch = max(self._epoch, talker.epoch) + 1
        self._reason, self._wanted_at, self._tries = HandoverReason.REATTACHED, now, 0
        self._adopting = talker
        self._seeking.move(Move.SEEK)
        return (AskAdoption(talker, self._epoch),)

    def _adopted(self, event: AdoptionAccepted, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        if self._adopting is None or event.epoch != self._epoch or event.talker_id != self._adopting.talker_id:
            return () if self._current == talker else (ReleaseTalker(talker, "adoption is over"),)
        self._adopting = None
        return self._cut(talker, event.realtime_session_id, now)

    def _accepted(self, event: OfferAccepted, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        if self._is_candidate(talker) or self._current == talker:
            return ()
        if event.epoch != self._epoch or self._seeking.state is not Seeking.OFFERED or self._adopting is not None:
            return (ReleaseTalker(talker, "offer is over"),)
        self._seeking.move(Move.ACCEPTED)
        self._candidate = talker
        self._deadline = now + READY_WITHIN_S
        return ()

    def _offer_failed(self, event: OfferFailed, now: float) -> tuple[Command, ...]:
        if event.epoch != self._epoch or self._seeking.state is not Seeking.OFFERED:
            return ()
        return self._try_again(now)

    def _try_again(self, now: float) -> tuple[Command, ...]:
        self._seeking.move(Move.FAILED)
        self._candidate = None
        release = self._give_up_adoption()
        if self._tries % OFFER_TRIES_AT_ONCE or release:
            self._seeking.move(Move.RETRY)
            return release + self._offer()
        self._deadline = now + RETRY_EVERY_S
        return ()

    def _give_up_adoption(self) -> tuple[Command, ...]:
        """The old talker is away or has nothing. Only its answer may be lost, so it is told as well."""
        if self._adopting is None:
            return ()
        adopted, self._adopting = Talker(self._adopting.talker_id, self._epoch), None
        self._reason = HandoverReason.TALKER_LOST
        return (ReleaseTalker(adopted, "adoption is over"),)

    def _ready(self, event: TalkerReady, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        if not (self._is_candidate(talker) or self._answers_offer(event)):
            return ()
        if self._seeking.state is not Seeking.HOLDING and self._reason in PLANNED and self._current is not None:
            self._seeking.move(Move.HOLD)
            self._candidate, self._candidate_session_id = talker, event.realtime_session_id
            self._deadline = self._wanted_at + QUIET_WITHIN_S
            return self._cut(talker, event.realtime_session_id, now) if self._is_quiet else ()
        if self._seeking.state is Seeking.HOLDING:
            return ()
        return self._cut(talker, event.realtime_session_id, now)

    def _answers_offer(self, event: TalkerReady) -> bool:
        """The session was open before word of the accepted offer came."""
        return self._seeking.state is Seeking.OFFERED and event.epoch == self._epoch and self._adopting is None

    def _cut_if_quiet(self, now: float) -> tuple[Command, ...]:
        """Not while the bus is away: the candidate could not be told, and may be gone when it is back."""
        is_held = self._seeking.state is Seeking.HOLDING and self._bus_lost_at is None
        return self._cut_to_held(now) if self._is_quiet and is_held else ()

    def _cut_to_held(self, now: float) -> tuple[Command, ...]:
        assert self._candidate is not None
        return self._cut(self._candidate, self._candidate_session_id, now, has_waited=True)

    def _cut(self, talker: Talker, session_id: str, now: float, *, has_waited: bool = False) -> tuple[Command, ...]:
        self._seeking.move(Move.CUT)
        before, self._current, self._candidate = self._current, talker, None
        self._deadline = self._silent_since = None
        cut = CutOver(talker, self._reason, now - self._wanted_at, session_id, has_waited)
        return (cut,) if before is None else (cut, ReleaseTalker(before, self._reason))

    # --- losing ---------------------------------------------------------------------------------------------------

    def _gone(self, talker_id: str, now: float) -> tuple[Command, ...]:
        commands: tuple[Command, ...] = ()
        if self._candidate is not None and self._candidate.talker_id == talker_id:
            commands += self._lose_candidate(HandoverReason.TALKER_LOST, now)
        if self._adopting is not None and self._adopting.talker_id == talker_id:
            commands += self._try_again(now)
        if self._current is not None and self._current.talker_id == talker_id:
            commands += self._lose_current(HandoverReason.TALKER_LOST, now)
        return commands

    def _handover_asked(self, event: HandoverAsked, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        is_candidate = self._is_candidate(talker)
        if not is_candidate and self._current != talker:
            return ()
        if event.reason is HandoverReason.TALKER_LOST:
            return self._lose_candidate(event.reason, now) if is_candidate else self._lose_current(event.reason, now)
        if event.reason is not HandoverReason.UPSTREAM_FAILED:
            return self._lose_candidate(event.reason, now) if is_candidate else self._seek(event.reason, now)
        self._failures += 1
        if self._seeking.state is Seeking.HOLDING and not is_candidate:
            return self._lose_current(event.reason, now)
        if not event.is_retryable or self._failures > FAILURES_AT_MOST:
            return self._give_up(is_candidate)
        return self._lose_candidate(event.reason, now) if is_candidate else self._lose_current(event.reason, now)

    def _give_up(self, is_candidate: bool) -> tuple[Command, ...]:
        """No other talker can be had. One that still talks goes on; without one the call is over."""
        if not is_candidate or self._current is None or self._candidate is None:
            return self._end(EndReason.NO_TALKER, "upstream failed")
        return self._abandon("upstream failed")

    def _abandon(self, why: str) -> tuple[Command, ...]:
        """Seek no further."""
        release = self._give_up_adoption()
        if self._candidate is not None:
            release += (ReleaseTalker(self._candidate, why),)
        self._candidate = self._deadline = None
        if self._seeking.can(Move.ABANDON):
            self._seeking.move(Move.ABANDON)
        return release

    def _lose_candidate(self, reason: str, now: float) -> tuple[Command, ...]:
        lost = self._candidate
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        return release + self._try_again(now)

    def _lose_current(self, reason: HandoverReason, now: float) -> tuple[Command, ...]:
        """Without a talker nothing waits for a quiet moment any more, and a search that is under way is in a hurry."""
        lost, self._current = self._current, None
        self._silent_since = now
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        if self._leg_lost_at is not None:
            return release
        if self._seeking.state is Seeking.IDLE:
            return release + self._seek(reason, now)
        self._reason, self._wanted_at = reason, now
        if self._seeking.state is Seeking.HOLDING:
            return release + self._cut_to_held(now)
        if self._seeking.state is Seeking.WAITING:
            self._seeking.move(Move.RETRY)
            return release + self._offer()
        return release

    # --- the bus, the leg, time and the end -------------------------------------------------------------------------

    def _bus_back(self, now: float) -> tuple[Command, ...]:
        """Whatever ran out of time meanwhile gets it anew."""
        if self._bus_lost_at is None:
            return ()
        self._bus_lost_at = None
        if self._silent_since is not None:
            self._silent_since = now
        if self._seeking.state is Seeking.WAITING:
            self._deadline = now
        elif self._deadline is not None:
            self._deadline = max(self._deadline, now + READY_WITHIN_S)
        return self._cut_if_quiet(now)

    def _leg_lost(self, now: float) -> tuple[Command, ...]:
        self._leg_lost_at = now if self._leg_lost_at is None else self._leg_lost_at
        return self._abandon("leg lost")

    def _tick(self, now: float) -> tuple[Command, ...]:
        if now >= self._call_until:
            return self._end(EndReason.MAX_DURATION, "call limit")
        if self._leg_lost_at is not None:
            is_late = now >= self._leg_lost_at + self._reattach_within_s
            return self._end(EndReason.LEG_LOST, "leg lost") if is_late else ()
        if self._bus_lost_at is not None:
            is_late = now >= self._bus_lost_at + BUS_WITHIN_S
            return self._end(EndReason.NO_TALKER, "bus lost") if is_late else ()
        if self._silent_since is not None and now >= self._silent_since + TALKER_WITHIN_S:
            return self._end(EndReason.NO_TALKER, "no talker")
        if self._deadline is None or now < self._deadline:
            return ()
        return self._deadline_came(now)

    def _deadline_came(self, now: float) -> tuple[Command, ...]:
        self._deadline = None
        match self._seeking.state:
            case Seeking.WAITING:
                self._seeking.move(Move.RETRY)
                return self._offer()
            case Seeking.HOLDING:
                return self._cut_to_held(now)
            case _:
                return self._lose_candidate("not ready in time", now)

    def _end(self, reason: EndReason, why: str) -> tuple[Command, ...]:
        """A call that goes on elsewhere takes its talker along."""
        release = self._abandon(why)
        if self._current is not None and reason is not EndReason.MOVED:
            release = (ReleaseTalker(self._current, why), *release)
        self._is_over = True
        self._current = None
        return (*release, EndCall(reason))

    def _after_the_end(self, event: Event) -> tuple[Command, ...]:
        match event:
            case OfferAccepted(epoch, talker_id) | TalkerReady(epoch, talker_id) | AdoptionAccepted(epoch, talker_id):
                return (ReleaseTalker(Talker(talker_id, epoch), "call is over"),)
            case _:
                return ()

    def _is_candidate(self, talker: Talker) -> bool:
        return self._candidate == talker
