"""The arbiter of one call: who may talk, numbered by epochs.

There is one way to change talker, whatever the reason.

A candidate is sought beside (or without) a current talker:

    IDLE ──seek──▶ OFFERED ──accepted──▶ PREPARING ──ready──▶ IDLE (cut over: the candidate is current)
                     ▲  │ refused, unanswered      │ failed, late
                     │  ▼                          ▼
                     └─ WAITING ◀──────────────────┘

Each offer has an epoch of its own, higher than any before, so whatever arrives late names an epoch that can no longer
win. Only the current epoch's audio is let through (`is_current`).
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias, assert_never

from common.fsm import Machine
from common.messages.commands import EndReason
from common.messages.offers import HandoverReason

OFFER_TRIES_AT_ONCE: Final = 3
"""A queue group keeps feeding a frozen member, so another member is asked at once a few times."""
RETRY_EVERY_S: Final = 0.25
READY_WITHIN_S: Final = 5.0
TALKER_WITHIN_S: Final = 10.0
"""Without any talker for this long the caller is told and the carrier takes the call back."""
FAILURES_AT_MOST: Final = 5
"""Talkers that failed upstream since the last one that spoke."""


class Seeking(Enum):
    """How far the search for a talker is."""

    IDLE = auto()
    OFFERED = auto()
    PREPARING = auto()
    WAITING = auto()


class Move(Enum):
    """What happens to the search."""

    SEEK = auto()
    ACCEPTED = auto()
    FAILED = auto()
    RETRY = auto()
    CUT = auto()
    ABANDON = auto()


TABLE: Final = {
    (Seeking.IDLE, Move.SEEK): Seeking.OFFERED,
    (Seeking.OFFERED, Move.ACCEPTED): Seeking.PREPARING,
    (Seeking.OFFERED, Move.FAILED): Seeking.WAITING,
    (Seeking.OFFERED, Move.CUT): Seeking.IDLE,
    (Seeking.OFFERED, Move.ABANDON): Seeking.IDLE,
    (Seeking.PREPARING, Move.CUT): Seeking.IDLE,
    (Seeking.PREPARING, Move.FAILED): Seeking.WAITING,
    (Seeking.PREPARING, Move.ABANDON): Seeking.IDLE,
    (Seeking.WAITING, Move.RETRY): Seeking.OFFERED,
    (Seeking.WAITING, Move.ABANDON): Seeking.IDLE,
}


@dataclass(frozen=True, slots=True)
class Talker:
    """A talker of this call and its number."""

    talker_id: str
    epoch: int


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LegUp:
    """The media leg is there; a talker is wanted."""


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """A talker took the offer of this epoch."""

    epoch: int
    talker_id: str


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """Nobody took the offer of this epoch: refused, unanswered, nobody there."""

    epoch: int


@dataclass(frozen=True, slots=True)
class TalkerReady:
    """A talker says its speech session is open and seeded."""

    epoch: int
    talker_id: str
    realtime_session_id: str = ""


@dataclass(frozen=True, slots=True)
class TalkerGone:
    """The process is known to be dead or away."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class HandoverAsked:
    """A talker cannot or should not go on."""

    epoch: int
    talker_id: str
    reason: HandoverReason
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class AgentSpoke:
    """Audio of the current talker reached the carrier: it works."""


@dataclass(frozen=True, slots=True)
class LegDown:
    """The media leg is gone or is being given up, and why."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event: TypeAlias = (
    LegUp | OfferAccepted | OfferFailed | TalkerReady | TalkerGone | HandoverAsked | AgentSpoke | LegDown | Tick
)

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer the call to the pool under this epoch; answer with `OfferAccepted` or `OfferFailed`."""

    epoch: int
    reason: HandoverReason


@dataclass(frozen=True, slots=True)
class CutOver:
    """From now on this talker is the current one; address the caller's audio to it."""

    talker: Talker
    reason: HandoverReason
    waited_s: float
    realtime_session_id: str = ""


@dataclass(frozen=True, slots=True)
class ReleaseTalker:
    """Tell the talker that this epoch is over for it."""

    talker: Talker
    reason: str


@dataclass(frozen=True, slots=True)
class EndCall:
    """Give the leg back to the carrier."""

    reason: EndReason


Command: TypeAlias = MakeOffer | CutOver | ReleaseTalker | EndCall


class Arbiter:
    """Feed it every event of one call with the time; do what it answers, in order."""

    def __init__(self, now: float, max_call_s: float, last_epoch: int = 0) -> None:
        """`last_epoch`: the highest epoch the call had anywhere before; the first offer is one higher."""
        self._seeking = Machine(TABLE, Seeking.IDLE)
        self._call_until = now + max_call_s
        self._epoch = last_epoch
        self._current: Talker | None = None
        self._candidate: Talker | None = None
        self._reason = HandoverReason.START
        self._tries = 0
        self._failures = 0
        self._wanted_at = now
        self._deadline: float | None = None
        self._silent_since: float | None = now
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
        """True once the call has ended."""
        return self._is_over

    def is_current(self, epoch: int) -> bool:
        """True if audio of this epoch may be heard."""
        return self._current is not None and self._current.epoch == epoch

    def next_deadline(self) -> float | None:
        """When a `Tick` is due, in the time of `feed`; None once over."""
        if self._is_over:
            return None
        deadlines = [self._call_until]
        if self._deadline is not None:
            deadlines.append(self._deadline)
        if self._silent_since is not None:
            deadlines.append(self._silent_since + TALKER_WITHIN_S)
        return min(deadlines)

    # --- the one entrance -----------------------------------------------------------------------------------------

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Take one event; what to do about it."""
        if self._is_over:
            return self._after_the_end(event)
        match event:
            case LegUp():
                return self._seek(HandoverReason.START, now)
            case OfferAccepted():
                return self._accepted(event, now)
            case OfferFailed():
                return self._offer_failed(event, now)
            case TalkerReady():
                return self._ready(event, now)
            case TalkerGone():
                return self._gone(event.talker_id, now)
            case HandoverAsked():
                return self._handover_asked(event, now)
            case AgentSpoke():
                self._failures = 0
                return ()
            case LegDown():
                return self._end(event.reason, "leg down")
            case Tick():
                return self._tick(now)
            case _:
                assert_never(event)

    # --- seeking --------------------------------------------------------------------------------------------------

    def _seek(self, reason: HandoverReason, now: float) -> tuple[Command, ...]:
        if self._seeking.state is not Seeking.IDLE:
            return ()
        self._reason, self._wanted_at, self._tries = reason, now, 0
        self._seeking.move(Move.SEEK)
        return self._offer()

    def _offer(self) -> tuple[Command, ...]:
        self._epoch += 1
        self._tries += 1
        self._deadline = None
        return (MakeOffer(self._epoch, self._reason),)

    def _accepted(self, event: OfferAccepted, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        if self._is_candidate(talker) or self._current == talker:
            return ()
        if event.epoch != self._epoch or self._seeking.state is not Seeking.OFFERED:
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
        if self._tries % OFFER_TRIES_AT_ONCE:
            self._seeking.move(Move.RETRY)
            return self._offer()
        self._deadline = now + RETRY_EVERY_S
        return ()

    def _ready(self, event: TalkerReady, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        answers_offer = self._seeking.state is Seeking.OFFERED and event.epoch == self._epoch
        if not (self._is_candidate(talker) or answers_offer):
            return ()
        self._seeking.move(Move.CUT)
        before, self._current, self._candidate = self._current, talker, None
        self._deadline = self._silent_since = None
        commands: tuple[Command, ...] = (
            CutOver(talker, self._reason, now - self._wanted_at, event.realtime_session_id),
        )
        if before is not None:
            commands += (ReleaseTalker(before, self._reason),)
        return commands

    # --- losing ---------------------------------------------------------------------------------------------------

    def _gone(self, talker_id: str, now: float) -> tuple[Command, ...]:
        commands: tuple[Command, ...] = ()
        if self._candidate is not None and self._candidate.talker_id == talker_id:
            commands += self._lose_candidate(HandoverReason.TALKER_LOST, now)
        if self._current is not None and self._current.talker_id == talker_id:
            commands += self._lose_current(HandoverReason.TALKER_LOST, now)
        return commands

    def _handover_asked(self, event: HandoverAsked, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        is_candidate = self._is_candidate(talker)
        if not is_candidate and self._current != talker:
            return ()
        if event.reason is not HandoverReason.UPSTREAM_FAILED:
            return self._lose_candidate(event.reason, now) if is_candidate else self._seek(event.reason, now)
        self._failures += 1
        if not event.is_retryable or self._failures > FAILURES_AT_MOST:
            return self._give_up(is_candidate)
        return self._lose_candidate(event.reason, now) if is_candidate else self._lose_current(event.reason, now)

    def _give_up(self, is_candidate: bool) -> tuple[Command, ...]:
        """No other talker can be had. One that still talks goes on; without one the call is over."""
        if not is_candidate or self._current is None or self._candidate is None:
            return self._end(EndReason.NO_TALKER, "upstream failed")
        failed, self._candidate, self._deadline = self._candidate, None, None
        self._seeking.move(Move.ABANDON)
        return (ReleaseTalker(failed, "upstream failed"),)

    def _lose_candidate(self, reason: str, now: float) -> tuple[Command, ...]:
        lost = self._candidate
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        return release + self._try_again(now)

    def _lose_current(self, reason: HandoverReason, now: float) -> tuple[Command, ...]:
        lost, self._current = self._current, None
        self._silent_since = now
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        return release + self._seek(reason, now)

    # --- time and the end -----------------------------------------------------------------------------------------

    def _tick(self, now: float) -> tuple[Command, ...]:
        if now >= self._call_until:
            return self._end(EndReason.MAX_DURATION, "call limit")
        if self._silent_since is not None and now >= self._silent_since + TALKER_WITHIN_S:
            return self._end(EndReason.NO_TALKER, "no talker")
        if self._deadline is None or now < self._deadline:
            return ()
        self._deadline = None
        if self._seeking.state is Seeking.WAITING:
            self._seeking.move(Move.RETRY)
            return self._offer()
        return self._lose_candidate("not ready in time", now)

    def _end(self, reason: EndReason, why: str) -> tuple[Command, ...]:
        talkers = [talker for talker in (self._current, self._candidate) if talker is not None]
        self._is_over = True
        self._current = self._candidate = None
        if self._seeking.can(Move.ABANDON):
            self._seeking.move(Move.ABANDON)
        return (*(ReleaseTalker(talker, why) for talker in talkers), EndCall(reason))

    def _after_the_end(self, event: Event) -> tuple[Command, ...]:
        match event:
            case OfferAccepted(epoch, talker_id) | TalkerReady(epoch, talker_id):
                return (ReleaseTalker(Talker(talker_id, epoch), "call is over"),)
            case _:
                return ()

    def _is_candidate(self, talker: Talker) -> bool:
        return self._candidate == talker
