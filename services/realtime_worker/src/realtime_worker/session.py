"""One call at this worker, from the accepted offer to the freed slot."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from common import ids, logs, metrics, subjects
from common.bus.batcher import Batcher
from common.bus.facts import FactWriter
from common.errors import TrunklineError
from common.messages.commands import HandoverPlease
from common.messages.facts import UsageReported
from common.messages.offers import HandoverReason, Offer
from realtime_worker.backends.port import (
    CancelResponse,
    DeleteItem,
    Respond,
    SessionClosed,
    SpeechEvent,
    Truncate,
)
from realtime_worker.core.conversation import SpeechConversation
from realtime_worker.core.leg_clock import LegClock
from realtime_worker.core.seeding import opening
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
    SendRecord,
    Tick,
    WriteFact,
)
from realtime_worker.edge_link import EdgeLink
from realtime_worker.opening import Opened, Opener
from realtime_worker.outcomes import Outcomes
from realtime_worker.tokens import count_tokens
from realtime_worker.warm_sessions import WarmSessions, closed_label

log = logs.get("session")


@dataclass(frozen=True, slots=True)
class Around:
    """What all calls of a worker share."""

    talker_id: str
    default_model: str
    patience: Patience
    opener: Opener
    warm: WarmSessions
    batcher: Batcher
    facts: FactWriter
    outcomes: Outcomes
    link: Callable[[Offer], EdgeLink]


class CallSession:
    """The talker of one call and epoch."""

    def __init__(self, offer: Offer, around: Around) -> None:
        self._offer = offer
        self._around = around
        self._model = offer.profile.model or around.default_model
        self._edge = around.link(offer)
        self._key = ids.call_key(offer.call_id)
        self._epoch = offer.epoch
        self._audio_subject = subjects.agent_audio(offer.edge_id)
        self._over = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._clock = LegClock()
        self._dropped = metrics.AUDIO_DROPPED.labels("caller", "congested")
        self._send_audio: Callable[[bytes], bool] = _nobody

    # --- the life of a call -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, get ready, talk until released. Never raises on anything a peer does."""
        try:
            opened = await self._open()
        except TrunklineError as error:
            log.warning("no speech session", extra=self._fields(error=error.code, why=str(error)))
            await self._give_back(error)
            return
        try:
            await self._talk(opened)
        finally:
            opened.speech.close()

    async def _open(self) -> Opened:
        warm = self._around.warm.take(self._model)
        return await self._around.opener.for_call(self._offer, self._model, warm)

    async def _talk(self, opened: Opened) -> None:
        if self._over.is_set():
            return
        self._speech = opened.speech
        self._send_audio = opened.speech.send_audio
        subject = Subject(
            self._offer.call_id,
            self._epoch,
            self._model,
            self._offer.profile.turn_detection,
            opened.speech.capabilities.supports_truncate,
        )
        self._conversation = SpeechConversation(subject, self._clock, self._around.patience, time.monotonic())
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                opened.speech.listen(self._on_speech)
                if await self._is_granted(opened):
                    self._feed(BecameTalker(opening(self._offer.conversation, self._offer.profile.greeting)))
                    await self._over.wait()
            finally:
                self._over.set()
                self._disarm()
                opened.speech.close()

    async def _is_granted(self, opened: Opened) -> bool:
        open_ms = round(opened.open_s * 1000)
        try:
            cut = await self._edge.ready(opened.speech.session_id, is_warm=opened.is_warm, open_ms=open_ms)
        except TrunklineError as error:
            log.warning("the edge could not be told", extra=self._fields(error=error.code, why=str(error)))
            return False
        log.info("ready", extra=self._fields(granted=cut.is_granted, warm=opened.is_warm, open_ms=open_ms))
        if not self._clock.sent_ms:
            self._clock.sent(cut.leg_clock_ms, 0)
        return cut.is_granted

    async def _give_back(self, error: TrunklineError) -> None:
        await self._please(AskHandover(HandoverReason.UPSTREAM_FAILED, error.code, error.retryable))

    # --- called by the switchboard ------------------------------------------------------------------------------------

    @property
    def key(self) -> tuple[int, int]:
        """How caller audio names this session."""
        return self._key, self._epoch

    def on_caller_audio(self, timestamp_ms: int, pcmu: bytes) -> None:
        """One frame of caller audio, at once to the model. The hot path."""
        if self._send_audio(pcmu):
            self._clock.sent(timestamp_ms, len(pcmu))
        else:
            self._dropped.inc()

    def release(self, reason: str) -> None:
        """The edge is done with us."""
        log.info("released", extra=self._fields(reason=reason))
        self._over.set()

    # --- events in, commands out --------------------------------------------------------------------------------------

    def _on_speech(self, event: SpeechEvent) -> None:
        if isinstance(event, SessionClosed):
            log.warning("speech session closed", extra=self._fields(code=event.close_code, error=event.error.code))
            metrics.PROVIDER_CLOSES.labels(self._speech.provider, closed_label(event.close_code)).inc()
        try:
            self._feed(event)
        except Exception:
            metrics.PROVIDER_ERRORS.labels(self._speech.provider, "bug").inc()
            log.exception("speech event not handled", extra=self._fields())

    def _feed(self, event: Event) -> None:
        for command in self._conversation.feed(event, time.monotonic()):
            self._perform(command)
        self._arm()

    def _perform(self, command: Command) -> None:
        match command:
            case SendRecord(sequence, timestamp_ms, kind, payload, is_urgent):
                record = (self._key, self._epoch, sequence, timestamp_ms, int(kind), payload)
                self._around.batcher.add(self._audio_subject, record, is_urgent=is_urgent)
            case Respond() | CancelResponse() | Truncate() | DeleteItem():
                self._speech.send(command)
            case ClearCarrier():
                self._tasks.create_task(self._clear(command))
            case AskHandover():
                self._tasks.create_task(self._please(command))
            case WriteFact(fact):
                self._around.facts.write(fact)
                if isinstance(fact, UsageReported):
                    count_tokens(fact)
            case End(reason):
                log.info("session over", extra=self._fields(reason=reason))
                self._over.set()
            case _:
                self._note(command)

    def _note(
        self, note: ReportResponse | NoteFirstAudio | NoteBargeIn | CountProviderError | CountTruncateError
    ) -> None:
        match note:
            case ReportResponse(error_code, latency_s):
                self._around.outcomes.responded(self._model, error_code, latency_s)
            case NoteFirstAudio(seconds):
                metrics.FIRST_AUDIO.labels(self._model).observe(seconds)
            case NoteBargeIn(stop_s):
                metrics.BARGE_INS.labels(self._model).inc()
                metrics.BARGE_IN_STOP.labels(self._model).observe(stop_s)
            case CountProviderError(code):
                metrics.PROVIDER_ERRORS.labels(self._speech.provider, code).inc()
            case CountTruncateError():
                metrics.TRUNCATE_ERRORS.labels(self._model).inc()
            case _:
                assert_never(note)

    async def _clear(self, clear: ClearCarrier) -> None:
        try:
            heard = await self._edge.clear(clear.through_sequence, clear.onset_ms)
        except TrunklineError as error:
            log.warning("the edge did not say what was heard", extra=self._fields(error=error.code))
            self._feed(ClearLost(clear))
        else:
            self._feed(CarrierCleared(clear, heard.item_id, heard.heard_ms))

    async def _please(self, wish: AskHandover) -> None:
        please = HandoverPlease(
            call_id=self._offer.call_id,
            epoch=self._epoch,
            talker_id=self._around.talker_id,
            reason=wish.reason,
            error_code=wish.error_code,
            is_retryable=wish.is_retryable,
        )
        is_told = await self._edge.handover_please(please)
        log.warning("asked for another talker", extra=self._fields(error=wish.error_code, told=is_told))

    # --- the one timer ------------------------------------------------------------------------------------------------

    def _arm(self) -> None:
        """Let the timer run unless it would come too late; coming too early only feeds an idle tick."""
        due = self._conversation.next_deadline()
        if self._timer is not None and self._timer_at <= due:
            return
        self._disarm()
        if not self._over.is_set():
            self._timer_at = due
            delay = max(0.0, due - time.monotonic())
            self._timer = asyncio.get_running_loop().call_later(delay, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._feed(Tick())

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fields(self, **values: str | int | float | bool | None) -> dict[str, object]:
        return logs.fields(call=self._offer.call_id, epoch=self._epoch, **values)


def _nobody(pcmu: bytes) -> bool:
    return False
