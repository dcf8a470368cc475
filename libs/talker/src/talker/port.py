"""The speech-session port: what any speech provider can tell us, be told, and is able to do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol, TypeAlias

from common.agents import ToolGrant
from common.messages.facts import LevelCause
from common.messages.offers import Offer
from common.profile import AgentProfile


@dataclass(frozen=True, slots=True)
class Capabilities:
    """How a provider differs from the others, where the session has to know."""

    emits_interruptions: bool
    """It says when the caller begins to speak over the agent."""
    supports_truncate: bool
    """Its memory of an agent turn can be cut to what was heard."""
    paced_output: bool
    """Audio comes in real time; otherwise far ahead of it."""
    needs_continuous_input: bool
    """Caller audio may not pause."""
    mutable_instructions: bool
    """Instructions can change while the session runs."""
    answers_checks: bool = False
    """It answers `CheckAlive`."""
    answers_tool_results: bool = False
    """It goes on by itself once it has been given what came of the tools it wanted; others are asked to."""


class Severity(Enum):
    """What an error of the provider means for the call."""

    HARMLESS = "harmless"
    """A race we lost; nothing is amiss."""
    REFUSED = "refused"
    """One command of ours was not carried out; the session goes on."""
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class ProviderError:
    """An error as the provider put it, reduced to bounded words. Never its message: that may quote the caller."""

    code: str
    """The provider's code if we know it, else `other`: safe as a metric label."""
    severity: Severity
    ends_session: bool = False


# --- what a session tells us ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The provider opened a session."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SessionConfigured:
    """A `Configure`, `Instruct` or `CheckAlive` of ours is in force; they are confirmed in the order they were sent."""


@dataclass(frozen=True, slots=True)
class CallerSpeechStarted:
    """The caller began to speak. `audio_ms` counts the caller audio we sent; it lies before the first sound."""

    item_id: str
    audio_ms: int


@dataclass(frozen=True, slots=True)
class CallerSpeechStopped:
    """The caller's turn is over. `audio_ms` counts the caller audio we sent, the closing silence included."""

    item_id: str
    audio_ms: int


@dataclass(frozen=True, slots=True)
class CallerTranscribed:
    """What the caller said, in words; empty if none were made out."""

    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ResponseStarted:
    """The model begins to answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class AgentAudio:
    """A piece of the agent's speech, pcmu."""

    response_id: str
    item_id: str
    pcmu: bytes


@dataclass(frozen=True, slots=True)
class AgentText:
    """A piece of what the agent is saying; it may run ahead of the audio."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True, slots=True)
class AgentAudioEnded:
    """All audio of the item has come."""

    response_id: str
    item_id: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response; cached ones are part of the input."""

    input_text_tokens: int = 0
    input_audio_tokens: int = 0
    cached_text_tokens: int = 0
    cached_audio_tokens: int = 0
    output_text_tokens: int = 0
    output_audio_tokens: int = 0


ResponseStatus: TypeAlias = Literal["completed", "cancelled", "failed", "incomplete"]


@dataclass(frozen=True, slots=True)
class ToolWanted:
    """The model asks for a tool; an `AddToolOutput` answers it."""

    response_id: str
    item_id: str
    tool_call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


@dataclass(frozen=True, slots=True)
class ResponseEnded:
    """The model has finished with an answer, whatever came of it."""

    response_id: str
    status: ResponseStatus
    error: ProviderError | None = None
    usage: Usage | None = None
    tools: tuple[ToolWanted, ...] = ()
    """What it asks for in the end, in its order; nothing unless the answer was completed."""


CommandName: TypeAlias = Literal[
    "check", "configure", "instruct", "add_turn", "add_tool", "respond", "cancel", "truncate", "delete"
]


@dataclass(frozen=True, slots=True)
class ErrorReported:
    """The provider complains. `about` is the command of ours it refuses, if it said."""

    error: ProviderError
    about: CommandName | None = None


GarbageKind: TypeAlias = Literal["malformed", "unknown_type", "binary", "oversized"]


@dataclass(frozen=True, slots=True)
class GarbageReceived:
    """A message that is not of the protocol; the session lives on."""

    kind: GarbageKind


@dataclass(frozen=True, slots=True)
class SessionClosed:
    """The socket is gone, and not by our doing."""

    error: ProviderError
    close_code: int


@dataclass(frozen=True, slots=True)
class LevelChanged:
    """The session goes on at another service level, by its own doing."""

    level: int
    cause: LevelCause


@dataclass(frozen=True, slots=True)
class HumanWanted:
    """The caller is to be given to a human: a name of the profile's `transfers`."""

    to: str


@dataclass(frozen=True, slots=True)
class MessageTaken:
    """The caller has left a message, which is kept."""

    message_id: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class CallbackAsked:
    """The caller wants to be called back."""


@dataclass(frozen=True, slots=True)
class Farewell:
    """The caller was said goodbye to: the call is to end."""


SpeechEvent: TypeAlias = (
    AgentAudio
    | AgentText
    | CallerSpeechStarted
    | CallerSpeechStopped
    | CallerTranscribed
    | ResponseStarted
    | AgentAudioEnded
    | ResponseEnded
    | SessionOpened
    | SessionConfigured
    | ErrorReported
    | GarbageReceived
    | ToolWanted
    | LevelChanged
    | HumanWanted
    | MessageTaken
    | CallbackAsked
    | Farewell
    | SessionClosed
)


# --- what we tell a session -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Configure:
    """Make the session this agent."""

    profile: AgentProfile
    answers_by_itself: bool = True
    """False until a running call has been told: the model must not answer what it hears before that."""


@dataclass(frozen=True, slots=True)
class Instruct:
    """Give the agent other instructions or tools; what is None stays as it is. Confirmed by `SessionConfigured`."""

    instructions: str | None = None
    tools: tuple[ToolGrant, ...] | None = None
    """All of them, each described."""


@dataclass(frozen=True, slots=True)
class AddTurn:
    """Put a turn into the session's memory, as text."""

    speaker: Literal["caller", "agent", "system"]
    text: str
    item_id: str = ""
    """What to call it there; empty: the provider names it."""
    after: str | None = None
    """The item it follows; empty: none, it is the first. None: it is the newest."""


@dataclass(frozen=True, slots=True)
class AddToolCall:
    """Put a tool call of the agent into the session's memory; its `AddToolOutput` must follow."""

    tool_call_id: str
    name: str
    arguments: str
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class AddToolOutput:
    """Put what came of a tool call into the session's memory."""

    tool_call_id: str
    output: str
    item_id: str = ""


@dataclass(frozen=True, slots=True)
class Respond:
    """Answer now; `instructions` replace the agent's for this one answer."""

    instructions: str = ""
    words: str = ""
    """What to say, word for word, for a session that can be given words; `instructions` ask a model for the same."""
    may_use_tools: bool = True
    """False: in this answer it has to speak."""
    human_unreached: bool = False
    """It is to say that a human could not be reached, for a session that has a recording of that."""


@dataclass(frozen=True, slots=True)
class CancelResponse:
    """Stop this answer."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Truncate:
    """The caller heard only so much of the item: forget the rest."""

    item_id: str
    heard_ms: int


@dataclass(frozen=True, slots=True)
class DeleteItem:
    """The caller heard nothing of the item: forget it."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CheckAlive:
    """Say something, whatever it is. Only to providers that answer it."""


SpeechCommand: TypeAlias = (
    Configure
    | Instruct
    | AddTurn
    | AddToolCall
    | AddToolOutput
    | Respond
    | CancelResponse
    | Truncate
    | DeleteItem
    | CheckAlive
)


Listener: TypeAlias = Callable[[SpeechEvent], None]


class Speech(Protocol):
    """One open speech session, wherever it runs."""

    provider: str
    capabilities: Capabilities
    session_id: str
    """The provider's name for it."""
    opened_at: float
    """Monotonic seconds; a session's age counts from here."""

    def listen(self, listener: Listener) -> None:
        """Give every event to `listener` from now on, those that waited first."""
        ...

    def send(self, command: SpeechCommand) -> None:
        """Tell the session something."""
        ...

    def send_audio(self, pcmu: bytes) -> bool:
        """Caller audio of any length; the hot path. False if it was dropped."""
        ...

    def press(self, digits: str) -> None:
        """The caller pressed keys; a session that has no use for them ignores it."""
        ...

    def close(self) -> None:
        """End it; no event follows."""
        ...


@dataclass(frozen=True, slots=True)
class Opened:
    """A speech session that is this agent and knows nothing of the call yet."""

    speech: Speech
    model: str
    answers_by_itself: bool
    is_warm: bool
    open_s: float
    service_level: int = 0
    """0: at the first endpoint there is; 1: at another; more: no realtime session (`design.md`, section 8)."""
    level_cause: LevelCause | None = None
    """Why it is that level, if the session knows better than "the provider failed"."""


OpenSpeech: TypeAlias = Callable[[Offer, str], Awaitable[Opened]]
"""Gets a session ready for an offered call and model. Raises a `TrunklineError`."""
