"""The conversation of one call with its speech session: events in, commands out, no clock and no socket."""

from collections.abc import Iterator
from typing import Final, assert_never

from common.errors import DeadlineExceeded, UpstreamRejected, UpstreamThrottled, UpstreamUnavailable
from common.messages.offers import HandoverReason
from realtime_worker.backends.port import (
    AgentAudio,
    AgentAudioEnded,
    AgentText,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    CancelResponse,
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
    Usage,
)
from realtime_worker.core import telling
from realtime_worker.core.agent_turns import AgentTurns
from realtime_worker.core.caller_turns import CallerTurns
from realtime_worker.core.floor import Floor, Moment
from realtime_worker.core.leg_clock import LegClock
from realtime_worker.core.responses import Response, Responses
from realtime_worker.core.subject import Patience, Subject
from realtime_worker.core.vocabulary import (
    AskHandover,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    ClearLost,
    Command,
    CountProviderError,
    CountTruncateError,
    End,
    Event,
    NoteBargeIn,
    NoteFirstAudio,
    ReportResponse,
    Tick,
    WriteFact,
)
from realtime_worker.core.waiting import Waiting

ERROR_CODES: Final = {
    Severity.HARMLESS: UpstreamUnavailable.code,
    Severity.REFUSED: UpstreamUnavailable.code,
    Severity.THROTTLED: UpstreamThrottled.code,
    Severity.UNAVAILABLE: UpstreamUnavailable.code,
    Severity.REJECTED: UpstreamRejected.code,
}
"""What a provider's error is called in `common.errors`, for the edge and the breaker."""

_NO_VOICE: Final = ProviderError("incomplete", Severity.UNAVAILABLE)
"""The model stopped (token limit, content filter) before it had said anything."""


class SpeechConversation:
    """`feed` it everything that happens; ask `next_deadline` when to feed a `Tick`. Never raises on a peer's event."""

    def __init__(self, subject: Subject, clock: LegClock, patience: Patience, now: float) -> None:
        self._subject = subject
        self._clock = clock
        self._orphan_s = patience.orphan_s
        self._waiting = Waiting(patience)
        self._agent = AgentTurns(supports_truncate=subject.supports_truncate)
        self._caller = CallerTurns(clock, subject.turn_detection)
        self._responses = Responses()
        self._request = Respond()
        self._is_asking = False
        self._asked_at = now
        self._answers_ms = 0
        self._cleared_through = 0
        self._heard_audio_ms = clock.sent_ms
        self._heard_audio_at = now
        self._orphan_check_at = now + patience.orphan_s / 10

    @property
    def floor(self) -> Floor:
        """Whose move it is."""
        return self._waiting.floor

    def feed(self, event: Event, now: float) -> tuple[Command, ...]:
        """Everything to do about `event`, in order."""
        match event:
            case AgentAudio():
                return self._agent_audio(event, now)
            case AgentText():
                return self._agent_text(event, now)
            case CallerSpeechStarted(item_id, audio_ms):
                return self._caller_began(item_id, audio_ms, now)
            case CallerSpeechStopped(item_id, audio_ms):
                return self._caller_ended(item_id, audio_ms, now)
            case CallerTranscribed(item_id, text):
                return self._caller_said(item_id, text)
            case ResponseStarted(response_id):
                return self._response_started(response_id, now)
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
                return (*self._agent.end_all(), *self._leave_because(error), End("socket closed"))
            case BecameTalker(opening):
                return self._ask(opening, now) if opening else ()
            case ClearLost():
                self._cleared_through = 0
                return ()
            case SessionOpened() | SessionConfigured():
                return ()
            case _:
                assert_never(event)

    def next_deadline(self) -> float:
        """When to feed a `Tick` (monotonic seconds)."""
        return min(self._waiting.next_deadline(), self._orphan_check_at)

    # --- the agent's side ---------------------------------------------------------------------------------------------

    def _agent_audio(self, event: AgentAudio, now: float) -> tuple[Command, ...]:
        response = self._responses.get(event.response_id, now)
        if response.is_void:
            response.items.add(event.item_id)
            return ()
        if not event.pcmu:
            return ()
        records = self._agent.audio(event.item_id, event.pcmu, self._take_answers_ms(response), now)
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
        records = self._agent.text(event.item_id, event.text, self._take_answers_ms(response), now)
        response.items.add(event.item_id)
        return records

    def _take_answers_ms(self, response: Response) -> int:
        """The caller turn an item answers, told once: with the first item of the first response after it."""
        if response.items:
            return 0
        answers_ms, self._answers_ms = self._answers_ms, 0
        return answers_ms

    def _response_started(self, response_id: str, now: float) -> tuple[Command, ...]:
        response = self._responses.begin(response_id, now, self._asked_at if self._waiting.is_waiting else now)
        if not (self._is_asking and self.floor is Floor.CALLER):
            self._is_asking = False
            return ()
        # We asked, and the caller has begun to speak meanwhile: the answer would be spoken over the caller.
        self._is_asking = False
        response.is_void = True
        return (CancelResponse(response_id),)

    def _response_ended(self, event: ResponseEnded, now: float) -> tuple[Command, ...]:
        response = self._responses.pop(event.response_id, now)
        usage = () if event.usage is None else (self._usage(event.response_id, event.usage),)
        return (*self._items_ended(event, response, now), *usage, *self._outcome(event, response, now))

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
            return self._answer_failed(_NO_VOICE, now)
        return ()

    def _usage(self, response_id: str, usage: Usage) -> WriteFact:
        return telling.usage_reported(self._subject, self._clock.leg_ms, response_id, usage)

    # --- the caller's side --------------------------------------------------------------------------------------------

    def _caller_began(self, item_id: str, audio_ms: int, now: float) -> tuple[Command, ...]:
        onset_ms = self._caller.began(item_id, audio_ms)
        self._responses.void_all()
        self._request = Respond()
        self._waiting.move(Moment.CALLER_BEGAN, now)
        ends = self._agent.end_all()
        started = telling.caller_began(self._subject, onset_ms, item_id)
        return (*ends, *self._clear(onset_ms, now), started)

    def _clear(self, onset_ms: int, now: float) -> tuple[ClearCarrier, ...]:
        """Only the edge knows what still plays, so it is asked whenever we sent anything since it was last silent."""
        through = self._agent.last_sequence
        if through <= self._cleared_through:
            return ()
        self._cleared_through = through
        return (ClearCarrier(through, onset_ms, now),)

    def _caller_ended(self, item_id: str, audio_ms: int, now: float) -> tuple[Command, ...]:
        self._answers_ms = self._caller.ended(item_id, audio_ms)
        self._is_asking = False
        self._asked_at = now
        self._waiting.move(Moment.CALLER_ENDED, now)
        return ()

    def _caller_said(self, item_id: str, text: str) -> tuple[Command, ...]:
        span = self._caller.transcribed(item_id)
        if span is None:
            return ()
        return (telling.caller_said(self._subject, self._clock.leg_ms, item_id, text, span),)

    def _carrier_cleared(self, event: CarrierCleared, now: float) -> tuple[Command, ...]:
        clear = event.clear
        if event.item_id is None:
            return self._agent.unheard(clear.through_sequence, clear.noticed_at)
        steps = self._agent.heard(event.item_id, event.heard_ms, clear.through_sequence)
        return (*steps, NoteBargeIn(now - clear.noticed_at))

    # --- when it goes wrong -------------------------------------------------------------------------------------------

    def _ask(self, request: Respond, now: float) -> tuple[Command, ...]:
        self._request = request
        self._is_asking = True
        self._asked_at = now
        self._waiting.move(Moment.ASKED, now)
        return (request,)

    def _answer_failed(self, error: ProviderError, now: float) -> tuple[Command, ...]:
        """Ask again while the caller waits, a few times; then somebody else has to answer."""
        self._waiting.move(Moment.ANSWER_FAILED, now)
        if self.floor is not Floor.RETRYING:
            return ()
        if error.severity is not Severity.REJECTED and self._waiting.retry_later(now):
            return ()
        return self._leave_because(error)

    def _error_reported(self, error: ProviderError, about: str | None, now: float) -> tuple[Command, ...]:
        counted: tuple[Command, ...] = (CountProviderError(error.code),)
        if about in ("truncate", "delete"):
            return (*counted, CountTruncateError())
        if error.ends_session:
            return (*counted, *self._leave_because(error))
        if about == "respond":
            self._is_asking = False
        if about == "respond" and error.severity is not Severity.HARMLESS:
            return (*counted, *self._answer_failed(error, now))
        return counted

    def _leave_because(self, error: ProviderError) -> tuple[Command, ...]:
        return self._leave(ERROR_CODES[error.severity], is_retryable=error.severity is not Severity.REJECTED)

    def _leave(self, error_code: str, *, is_retryable: bool) -> tuple[Command, ...]:
        """Ask to be replaced, once. Until then we go on: the provider may recover before another talker is ready."""
        if not self._waiting.give_up():
            return ()
        return (AskHandover(HandoverReason.UPSTREAM_FAILED, error_code, is_retryable),)

    def _tick(self, now: float) -> tuple[Command, ...]:
        self._orphan_check_at = now + self._orphan_s / 10
        if self._clock.sent_ms != self._heard_audio_ms:
            self._heard_audio_ms, self._heard_audio_at = self._clock.sent_ms, now
        elif now - self._heard_audio_at >= self._orphan_s:
            return (End("no caller audio"),)
        if self._waiting.is_overdue(now):
            report = ReportResponse(DeadlineExceeded.code, now - self._asked_at)
            return (report, *self._leave(DeadlineExceeded.code, is_retryable=True))
        return self._ask(self._request, now) if self._waiting.is_retry_due(now) else ()
