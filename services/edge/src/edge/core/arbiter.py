"""The arbiter of one call: who may talk, numbered by epochs.

There is one way to change talker, whatever the reason.

A candidate is sought beside (or without) a current talker:

    IDLE ──seek──▶ OFFERED ──accepted──▶ PREPARING ──ready──▶ IDLE (cut over: the candidate is current)
                     ▲  │ refused, unanswered      │ failed, late    ▲
                     │  ▼                          ▼                 │ quiet moment, deadline, talker lost
                     └─ WAITING ◀──────────────────┴───────── HOLDING (a ready candidate of a planned change)

Which pool an offer goes to, `edge.core.steering` knows. Each offer has an epoch of its own, higher than any before, so
whatever arrives late names an epoch that can no longer win. Only the current epoch's audio is let through
(`is_current`). A talker that outlived its edge is adopted the same way: it is offered its own call under a new epoch.
"""

from typing import Final, assert_never

from common.fsm import Machine
from common.messages.commands import EndReason
from common.messages.offers import PLANNED, HandoverReason
from common.subjects import Pool
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
    LegAway,
    LegDown,
    LegLost,
    LegUp,
    MakeOffer,
    OfferAccepted,
    OfferFailed,
    QuietChanged,
    ReleaseTalker,
    SearchAbandoned,
    Talker,
    TalkerGone,
    TalkerReady,
    Tick,
)
from edge.core.seeking import TABLE, Move, Seeking
from edge.core.steering import Next, Steering

RETRY_EVERY_S: Final = 0.25
READY_WITHIN_S: Final = 5.0
READY_SOON_S: Final = 1.2
"""The caller waits, the provider has just failed, and there is another pool."""
TALKER_WITHIN_S: Final = 10.0
"""Without any talker for this long the caller is told and the carrier takes the call back."""
BUS_WITHIN_S: Final = 60.0
"""Nobody can be reached while the bus is away; that is no talker's fault, and the caller is asked for more patience."""
QUIET_WITHIN_S: Final = 60.0
"""A planned change that finds no quiet moment for this long is made anyway."""
REATTACH_WITHIN_S: Final = 15.0


class Arbiter:
    """Feed it every event of one call with the time; do what it answers, in order."""

    def __init__(
        self,
        now: float,
        max_call_s: float,
        steering: Steering,
        last_epoch: int = 0,
        reattach_within_s: float = REATTACH_WITHIN_S,
    ) -> None:
        """`last_epoch`: the highest epoch the call had anywhere before; the first offer is one higher."""
        self._steering = steering
        self._seeking = Machine(TABLE, Seeking.IDLE)
        self._call_until = now + max_call_s
        self._reattach_within_s = reattach_within_s
        self._epoch = last_epoch
        self._current: Talker | None = None
        self._candidate: Talker | None = None
        self._candidate_session_id = ""
        self._adopting: Talker | None = None
        self._reason = HandoverReason.START
        self._wanted_at = now
        self._deadline: float | None = None
        self._silent_since: float | None = now
        self._bus_lost_at: float | None = None
        self._leg_until: float | None = None
        """Without a leg the call waits until then."""
        self._legless_end = EndReason.LEG_LOST
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
    def home(self) -> Pool:
        """The pool the call belongs to."""
        return self._steering.home

    @property
    def reason(self) -> HandoverReason:
        """What a talker is sought for, or was the last time."""
        return self._reason

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
        if self._leg_until is not None:
            deadlines.append(self._leg_until)
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
                self._steering.spoke()
                return ()
            case BusLost():
                self._bus_lost_at = now if self._bus_lost_at is None else self._bus_lost_at
                return ()
            case BusBack():
                return self._bus_back(now)
            case LegLost():
                return self._leg_lost(now)
            case LegAway():
                return self._leg_away(event.within_s, event.otherwise, now)
            case LegDown():
                return self._end(event.reason, "leg down")
            case Tick():
                return self._tick(now)
            case _:
                assert_never(event)

    # --- seeking --------------------------------------------------------------------------------------------------

    def _seek(self, reason: HandoverReason, now: float, *, is_retryable: bool = True) -> tuple[Command, ...]:
        if self._seeking.state is not Seeking.IDLE or self._leg_until is not None:
            return ()
        self._reason, self._wanted_at = reason, now
        self._steering.begin(reason, is_retryable=is_retryable)
        self._seeking.move(Move.SEEK)
        return self._offer()

    def _offer(self) -> tuple[Command, ...]:
        self._epoch += 1
        self._deadline = None
        course = self._steering.course(is_silent=self._current is None)
        return (MakeOffer(self._epoch, self._reason, course.pool, course.is_last_resort),)

    def _adopt(self, talker: Talker, now: float) -> tuple[Command, ...]:
        """Its old talker is asked first: it has the session and knows everything."""
        self._epoch = max(self._epoch, talker.epoch) + 1
        self._reason, self._wanted_at = HandoverReason.REATTACHED, now
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
        self._deadline = now + self._patience_s
        return ()

    @property
    def _patience_s(self) -> float:
        return READY_SOON_S if self._steering.is_pressed else READY_WITHIN_S

    def _offer_failed(self, event: OfferFailed, now: float) -> tuple[Command, ...]:
        if event.epoch != self._epoch or self._seeking.state is not Seeking.OFFERED:
            return ()
        return self._try_again(now, is_pools_fault=event.is_provider_down)

    def _try_again(self, now: float, *, is_pools_fault: bool) -> tuple[Command, ...]:
        """`is_pools_fault`: the others of the pool would do no better."""
        self._seeking.move(Move.FAILED)
        self._candidate = self._deadline = None
        release = self._give_up_adoption()
        step = Next.AT_ONCE if release else self._steering.failed(is_pools_fault=is_pools_fault)
        match step:
            case Next.AT_ONCE:
                self._seeking.move(Move.RETRY)
                return release + self._offer()
            case Next.SOON:
                self._deadline = now + RETRY_EVERY_S
                return ()
            case Next.NEVER:
                self._seeking.move(Move.ABANDON)
                return (SearchAbandoned(self._reason),)
            case _:
                assert_never(step)

    def _give_up_adoption(self) -> tuple[Command, ...]:
        """The old talker is away or has nothing. Only its answer may be lost, so it is told as well."""
        if self._adopting is None:
            return ()
        adopted, self._adopting = Talker(self._adopting.talker_id, self._epoch), None
        self._reason = HandoverReason.TALKER_LOST
        self._steering.begin(self._reason)
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

    def _answers_offer(self, event: TalkerReady | HandoverAsked) -> bool:
        """The session was open, or could not be had, before word of the accepted offer came."""
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
        self._steering.found()
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
            commands += self._try_again(now, is_pools_fault=False)
        if self._current is not None and self._current.talker_id == talker_id:
            commands += self._lose_current(HandoverReason.TALKER_LOST, now)
        return commands

    def _handover_asked(self, event: HandoverAsked, now: float) -> tuple[Command, ...]:
        talker = Talker(event.talker_id, event.epoch)
        if self._answers_offer(event):
            self._candidate = talker
        is_candidate = self._is_candidate(talker)
        if not is_candidate and self._current != talker:
            return ()
        if event.reason is HandoverReason.TALKER_LOST:
            return self._lose_candidate(event.reason, now) if is_candidate else self._lose_current(event.reason, now)
        if event.reason is not HandoverReason.UPSTREAM_FAILED:
            return self._lose_candidate(event.reason, now) if is_candidate else self._seek(event.reason, now)
        return self._upstream_failed(event, now, is_candidate=is_candidate)

    def _upstream_failed(self, event: HandoverAsked, now: float, *, is_candidate: bool) -> tuple[Command, ...]:
        is_hopeless = self._steering.upstream_failed(
            is_candidate=is_candidate, is_retryable=event.is_retryable, is_silent=self._current is None
        )
        is_another_ready = self._seeking.state is Seeking.HOLDING and not is_candidate
        if is_hopeless and not is_another_ready:
            return self._give_up(is_candidate)
        if is_candidate:
            return self._lose_candidate(event.reason, now, is_pools_fault=True)
        return self._lose_current(event.reason, now, is_retryable=event.is_retryable)

    def _give_up(self, is_candidate: bool) -> tuple[Command, ...]:
        """No other talker can be had. One that still talks goes on; without one the call is over."""
        if not is_candidate or self._current is None or self._candidate is None:
            return self._end(EndReason.NO_TALKER, "upstream failed")
        return (*self._abandon("upstream failed"), SearchAbandoned(self._reason))

    def _abandon(self, why: str) -> tuple[Command, ...]:
        """Seek no further."""
        release = self._give_up_adoption()
        if self._candidate is not None:
            release += (ReleaseTalker(self._candidate, why),)
        self._candidate = self._deadline = None
        if self._seeking.can(Move.ABANDON):
            self._seeking.move(Move.ABANDON)
        return release

    def _lose_candidate(self, reason: str, now: float, *, is_pools_fault: bool = False) -> tuple[Command, ...]:
        lost = self._candidate
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        return release + self._try_again(now, is_pools_fault=is_pools_fault)

    def _lose_current(self, reason: HandoverReason, now: float, *, is_retryable: bool = True) -> tuple[Command, ...]:
        """Without a talker nothing waits for a quiet moment any more, and a search that is under way is in a hurry."""
        lost, self._current = self._current, None
        self._silent_since = now
        release: tuple[Command, ...] = (ReleaseTalker(lost, reason),) if lost else ()
        if self._leg_until is not None:
            return release
        if self._seeking.state is Seeking.IDLE:
            return release + self._seek(reason, now, is_retryable=is_retryable)
        self._reason, self._wanted_at = reason, now
        self._steering.press(reason)
        if self._seeking.state is Seeking.HOLDING:
            return release + self._cut_to_held(now)
        if self._seeking.state is Seeking.WAITING:
            self._seeking.move(Move.RETRY)
            return release + self._offer()
        if self._deadline is not None:
            self._deadline = min(self._deadline, now + self._patience_s)
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
        if self._leg_until is not None:
            return ()
        return self._leg_away(self._reattach_within_s, EndReason.LEG_LOST, now)

    def _leg_away(self, within_s: float, otherwise: EndReason, now: float) -> tuple[Command, ...]:
        self._leg_until, self._legless_end = now + within_s, otherwise
        return self._abandon("leg lost")

    def _tick(self, now: float) -> tuple[Command, ...]:
        if now >= self._call_until:
            return self._end(EndReason.MAX_DURATION, "call limit")
        if self._leg_until is not None:
            return self._end(self._legless_end, "leg lost") if now >= self._leg_until else ()
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
                return self._lose_candidate("not ready in time", now, is_pools_fault=True)

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
