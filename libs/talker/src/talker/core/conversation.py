"""The conversation of one call with its speech session: events in, commands out, no clock and no socket."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final, get_args

from common import dtmf
from common.conversation import PROMPT
from common.errors import DeadlineExceeded
from common.messages.commands import CutOver
from common.messages.offers import HandoverReason
from talker.core import telling
from talker.core.adoption import left_over
from talker.core.agenda import Agenda, PlayTones, Scene
from talker.core.agent_turns import AgentTurns, Remnant
from talker.core.asking import Asking
from talker.core.attendance import Attendance
from talker.core.beside import Beside
from talker.core.caller_audio import CallerAudio
from talker.core.caller_turns import CallerTurns
from talker.core.floor import Floor, Moment
from talker.core.liveness import Liveness
from talker.core.phase import Phase
from talker.core.responses import Response, Responses
from talker.core.settling import Settling
from talker.core.subject import Patience, Subject
from talker.core.verdicts import ERROR_CODES, NO_VOICE
from talker.core.vocabulary import (
    AskHandover,
    AskStanding,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    ClearLost,
    Command,
    CountProviderError,
    CountTruncateError,
    End,
    Event,
    Instructed,
    LetAudioThrough,
    NoteBargeIn,
    NoteFirstAudio,
    ReplayEnded,
    ReportResponse,
    StandingTold,
    Tick,
    ToolAnswered,
    ToolWaits,
    WasAdopted,
)
from talker.core.waiting import NEVER, Waiting
from talker.port import (
    AgentAudio,
    AgentAudioEnded,
    AgentText,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    CancelResponse,
    CheckAlive,
    CommandName,
    ErrorReported,
    GarbageReceived,
    ProviderError,
    Respond,
    ResponseEnded,
    ResponseStarted,
    SessionClosed,
    SessionConfigured,
    SessionOpened,
    Severity,
    SpeechEvent,
    ToolWanted,
)

_SIGNS_OF_LIFE: Final = frozenset(get_args(SpeechEvent))
_NOTHING: Final = -1
"""The edge has cleared nothing yet that may still be playing."""


class SpeechConversation:
    """`feed` it everything that happens; ask `next_deadline` when to feed a `Tick`. Never raises on a peer's event."""

    def __init__(
        self, subject: Subject, audio: CallerAudio, patience: Patience, now: float, retire_at: float = NEVER
    ) -> None:
        """`retire_at`: when the speech session will be so old that another has to take its place."""
        self._subject = subject
        self._audio = audio
        self._clock = audio.clock
        self._patience = patience
        self._waiting = Waiting(patience)
        self._agent = AgentTurns(supports_truncate=subject.supports_truncate)
        self._caller = CallerTurns(audio.clock, subject.profile.turn_detection)
        self._responses = Responses()
        self._asking = Asking(self._waiting, self._responses, now)
        self._attendance = Attendance(patience.orphan_s, now)
        self._agenda = Agenda(subject.profile, answers_tool_results=subject.answers_tool_results)
        self._settling = Settling(subject, patience, self._agenda.revisions)
        self._liveness = Liveness(now)
        self._retire_at = retire_at
        self._beside = Beside(subject.service_level, subject.level_cause)
        self._last_wish: AskHandover | None = None
        self._cleared_through = 0
        self._tones = 0

    @property
    def phase(self) -> Phase:
        """What the session is to the call."""
        return self._settling.phase

    @property
    def floor(self) -> Floor:
        """Whose move it is."""
        return self._waiting.floor

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Everything to do about `event`, in order."""
        if type(event) in _SIGNS_OF_LIFE:
            self._liveness.heard(now)
        match event:
            case AgentAudio():
                return self._agent_audio(event, now)
            case AgentText():
                return self._agent_text(event, now)
            case _:
                commands = self._feed(event, now)
                return commands if self._agenda.is_empty else (*commands, *self._follow(now))

    def _feed(self, event: Event, now: float) -> tuple[Command, ...]:
        match event:
            case CallerSpeechStarted(item_id, audio_ms):
                return self._caller_began(item_id, audio_ms, now)
            case CallerSpeechStopped(item_id, audio_ms):
                return self._caller_ended(item_id, audio_ms, now)
            case CallerTranscribed(item_id, text):
                return self._caller_said(item_id, text)
            case ResponseStarted(response_id):
                return self._asking.response_started(response_id, now)
            case AgentAudioEnded(_, item_id):
                return self._agent.end(item_id, is_complete=True)
            case ResponseEnded():
                return self._response_ended(event, now)
            case CarrierCleared():
                return self._carrier_cleared(event, now)
            case Tick():
                return self._tick(now)
            case ErrorReported(error, about):
                return self._error_reported(error, about, now)
            case GarbageReceived(kind):
                return (CountProviderError(kind),)
            case SessionClosed(error):
                return self._session_closed(error)
            case BecameTalker(cut, answers_by_itself):
                return self._became_talker(cut, answers_by_itself, now)
            case ReplayEnded():
                return self._settling.caught_up(now)
            case SessionConfigured():
                return self._configured(now)
            case WasAdopted():
                return self._was_adopted(event, now)
            case StandingTold(is_current):
                return self._standing_told(is_current, now)
            case ClearLost():
                self._cleared_through = _NOTHING
                return ()
            case ToolWanted():
                self._waiting.move(Moment.TOOL_WANTED, now)
                return self._agenda.wanted((event,), self._subject, self._clock.leg_ms)
            case ToolAnswered() | ToolWaits():
                caller_speaks = self.floor is Floor.CALLER
                return self._agenda.answered(event, self._subject, self._clock.leg_ms, caller_speaks=caller_speaks)
            case Instructed():
                return self._agenda.instructed(event, now, is_talker=self.phase is not Phase.CANDIDATE)
            case SessionOpened() | AgentAudio() | AgentText():
                return ()
            case _:
                return self._beside.feed(self._subject, self._clock.leg_ms, event)

    def next_deadline(self) -> float:
        """When to feed a `Tick` (monotonic seconds)."""
        if self.phase is Phase.CANDIDATE:
            return self._waiting.next_deadline()
        check_at = self._liveness.next_check if self._subject.answers_checks else NEVER
        own = (self._waiting.next_deadline(), self._attendance.next_check, self._settling.deadline)
        return min(*own, self._agenda.next_deadline, check_at, self._retire_at)

    # --- what waits for a quiet moment --------------------------------------------------------------------------------

    def _scene(self, now: float) -> Scene:
        return Scene(
            self._subject,
            self._clock.leg_ms,
            self.floor,
            self._responses.is_answering,
            self._asking.is_free,
            self._agent.heard_at,
            now,
        )

    def _follow(self, now: float) -> Iterator[Command]:
        """Before it is settled and after it has ended, a session is asked for nothing."""
        if self.phase is not Phase.TALKING:
            return
        for step in self._agenda.follow(self._scene(now)):
            match step:
                case PlayTones(digits):
                    self._tones += 1
                    item_id = f"{PROMPT}-tones-{self._subject.epoch}-{self._tones}"
                    yield from self._agent.play(item_id, dtmf.tones(digits), now)
                case Respond():
                    yield from self._asking.ask(step, now)
                case _:
                    yield step

    # --- becoming the talker ------------------------------------------------------------------------------------------

    def _became_talker(self, cut: CutOver, answers_by_itself: bool, now: float) -> tuple[Command, ...]:
        """Tell the session what was said, then let the caller's audio follow. Asked again, nothing happens."""
        if self.phase is not Phase.CANDIDATE:
            return ()
        self._attendance.confirm(now)
        level = self._beside.begin(self._subject, cut.leg_clock_ms, cut.service_level)
        told = self._settling.begin(cut, answers_by_itself=answers_by_itself, now=now)
        if self._settling.situation.agent_began_ms >= 0:
            self._cleared_through = _NOTHING  # what the talker before said may still be playing
        resumed = self._agenda.resume(self._settling.open_tools)
        asked = tuple(self._open(now)) if self._settling.is_settled else ()
        return (*level, *told, *resumed, *asked, LetAudioThrough(cut.leg_clock_ms))

    def _open(self, now: float) -> Iterator[Command]:
        """A call that has just begun: by the newest instructions, if the agent's own were replaced already."""
        yield from self._agenda.revise(self._scene(now), is_between=True)
        opening = self._settling.opening()
        if opening is not None:
            yield from self._asking.ask(opening, now)

    def _configured(self, now: float) -> tuple[Command, ...]:
        """Ask for one answer, if one is due to what was said until here. What comes later is the model's own affair."""
        told = self._agenda.confirmed(self._scene(now))
        if not self._settling.configured() or self.floor is Floor.CALLER or self._responses.is_answering:
            return told
        request = self._settling.opening()
        if request is None or (self._settling.waits_for_tool and self._agenda.tools.is_pending):
            self._waiting.move(Moment.WAS_ANSWERED, now)
            return told
        self._agenda.opened()
        self._asking.answers_ms = 0 if request.instructions else self._settling.asked_ms
        return (*told, *self._asking.ask(request, now))

    # --- going on with another edge -----------------------------------------------------------------------------------

    def _was_adopted(self, event: WasAdopted, now: float) -> tuple[Command, ...]:
        """What the edge that died had not played is lost: the model forgets it, and says the rest anew."""
        self._subject = replace(self._subject, epoch=event.new_epoch)
        self._attendance.confirm(now)
        self._cleared_through = self._agent.last_sequence
        remnants = self._agent.remnants(event.died_at, event.known_items)
        cut = [remnant for remnant in remnants if remnant.is_cut]
        cancelled = self._responses.void_those_with({remnant.item_id for remnant in cut})
        wish = (self._last_wish,) if self._last_wish is not None and self._waiting.has_given_up else ()
        return (
            left_over(remnants, event.died_at, self._clock.leg_ms),
            *map(CancelResponse, cancelled),
            *(step for remnant in cut for step in self._agent.cut_off(remnant)),
            *(
                self._apologise(now)
                if event.human_unreached
                else self._resume(cut, is_first=not any(remnant.heard_ms for remnant in remnants), now=now)
            ),
            *wish,
        )

    def _apologise(self, now: float) -> tuple[Command, ...]:
        """The agent speaks first to a caller who is back from a transfer, unless the caller does."""
        request = self._settling.apologise()
        if self.phase is not Phase.TALKING or self.floor is Floor.CALLER:  # while it settles, that asks for it
            return ()
        self._waiting.move(Moment.ANSWER_ENDED, now)
        return self._asking.ask_when_free(request, now)

    def _resume(self, cut: list[Remnant], *, is_first: bool, now: float) -> tuple[Command, ...]:
        """Ask for the rest of what was cut off, unless the caller has the floor or an answer comes anyway.

        What nobody heard is said anew; if it was the first thing at all, in the words it was asked for.
        """
        if not cut or self.phase is not Phase.TALKING:  # while it settles, that decides what to ask for
            return ()
        if self.floor not in (Floor.AGENT, Floor.QUIET) or self._responses.is_answering:
            return ()
        self._waiting.move(Moment.ANSWER_ENDED, now)
        if any(remnant.heard_ms for remnant in cut):
            return self._asking.ask_when_free(self._settling.go_on(), now)
        return self._asking.ask_when_free(self._asking.request if is_first else Respond(), now)

    def _standing_told(self, is_current: bool | None, now: float) -> tuple[Command, ...]:
        if is_current is None:
            return ()
        self._attendance.confirm(now)
        return () if is_current else (End("superseded"),)

    # --- the agent's side ---------------------------------------------------------------------------------------------

    def _agent_audio(self, event: AgentAudio, now: float) -> tuple[Command, ...]:
        response = self._responses.get(event.response_id, now)
        if response.is_void:
            response.items.add(event.item_id)
            return ()
        if not event.pcmu:
            return ()
        records = self._agent.audio(event.item_id, event.pcmu, self._asking.take_answers_ms(response), now)
        response.items.add(event.item_id)
        if response.first_audio_at is not None:
            return records
        response.first_audio_at = now
        self._waiting.move(Moment.VOICE_CAME, now)
        return (*records, NoteFirstAudio(now - response.started_at))

    def _agent_text(self, event: AgentText, now: float) -> tuple[Command, ...]:
        response = self._responses.get(event.response_id, now)
        if response.is_void:
            return ()
        records = self._agent.text(event.item_id, event.text, self._asking.take_answers_ms(response), now)
        response.items.add(event.item_id)
        return records

    def _response_ended(self, event: ResponseEnded, now: float) -> tuple[Command, ...]:
        response = self._responses.pop(event.response_id, now)
        return (
            *self._items_ended(event, response, now),
            *telling.usage_reported(self._subject, self._clock.leg_ms, event.response_id, event.usage),
            *self._outcome(event, response, now),
            *self._tools_wanted(event, response, now),
            *self._asking.response_ended(now),
        )

    def _tools_wanted(self, event: ResponseEnded, response: Response, now: float) -> tuple[Command, ...]:
        """Of an answer that was not completed no tool is run; of one that was they are, whoever has spoken since."""
        is_completed = event.status == "completed"
        if is_completed and event.tools:
            if not response.is_void:
                self._waiting.move(Moment.TOOL_WANTED, now)
            return self._agenda.wanted(event.tools, self._subject, self._clock.leg_ms)
        if is_completed and not response.is_void:
            is_silent_farewell = response.first_audio_at is None and self._agenda.is_farewell_due
            if is_silent_farewell:
                self._waiting.move(Moment.WAS_ANSWERED, now)
            self._agenda.response_ended(has_spoken=response.first_audio_at is not None or is_silent_farewell)
        return ()

    def _items_ended(self, event: ResponseEnded, response: Response, now: float) -> Iterator[Command]:
        is_complete = event.status == "completed"
        for item_id in sorted(response.items):
            if response.is_void:
                yield from self._agent.never_sent(item_id, now)
            yield from self._agent.end(item_id, is_complete=is_complete)

    def _outcome(self, event: ResponseEnded, response: Response, now: float) -> tuple[Command, ...]:
        """A cancelled answer without a voice says nothing about the provider; a failed one is somebody's fault."""
        if event.error is not None:
            report = ReportResponse(ERROR_CODES[event.error.severity], now - response.asked_at)
            failure = () if response.is_void else self._answer_failed(event.error, now)
            return (CountProviderError(event.error.code), report, *failure)
        if response.first_audio_at is not None:
            if not response.is_void:
                self._waiting.move(Moment.ANSWER_ENDED, now)
            return (ReportResponse("", response.first_audio_at - response.asked_at),)
        if event.status == "incomplete" and not response.is_void:
            return self._answer_failed(NO_VOICE, now)
        return ()

    # --- the caller's side --------------------------------------------------------------------------------------------

    def _caller_began(self, item_id: str, audio_ms: int, now: float) -> tuple[Command, ...]:
        onset_ms = self._caller.began(item_id, audio_ms)
        self._responses.void_all()
        self._asking.caller_began()
        self._agenda.caller_began()
        self._waiting.move(Moment.CALLER_BEGAN, now)
        ends = self._agent.end_all()
        started = telling.caller_began(self._subject, onset_ms, item_id)
        return (*ends, *self._clear(onset_ms, now), started)

    def _clear(self, onset_ms: int, now: float) -> tuple[ClearCarrier, ...]:
        """Only the edge knows what still plays, so it is asked whenever anything was sent since it was last silent.

        Replayed speech that the talker before has begun to answer is no barge-in into that answer.
        """
        through = self._agent.last_sequence
        if through <= self._cleared_through or (not through and onset_ms < self._settling.situation.agent_began_ms):
            return ()
        self._cleared_through = through
        return (ClearCarrier(through, onset_ms, now),)

    def _caller_ended(self, item_id: str, audio_ms: int, now: float) -> tuple[Command, ...]:
        end_ms = self._caller.ended(item_id, audio_ms)
        self._settling.note_turn(end_ms)
        self._asking.caller_ended(end_ms, now)
        self._waiting.move(Moment.CALLER_ENDED, now)
        return (telling.caller_ended(self._subject, end_ms, item_id),)

    def _caller_said(self, item_id: str, text: str) -> tuple[Command, ...]:
        span = self._caller.transcribed(item_id)
        if span is None:
            return ()
        return (telling.caller_said(self._subject, self._clock.leg_ms, item_id, text, span),)

    def _carrier_cleared(self, event: CarrierCleared, now: float) -> tuple[Command, ...]:
        clear = event.clear
        if event.item_id is None:
            return self._agent.unheard(clear.through_sequence, clear.noticed_at)
        if event.item_id in self._settling.turns and self._subject.supports_truncate:
            before = tuple(self._settling.turns.heard(event.item_id, event.text))
            steps: tuple[Command, ...] = (*before, *self._agent.unheard_through(clear.through_sequence))
        else:
            steps = self._agent.heard(event.item_id, event.heard_ms, clear.through_sequence)
        return (*steps, NoteBargeIn(now - clear.noticed_at))

    # --- when it goes wrong -------------------------------------------------------------------------------------------

    def _answer_failed(self, error: ProviderError, now: float) -> tuple[Command, ...]:
        """Ask again while the caller waits, a few times; then somebody else has to answer."""
        self._waiting.move(Moment.ANSWER_FAILED, now)
        if self._agenda.is_filling:
            self._agenda.response_ended(has_spoken=False)
            self._waiting.move(Moment.WAS_ANSWERED, now)
        if self.floor is not Floor.RETRYING or not self._settling.is_settled:
            return ()
        if error.severity is not Severity.REJECTED and self._waiting.retry_later(now):
            return ()
        return self._leave_because(error)

    def _error_reported(self, error: ProviderError, about: CommandName | None, now: float) -> tuple[Command, ...]:
        counted: tuple[Command, ...] = (CountProviderError(error.code), *self._agenda.refused(about))
        if about in ("truncate", "delete"):
            return (*counted, CountTruncateError())
        if error.ends_session or (about == "configure" and self.phase in (Phase.REPLAYING, Phase.SETTLING)):
            return (*counted, *self._leave_because(error))
        if about == "respond":
            self._asking.is_open = False
        if about == "respond" and error.severity is not Severity.HARMLESS:
            return (*counted, *self._answer_failed(error, now))
        return counted

    def _leave_because(self, error: ProviderError) -> tuple[Command, ...]:
        return self._leave(ERROR_CODES[error.severity], is_retryable=error.severity is not Severity.REJECTED)

    def _leave(self, error_code: str, *, is_retryable: bool) -> tuple[Command, ...]:
        """Ask to be replaced, once. Until then we go on: the provider may recover before another talker is ready."""
        if not self._waiting.give_up():
            return ()
        self._last_wish = AskHandover(HandoverReason.UPSTREAM_FAILED, error_code, is_retryable)
        return (self._last_wish,)

    def _session_closed(self, error: ProviderError) -> tuple[Command, ...]:
        self._settling.end()
        return (*self._agent.end_all(), *self._leave_because(error), End("socket closed"))

    # --- time ---------------------------------------------------------------------------------------------------------

    def _tick(self, now: float) -> tuple[Command, ...]:
        is_talker = self.phase is not Phase.CANDIDATE
        return (*(self._look_around(now) if is_talker else ()), *self._waited(now))

    def _look_around(self, now: float) -> Iterator[Command]:
        """What falls due by time alone while we are the talker."""
        if now >= self._settling.deadline:
            yield from self._settle(now)
        if now >= self._retire_at:
            self._retire_at = now + self._patience.ask_again_s
            yield AskHandover(HandoverReason.SESSION_AGE)
        if self._subject.answers_checks:
            yield from self._check_alive(now)
        if now < self._attendance.next_check:
            return
        match self._attendance.check(self._audio.heard_at, now):
            case "ask":
                yield AskStanding()
            case "leave":
                yield End("no caller audio")

    def _check_alive(self, now: float) -> Iterator[Command]:
        """While it settles the session owes us an answer anyway, and has its own deadline."""
        match self._liveness.check(now):
            case "ask" if self.phase is Phase.TALKING:
                self._agenda.revisions.checking()
                yield CheckAlive()
            case "dead" if self.phase is Phase.TALKING:
                if left := self._leave(DeadlineExceeded.code, is_retryable=True):
                    yield ReportResponse(DeadlineExceeded.code, now - self._asking.asked_at)
                    yield from left

    def _settle(self, now: float) -> tuple[Command, ...]:
        """Nothing more is replayed, or the provider does not confirm what it was told."""
        if self.phase is Phase.REPLAYING:
            return self._settling.caught_up(now)
        self._settling.deadline = NEVER
        return self._leave(DeadlineExceeded.code, is_retryable=True)

    def _waited(self, now: float) -> tuple[Command, ...]:
        if self._waiting.is_overdue(now):
            report = ReportResponse(DeadlineExceeded.code, now - self._asking.asked_at)
            return (report, *self._leave(DeadlineExceeded.code, is_retryable=True))
        return self._asking.ask(self._asking.request, now) if self._waiting.is_retry_due(now) else ()
