"""An attendant with a clock that a test moves, and stages that bring what the test says."""

import itertools
from dataclasses import dataclass, field
from typing import Any, TypeVar

from common.agents import ToolGrant
from common.messages.facts import LevelCause
from common.pcmu import FRAME_BYTES, SILENCE
from common.profile import AgentProfile, Fallback, Menu, ServerVad, TransferTarget
from common.prompt_names import Prompt
from common.prompts import PromptSet, Recording
from fallback.core.attendant import Attendant
from fallback.core.ladder import Rung
from fallback.core.menu_vocabulary import Tick
from fallback.core.prompt_voice import PromptVoice
from fallback.core.vocabulary import (
    AskChat,
    ChatEnded,
    ChatSaid,
    Command,
    Emit,
    Event,
    Sounded,
    SoundEnded,
    Speak,
    Stage,
    StageFailed,
    ToolCall,
    Transcribe,
    Transcribed,
)
from talker.port import AgentAudio, AgentText, Configure, Respond, ResponseEnded, ResponseStarted, SpeechEvent

SPEECH = b"\x10"
PROMPT_MS = 500
AGENT = AgentProfile(
    name="desk",
    greeting="Hello, how can I help?",
    instructions="Be kind.",
    turn_detection=ServerVad(prefix_padding_ms=300, silence_duration_ms=500),
    fallback=Fallback(menu=Menu(transfer="boss")),
    transfers={"boss": TransferTarget(number="+12025550100")},
    tools=(ToolGrant(name="list_rooms", description="Rooms"), ToolGrant(name="book", description="Book a room")),
)
PROMPTS = PromptSet(
    {
        prompt: Recording(bytes([number + 1]) * (8 * PROMPT_MS), "" if prompt is Prompt.TONE else prompt.value)
        for number, prompt in enumerate(Prompt)
    }
)
GREET = Respond("Say exactly this", words="Hello, how can I help?")
K = TypeVar("K")


def is_loud(piece: bytes) -> float:
    """The detector: certain either way."""
    return 0.0 if piece.count(SILENCE) > len(piece) // 2 else 1.0


@dataclass
class Attended:
    """One call."""

    answers_by_itself: bool = True
    begins_at: Rung = Rung.PIPELINE
    cause: LevelCause = LevelCause.STAGES_FAILED
    profile: AgentProfile = AGENT
    has_number: bool = True
    now: float = 1_000.0
    done: list[Command] = field(default_factory=list)
    _voiced: set[tuple[str, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        numbers = itertools.count(1)

        def new_id(kind: str) -> str:
            return f"{kind}-{next(numbers)}"

        self.core = Attendant(
            self.profile,
            PromptVoice(PROMPTS, new_id),
            is_loud,
            new_id,
            has_number=self.has_number,
            answers_by_itself=self.answers_by_itself,
            begins_at=self.begins_at,
            cause=self.cause,
        )

    # --- what happens -------------------------------------------------------------------------------------------------

    def feed(self, *events: Event) -> list[Command]:
        """What is done about events."""
        before = len(self.done)
        for event in events:
            self.done += self.core.feed(event, self.now)
        return self.done[before:]

    def hear(self, kind: bytes, ms: int) -> list[Command]:
        """The caller's audio, in real time, with ticks."""
        before = len(self.done)
        for _ in range(ms // 20):
            self.done += self.core.hear(kind * FRAME_BYTES, self.now)
            self.wait(0.02)
        return self.done[before:]

    def wait(self, seconds: float) -> list[Command]:
        """Time passes, with a tick whenever one is asked for."""
        before, end = len(self.done), self.now + seconds
        while (due := self.core.next_deadline()) <= end:
            self.now = max(self.now, due)
            self.done += self.core.feed(Tick(), self.now)
            assert self.core.next_deadline() > self.now, "a tick settles what it was asked for"
        self.now = end
        return self.done[before:]

    def turn(self, ms: int = 1_000) -> list[Command]:
        """The caller says something and is silent."""
        before = len(self.done)
        self.hear(SPEECH, ms)
        self.hear(SILENCE, 600)
        return self.done[before:]

    def transcribe(self, text: str, number: int = -1) -> list[Command]:
        """Words of a turn, the newest if not said otherwise."""
        return self.feed(Transcribed(self.of(Transcribe)[number].item_id, text))

    def write(self, text: str, *tools: ToolCall, is_over: bool = True) -> list[Command]:
        """The chat model answers what it was asked last."""
        answer_id = self.of(AskChat)[-1].answer_id
        said = self.feed(ChatSaid(answer_id, text)) if text else []
        return [*said, *(self.feed(ChatEnded(answer_id, tools)) if is_over else ())]

    def voice(self, *numbers: int, ms: int = 1_000) -> list[Command]:
        """Speech of these sentences of the newest answer, whole; of all, one after the other, if none is named."""
        before = len(self.done)
        while speaks := [each for each in self._unvoiced() if not numbers or each.number in numbers]:
            name = (speaks[0].answer_id, speaks[0].number)
            self._voiced.add(name)
            self.feed(Sounded(*name, SPEECH * 8 * ms), SoundEnded(*name))
        return self.done[before:]

    def _unvoiced(self) -> list[Speak]:
        asked = self.of(Speak)
        newest = [each for each in asked if each.answer_id == asked[-1].answer_id]
        return [each for each in newest if (each.answer_id, each.number) not in self._voiced]

    def answered(self, text: str = "We open at nine.") -> list[Command]:
        """The caller asks and hears this."""
        before = len(self.done)
        self.turn()
        self.transcribe("When do you open?")
        self.write(text)
        self.voice()
        return self.done[before:]

    def fail(self, stage: Stage, *, is_throttled: bool = False) -> list[Command]:
        """The newest work of a stage fails."""
        match stage:
            case Stage.TRANSCRIPTION:
                work_id = self.of(Transcribe)[-1].item_id
            case Stage.CHAT:
                work_id = self.of(AskChat)[-1].answer_id
            case Stage.SPEECH:
                work_id = self.of(Speak)[-1].answer_id
        return self.feed(StageFailed(stage, work_id, is_throttled))

    # --- what was done ------------------------------------------------------------------------------------------------

    def of(self, kind: type[K]) -> list[K]:
        """The commands of a kind."""
        return [command for command in self.done if isinstance(command, kind)]


def events(commands: list[Command]) -> list[SpeechEvent]:
    """What the call's session is told."""
    return [command.event for command in commands if isinstance(command, Emit)]


def kinds(commands: list[Command]) -> list[str]:
    """Names of everything, events too, repetitions of audio left out."""
    names = [type(each.event if isinstance(each, Emit) else each).__name__ for each in commands]
    return [name for number, name in enumerate(names) if name != "AgentAudio" or names[number - 1 : number] != [name]]


def words(commands: list[Command]) -> str:
    """What the agent says."""
    return "".join(event.text for event in events(commands) if isinstance(event, AgentText))


def prompts(commands: list[Command]) -> list[Prompt]:
    """Which recordings are heard."""
    names = {PROMPTS[name].pcmu: name for name in Prompt}
    return [names[each.pcmu] for each in events(commands) if isinstance(each, AgentAudio) and each.pcmu in names]


def told(messages: tuple[dict[str, Any], ...]) -> list[tuple[str, str]]:
    """Who says what in what the model is told, the instructions left out."""
    return [(message["role"], message["content"] or "") for message in messages[1:]]


def answering(commands: list[Command]) -> list[tuple[str, str]]:
    """How responses begin and end."""
    found: list[tuple[str, str]] = []
    for event in events(commands):
        if isinstance(event, ResponseStarted):
            found.append((event.response_id, "started"))
        elif isinstance(event, ResponseEnded):
            found.append((event.response_id, event.status))
    return found


SETTLED = Configure(AGENT)
