"""One call at this talker, from the accepted offer to the freed slot."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from common import ids, logs, metrics
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.commands import Adopt, Adopted, CutOver, LeftOver
from common.messages.facts import LevelCause, UsageReported
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason, Offer
from talker.alarm import Alarm
from talker.candidacy import Candidacy
from talker.close_codes import closed_label
from talker.core.conversation import SpeechConversation
from talker.core.subject import Patience, Subject
from talker.core.vocabulary import (
    AskHandover,
    AskHangUp,
    AskStanding,
    AskTransfer,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    ClearLost,
    Command,
    End,
    Event,
    Instructed,
    LetAudioThrough,
    NoteLevel,
    ReplayEnded,
    RunTool,
    SendRecord,
    StandingTold,
    TellLeftOver,
    Tick,
    WasAdopted,
    WriteFact,
)
from talker.edge_link import EdgeLink, Session
from talker.level_meter import LevelMeter
from talker.listening import Listening
from talker.noting import note
from talker.outcomes import Outcomes
from talker.port import (
    AddToolCall,
    AddToolOutput,
    AddTurn,
    CancelResponse,
    CheckAlive,
    Configure,
    DeleteItem,
    Instruct,
    Opened,
    OpenSpeech,
    Respond,
    SessionClosed,
    SpeechEvent,
    Truncate,
)
from talker.revision_feed import RevisionFeed
from talker.tokens import count_tokens
from talker.tool_requests import ToolRequests

log = logs.get("session")

RAISE_AGAIN_S: Final = 5.0
"""Between two requests to bring a call back where it belongs: an edge that found nobody does not try by itself."""
_FALLS_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Around:
    """What all calls of a talker share."""

    talker_id: str
    default_model: str
    patience: Patience
    max_age_s: Callable[[], float]
    """How old a speech session may become; another number each time, so that sessions do not age together."""
    open_speech: OpenSpeech
    bus: Bus
    batcher: Batcher
    facts: FactWriter
    outcomes: Outcomes
    link: Callable[[Offer], EdgeLink]


class CallSession:
    """The talker of one call and epoch, or a candidate for it."""

    def __init__(self, offer: Offer, around: Around) -> None:
        self._offer = offer
        self._around = around
        self.wanted_model = self._model = offer.profile.model or around.default_model
        self._edge = around.link(offer)
        self._tools = ToolRequests(
            around.bus,
            offer.call_id,
            offer.profile.name,
            lambda: self.epoch,
            around.patience.tool_unanswered_s,
        )
        self._revisions = RevisionFeed(around.bus, offer.call_id, self._instruct)
        self._errands: set[asyncio.Task[None]] = set()
        """What nobody waits for once the session is over, such as tools."""
        self._told: list[Instructions] = []
        """Revisions that were published before there was a session to tell."""
        self._key = ids.call_key(offer.call_id)
        self._candidacy = Candidacy()
        self._over = asyncio.Event()
        self._alarm = Alarm(lambda: self._feed(Tick()))
        self._tasks: asyncio.TaskGroup | None = None
        self._conversation: SpeechConversation | None = None
        self._listening = Listening()
        self._wished: set[HandoverReason] = set()
        self._left_over: tuple[LeftOver, ...] = ()
        self._adoption: tuple[Adopt, Adopted] | None = None
        self._was_cut_to = False
        self._lowered_at: float | None = None
        self._raise_asked_at = float("-inf")
        self._falls = 0
        self._level = LevelMeter()
        self.on_caller_audio = self._listening.hear
        """One record of caller audio. The hot path."""

    # --- the life of a call -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Open, get ready, talk until released. Never raises on anything a peer does."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                await self._live()
        finally:
            self._tasks = None

    async def _live(self) -> None:
        await self._revisions.start()
        try:
            await self._open()
        finally:
            await self._revisions.stop()

    async def _open(self) -> None:
        try:
            opened = await self._around.open_speech(self._offer, self._model)
        except TrunklineError as error:
            log.warning("no speech session", extra=self._fields(error=error.code, why=str(error)))
            self._give_back(error)
            return
        try:
            await self._talk(opened)
        finally:
            self._finish()
            opened.speech.close()

    async def _talk(self, opened: Opened) -> None:
        if self._over.is_set():
            return
        self._speech, self._model = opened.speech, opened.model
        self._note_lowered(opened.service_level)
        subject = self._subject(opened)
        now, retire_at = time.monotonic(), opened.speech.opened_at + self._around.max_age_s()
        self._conversation = SpeechConversation(
            subject, self._listening.audio, self._around.patience, now, retire_at=retire_at
        )
        opened.speech.listen(self._on_speech)
        for told in self._told:
            self._feed(Instructed(told))
        cut = await self._cut(opened)
        if cut is not None and not self._over.is_set():
            self._was_cut_to, self._falls = True, cut.falls
            self._level.enter(opened.service_level)
            try:
                self._feed(BecameTalker(cut, opened.answers_by_itself))
                await self._over.wait()
            finally:
                self._level.leave()

    def _subject(self, opened: Opened) -> Subject:
        able, usual = opened.speech.capabilities, LevelCause.PROVIDER_FAILED
        return Subject(
            self.call_id,
            self.epoch,
            opened.model,
            self._offer.profile,
            able.supports_truncate,
            able.answers_checks,
            able.answers_tool_results,
            caller_number=self._offer.caller_number,
            service_level=opened.service_level,
            level_cause=opened.level_cause or (usual if opened.service_level else LevelCause.RECOVERED),
        )

    async def _cut(self, opened: Opened) -> CutOver | None:
        open_ms = round(opened.open_s * 1000)
        session = Session(opened.speech.session_id, opened.is_warm, open_ms)
        log.info("ready", extra=self._fields(warm=opened.is_warm, open_ms=open_ms))
        try:
            return await self._candidacy.cut(self._edge, session)
        except RemoteProtocolError as error:
            log.warning("the cut cannot be read", extra=self._fields(why=str(error)))
            self._give_back(error)
            return None

    def _finish(self) -> None:
        self._end()
        for errand in self._errands:
            errand.cancel()
        self._listening.stop()
        self._alarm.stop()

    def _give_back(self, error: TrunklineError) -> None:
        self._perform(AskHandover(HandoverReason.UPSTREAM_FAILED, error.code, error.retryable))

    # --- called by the switchboard ------------------------------------------------------------------------------------

    @property
    def call_id(self) -> str:
        """Which call."""
        return self._offer.call_id

    @property
    def epoch(self) -> int:
        """The epoch we have or will have."""
        return self._edge.epoch

    @property
    def key(self) -> tuple[int, int]:
        """How caller audio names this session."""
        return self._key, self._edge.epoch

    @property
    def edge_id(self) -> str:
        """Who holds the call's leg."""
        return self._edge.edge_id

    @property
    def is_talker(self) -> bool:
        """True from the cut until the end."""
        return self._was_cut_to and not self._over.is_set()

    def is_to_be_raised(self, after_s: float) -> bool:
        """True if this talker has been at a lower service level than its call is meant to have for so long.

        Longer each time the call has come down: a provider that fails it again and again, without being down, would
        toss it about. False for a while once its edge was told: it may be looking for somebody, or have found nobody.
        """
        now = time.monotonic()
        after_s *= 2 ** min(self._falls, _FALLS_AT_MOST)
        is_lowered = self._lowered_at is not None and now >= self._lowered_at + after_s
        return self.is_talker and is_lowered and now >= self._raise_asked_at + RAISE_AGAIN_S

    def release(self, reason: str) -> None:
        """The edge is done with us."""
        log.info("released", extra=self._fields(reason=reason))
        self._end()

    def press(self, digits: str) -> None:
        """The caller pressed keys. Before the cut they are somebody else's."""
        if self.is_talker:
            self._speech.press(digits)

    def on_bus_back(self) -> None:
        """The caller's audio of the last moments may be missing; the edge is asked for it. So may a revision."""
        self._listening.doubt()
        self._run(self._revisions.catch_up())

    def take_over(self, cut: CutOver) -> None:
        """The call's quiet moment has come."""
        self._candidacy.take_over(cut)

    def ask_handover(self, reason: HandoverReason) -> None:
        """Ask the edge for another talker, whether we talk already or are only about to."""
        self._perform(AskHandover(reason))

    def adopt(self, adopt: Adopt) -> Adopted:
        """Go on for another edge under a new epoch; what the old one had not played of our words is lost."""
        conversation = self._conversation
        assert conversation is not None  # a talker has one
        died_at = self._listening.audio.heard_at
        self._wished.clear()  # the edge that was told is gone
        self._edge.readdress(adopt.edge_id, adopt.new_epoch)
        known_items = frozenset(adopt.known_items)
        self._feed(WasAdopted(adopt.new_epoch, known_items, died_at, adopt.human_unreached))
        answer = Adopted(
            is_adopted=True,
            realtime_session_id=self._speech.session_id,
            leg_clock_ms=max(self._listening.audio.until_ms, adopt.leg_clock_ms),
            left_over=self._left_over,
        )
        self._adoption = (adopt, answer)
        log.info("adopted", extra=self._fields(left_over=len(self._left_over)))
        return answer

    def adopted_before(self, adopt: Adopt) -> Adopted | None:
        """The answer to this very adoption, if it was given already and got lost."""
        return self._adoption[1] if self._adoption is not None and self._adoption[0] == adopt else None

    # --- events in, commands out --------------------------------------------------------------------------------------

    def _instruct(self, told: Instructions) -> None:
        if self._conversation is None:
            self._told.append(told)
        else:
            self._feed(Instructed(told))

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
        if self._conversation is None:
            return
        for command in self._conversation.feed(event, time.monotonic()):
            self._perform(command)
        if not self._over.is_set():
            self._alarm.set(self._conversation.next_deadline())

    def _perform(self, command: Command) -> None:
        match command:
            case SendRecord(sequence, timestamp_ms, kind, payload, is_urgent):
                record = (self._key, self._edge.epoch, sequence, timestamp_ms, int(kind), payload)
                self._around.batcher.add(self._edge.audio_subject, record, is_urgent=is_urgent)
            case Respond() | CancelResponse() | Truncate() | DeleteItem() | CheckAlive():
                self._speech.send(command)
            case Configure() | Instruct() | AddTurn() | AddToolCall() | AddToolOutput():
                self._speech.send(command)
            case LetAudioThrough(until_ms):
                self._listening.let_through(self._speech.send_audio, until_ms, lambda: self._feed(ReplayEnded()))
            case TellLeftOver(left_over):
                self._left_over = left_over
            case ClearCarrier():
                self._spawn(self._clear(command))
            case AskStanding():
                self._spawn(self._ask_standing())
            case AskHandover():
                self._spawn(self._please(command))
            case WriteFact(fact):
                self._around.facts.write(fact)
                if isinstance(fact, UsageReported):
                    count_tokens(fact)
            case End(reason):
                log.info("session over", extra=self._fields(reason=reason))
                self._end()
            case RunTool():
                self._run(self._run_tool(command))
            case AskTransfer():
                self._spawn(self._transfer(command))
            case AskHangUp():
                self._spawn(self._edge.hang_up())
            case NoteLevel(level, cause):
                self._note_level(level, cause)
            case _:
                note(command, self._speech.provider, self._model, self._around.outcomes)

    def _end(self) -> None:
        self._over.set()
        self._candidacy.give_up()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` beside the call; the call's end waits for it."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)

    def _run(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do it beside the call, and only as long as that lasts."""
        if self._tasks is None or self._over.is_set():
            errand.close()
            return
        task = self._tasks.create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _clear(self, clear: ClearCarrier) -> None:
        try:
            heard = await self._edge.clear(clear.through_sequence, clear.onset_ms)
        except TrunklineError as error:
            log.warning("the edge did not say what was heard", extra=self._fields(error=error.code))
            self._feed(ClearLost(clear))
        else:
            self._feed(CarrierCleared(clear, heard.item_id, heard.heard_ms, heard.text))

    async def _ask_standing(self) -> None:
        epoch = self.epoch
        is_current = await self._edge.standing()
        if epoch == self.epoch:  # else another edge has adopted us meanwhile
            log.info("no caller audio; asked the edge", extra=self._fields(current=is_current))
            self._feed(StandingTold(is_current))

    async def _please(self, wish: AskHandover) -> None:
        if wish.reason is HandoverReason.BREAKER_CLOSED:
            self._raise_asked_at = time.monotonic()
        if wish.reason not in self._wished:
            self._wished.add(wish.reason)
            metrics.HANDOVERS_WISHED.labels(wish.reason).inc()
        is_told = await self._edge.handover_please(wish)
        log.info(
            "asked for another talker",
            extra=self._fields(reason=wish.reason, error=wish.error_code, told=is_told),
        )

    async def _run_tool(self, tool: RunTool) -> None:
        self._feed(await self._tools.run(tool, self._feed))

    async def _transfer(self, wish: AskTransfer) -> None:
        is_told = await self._edge.transfer(wish)
        log.info("asked to give the caller to a human", extra=self._fields(told=is_told))

    def _note_level(self, level: int, cause: LevelCause) -> None:
        log.warning("service level changed", extra=self._fields(service_level=level, cause=cause))
        self._level.change(level, cause)
        self._note_lowered(level)

    def _note_lowered(self, level: int) -> None:
        """Since when the call is served at a lower level than it is meant to have."""
        is_lowered = level > 0 and self._offer.home == "realtime"
        self._lowered_at = (self._lowered_at or time.monotonic()) if is_lowered else None

    def _fields(self, **values: str | int | float | bool | None) -> dict[str, object]:
        return logs.fields(call=self.call_id, epoch=self.epoch, **values)
