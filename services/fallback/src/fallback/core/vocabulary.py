"""What the fallback talker of one call is told, and what it answers: its events and commands."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from common.agents import ToolGrant
from fallback.core.memory import ChatMessage
from fallback.core.menu_vocabulary import DropRecording, KeepRecording, NoteChoice, StartRecording, Tick
from talker.port import SpeechCommand, SpeechEvent, Usage


class Stage(StrEnum):
    """The stages of the turn-based pipeline."""

    TRANSCRIPTION = "transcription"
    CHAT = "chat"
    SPEECH = "speech"


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What the caller said in a turn; empty if no words were made out."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool the chat model asks for."""

    tool_call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatSaid:
    """A piece of what the chat model answers."""

    answer_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ChatEnded:
    """The chat model has said all it wanted, or asks for tools first."""

    answer_id: str
    tools: tuple[ToolCall, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Sounded:
    """A piece of audio of a sentence, pcmu."""

    answer_id: str
    number: int
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class SoundEnded:
    """All audio of a sentence has come."""

    answer_id: str
    number: int


@dataclass(frozen=True, slots=True)
class StageFailed:
    """No endpoint of a stage did what was asked. `work_id`: the turn or answer it was asked for."""

    stage: Stage
    work_id: str
    is_throttled: bool = False


@dataclass(frozen=True, slots=True)
class StagesChanged:
    """Every stage has an endpoint that works, or no longer. `is_throttled`: only because our rate is limited."""

    are_up: bool
    is_throttled: bool = False


@dataclass(frozen=True, slots=True)
class Pressed:
    """The caller pressed keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class RecordingSaved:
    """The answer to `KeepRecording`: the message is kept."""

    message_id: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RecordingLost:
    """Nothing can be recorded, or what was recorded could not be kept."""


PipelineEvent: TypeAlias = Transcribed | ChatSaid | ChatEnded | Sounded | SoundEnded
Event: TypeAlias = (
    SpeechCommand | PipelineEvent | StageFailed | StagesChanged | Pressed | RecordingSaved | RecordingLost | Tick
)

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Emit:
    """Tell the call's session."""

    event: SpeechEvent


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Put a turn of the caller into words; answered by `Transcribed`."""

    item_id: str
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class AskChat:
    """Have the chat model answer; answered by `ChatSaid`, in the end `ChatEnded`."""

    answer_id: str
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolGrant, ...]


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak a sentence; answered by `Sounded`, in the end `SoundEnded`."""

    answer_id: str
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Abandon:
    """Whatever is being done for this turn or answer is of no use any more."""

    work_id: str


@dataclass(frozen=True, slots=True)
class Record:
    """A piece of what the caller says, to be kept."""

    pcmu: bytes


@dataclass(frozen=True, slots=True)
class KeepWish:
    """The caller wants to be called back."""


Command: TypeAlias = (
    Emit
    | Transcribe
    | AskChat
    | Speak
    | Abandon
    | StartRecording
    | Record
    | KeepRecording
    | DropRecording
    | KeepWish
    | NoteChoice
)
