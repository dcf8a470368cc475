"""A speech session without a speech model: the attendant of one call with its ear, its stages and its recordings."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol, TypeAlias, assert_never

from common import ids, logs, metrics
from common.errors import TrunklineError, UpstreamThrottled
from common.messages.offers import Offer
from common.pipeline import Pipeline
from fallback.core.attendant import Attendant
from fallback.core.menu_vocabulary import DropRecording, KeepRecording, NoteChoice, StartRecording, Tick
from fallback.core.vocabulary import (
    Abandon,
    AskChat,
    ChatEnded,
    ChatSaid,
    Command,
    Emit,
    Event,
    KeepWish,
    Pressed,
    Record,
    Sounded,
    SoundEnded,
    Speak,
    Stage,
    StageFailed,
    StagesChanged,
    Transcribe,
    Transcribed,
)
from fallback.inbox import Inbox
from fallback.pipeline.chat import Chat, Piece, Written
from fallback.pipeline.clients import Clients
from fallback.pipeline.speech import Spoken
from fallback.pipeline.stages import Stages
from fallback.pipeline.transcription import Transcription
from talker.alarm import Alarm
from talker.port import Capabilities, Listener, SpeechCommand, SpeechEvent

log = logs.get("attended")

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
"""Begun by the task that does it: one that is cancelled before its first step leaves nothing behind."""

PROVIDER: Final = "fallback"
CAPABILITIES: Final = Capabilities(
    emits_interruptions=True,
    supports_truncate=True,
    paced_output=False,
    needs_continuous_input=False,
    mutable_instructions=True,
    answers_tool_results=True,
)


class Recorder(Protocol):
    """Keeps what one caller leaves: a message, or the wish to be called back. Tells by events what came of it."""

    def start(self) -> None:
        """A message begins."""
        ...

    def write(self, pcmu: bytes) -> None:
        """More of it."""
        ...

    def keep(self) -> None:
        """It is complete; `RecordingSaved` or `RecordingLost` follows."""
        ...

    def drop(self) -> None:
        """There was nothing to keep."""
        ...

    def wish(self) -> None:
        """The caller wants to be called back."""
        ...

    def close(self) -> None:
        """The call is over: a message that was being left is kept."""
        ...


@dataclass(frozen=True, slots=True)
class Facilities:
    """What all calls of this process share."""

    stages: Stages
    clients: Clients
    pipeline: Pipeline | None
    """None: no call can be served by models here."""
    new_recorder: Callable[[Offer, Callable[[Event], None]], Recorder]


class AttendedSpeech:
    """`talker.port.Speech`. Events leave it one by one from the loop, never while a command is being given."""

    provider = PROVIDER
    capabilities = CAPABILITIES

    def __init__(self, offer: Offer, attendant: Attendant, shared: Facilities) -> None:
        self.session_id = ids.new_id("attended")
        self.opened_at = time.monotonic()
        self._call_id = offer.call_id
        self._profile = offer.profile
        self._attendant = attendant
        self._inbox = Inbox[SpeechCommand | Pressed](self._hear, self._feed)
        self._shared = shared
        self._pipeline = shared.pipeline.for_profile(offer.profile.fallback) if shared.pipeline else None
        self._recorder = shared.new_recorder(offer, self._feed)
        self._work: dict[str, set[asyncio.Task[None]]] = {}
        self._events: deque[SpeechEvent] = deque()
        self._listener: Listener | None = None
        self._is_closed = False
        self._alarm = Alarm(lambda: self._feed(Tick()))
        self._standing = self._stages()
        shared.stages.listen(self._look_at_stages)

    # --- talker.port.Speech ---------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Give every event to `listener` from now on, those that waited first."""
        self._listener = listener
        self._deliver_soon()

    def send(self, command: SpeechCommand) -> None:
        """Tell the attendant something."""
        self._inbox.tell(command)

    def send_audio(self, pcmu: bytes) -> bool:
        """Caller audio of any length. Never dropped: it is looked at here."""
        if self._is_closed:
            return False
        self._inbox.audio(pcmu)
        return True

    def press(self, digits: str) -> None:
        """The caller pressed keys."""
        self._inbox.tell(Pressed(digits))

    def close(self) -> None:
        """End it; no event follows. Twice does no harm."""
        if self._is_closed:
            return
        self._is_closed = True
        self._inbox.close()
        self._shared.stages.forget(self._look_at_stages)
        self._recorder.close()
        self._alarm.stop()
        for tasks in self._work.values():
            for task in tasks:
                task.cancel()

    # --- the core -------------------------------------------------------------------------------------------------

    def _hear(self, pcmu: bytes) -> None:
        if not self._is_closed:
            self._perform_all(self._attendant.hear(pcmu, time.monotonic()))

    def _feed(self, event: Event) -> None:
        if not self._is_closed:
            self._perform_all(self._attendant.feed(event, time.monotonic()))

    def _stages(self) -> StagesChanged:
        return self._shared.stages.standing_of(self._pipeline) if self._pipeline else StagesChanged(are_up=False)

    def _look_at_stages(self) -> None:
        """Other endpoints than before may be asked; perhaps some of this agent's."""
        standing = self._stages()
        if standing != self._standing:
            self._standing = standing
            self._feed(standing)

    def _perform_all(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            self._perform(command)
        if not self._is_closed:
            self._alarm.set(self._attendant.next_deadline())

    def _perform(self, command: Command) -> None:
        match command:
            case Emit(event):
                self._events.append(event)
                self._deliver_soon()
            case Record(pcmu):
                self._recorder.write(pcmu)
            case Transcribe():
                self._begin(command.item_id, Stage.TRANSCRIPTION, partial(self._transcribe, command))
            case AskChat():
                self._begin(command.answer_id, Stage.CHAT, partial(self._ask, command))
            case Speak():
                self._begin(command.answer_id, Stage.SPEECH, partial(self._speak, command))
            case Abandon(work_id):
                for task in self._work.pop(work_id, ()):
                    task.cancel()
            case StartRecording():
                self._recorder.start()
            case KeepRecording():
                self._recorder.keep()
            case DropRecording():
                self._recorder.drop()
            case KeepWish():
                self._recorder.wish()
            case NoteChoice(choice):
                metrics.MENU_CHOICES.labels(choice.name.lower()).inc()
            case _:
                assert_never(command)

    # --- events out -----------------------------------------------------------------------------------------------

    def _deliver_soon(self) -> None:
        if self._listener is not None and self._events:
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        while self._events and self._listener is not None and not self._is_closed:
            self._listener(self._events.popleft())

    # --- the stages -----------------------------------------------------------------------------------------------

    def _begin(self, work_id: str, stage: Stage, work: Work) -> None:
        task = asyncio.create_task(self._supervise(work_id, stage, work))
        self._work.setdefault(work_id, set()).add(task)
        task.add_done_callback(lambda done: self._done(work_id, done))

    def _done(self, work_id: str, task: asyncio.Task[None]) -> None:
        tasks = self._work.get(work_id, set())
        tasks.discard(task)
        if not tasks:
            self._work.pop(work_id, None)

    async def _supervise(self, work_id: str, stage: Stage, work: Work) -> None:
        """Whatever goes wrong with a stage is a stage that failed."""
        try:
            await work()
        except TrunklineError as error:
            self._feed(StageFailed(stage, work_id, is_throttled=isinstance(error, UpstreamThrottled)))
        except Exception:
            log.exception("a stage's work failed", extra=logs.fields(call=self._call_id, stage=stage))
            self._feed(StageFailed(stage, work_id))

    async def _transcribe(self, asked: Transcribe) -> None:
        profile = self._profile
        work = Transcription(self._shared.clients, asked.pcmu, profile.language, profile.transcription.prompt)
        endpoints = self._pipeline.transcription if self._pipeline else ()
        await self._shared.stages.run(
            Stage.TRANSCRIPTION, endpoints, work, lambda text: self._feed(Transcribed(asked.item_id, text))
        )

    async def _ask(self, asked: AskChat) -> None:
        def deliver(piece: Piece) -> None:
            if isinstance(piece, Written):
                self._feed(ChatEnded(asked.answer_id, piece.tools, piece.usage))
            else:
                self._feed(ChatSaid(asked.answer_id, piece))

        endpoints = self._pipeline.chat if self._pipeline else ()
        await self._shared.stages.run(
            Stage.CHAT, endpoints, Chat(self._shared.clients, asked.messages, asked.tools), deliver
        )

    async def _speak(self, asked: Speak) -> None:
        work = Spoken(self._shared.clients, asked.text)
        endpoints = self._pipeline.speech if self._pipeline else ()
        await self._shared.stages.run(
            Stage.SPEECH,
            endpoints,
            work,
            lambda pcmu: self._feed(Sounded(asked.answer_id, asked.number, pcmu)),
        )
        self._feed(SoundEnded(asked.answer_id, asked.number))
