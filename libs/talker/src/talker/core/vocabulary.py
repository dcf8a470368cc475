"""What the conversation of one call is fed besides the speech session's events, and what it asks for."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from common.audio import Kind
from common.messages.commands import CutOver, LeftOver
from common.messages.facts import AnyFact, LevelCause
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from common.messages.tools import HangUpOrder, SendDigitsOrder, TransferOrder
from talker.port import SpeechCommand, SpeechEvent

# --- fed ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BecameTalker:
    """The edge cut over to us."""

    cut: CutOver
    answers_by_itself: bool
    """How the session was configured when it was opened: True for a call that was going to begin."""


@dataclass(frozen=True, slots=True)
class ReplayEnded:
    """Caller audio has come up to the cut."""


@dataclass(frozen=True, slots=True)
class WasAdopted:
    """Another edge goes on with the call and with us. What was sent to the one before was heard until it died."""

    new_epoch: int
    known_items: frozenset[str]
    died_at: float
    human_unreached: bool = False
    """The caller is back from a transfer that came to nothing."""


@dataclass(frozen=True, slots=True)
class StandingTold:
    """The edge's answer to `AskStanding`. None: nobody answered."""

    is_current: bool | None


@dataclass(frozen=True, slots=True)
class CarrierCleared:
    """The edge's answer to a `ClearCarrier`: how much of which item the caller heard. No item: nothing was cut."""

    clear: "ClearCarrier"
    item_id: str | None
    heard_ms: int
    text: str = ""
    """What was heard, in words: the item may be of a talker before."""


@dataclass(frozen=True, slots=True)
class ClearLost:
    """The edge did not answer a `ClearCarrier`."""

    clear: "ClearCarrier"


ToolOrders: TypeAlias = HangUpOrder | TransferOrder | SendDigitsOrder
"""What may be ordered by a tool that ran."""


@dataclass(frozen=True, slots=True)
class ToolAnswered:
    """What came of a `RunTool`, as the model is to be told."""

    tool_call_id: str
    output: str
    is_error: bool = False
    order: ToolOrders | None = None


@dataclass(frozen=True, slots=True)
class ToolWaits:
    """A tool takes longer. `filler`: what the caller should hear meanwhile; None: whatever the model finds fit."""

    tool_call_id: str
    filler: str | None


@dataclass(frozen=True, slots=True)
class Instructed:
    """A revision of the agent's instructions was published."""

    instructions: Instructions


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline may have come."""


Event: TypeAlias = (
    SpeechEvent
    | ToolAnswered
    | ToolWaits
    | Instructed
    | BecameTalker
    | ReplayEnded
    | WasAdopted
    | StandingTold
    | CarrierCleared
    | ClearLost
    | Tick
)

# --- asked for ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SendRecord:
    """One record to the edge."""

    sequence: int
    timestamp_ms: int
    kind: Kind
    payload: bytes
    is_urgent: bool = False
    """True if the caller may hear a gap when it waits; audio far ahead of the caller's ear may wait for company."""


@dataclass(frozen=True, slots=True)
class LetAudioThrough:
    """Caller audio goes to the model from now on, first what was kept. `ReplayEnded` when it has come up to here."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class TellLeftOver:
    """What the caller can have heard of turns that only we know."""

    left_over: tuple[LeftOver, ...]


@dataclass(frozen=True, slots=True)
class AskStanding:
    """Ask the edge whether we still count; answered by `StandingTold`."""


@dataclass(frozen=True, slots=True)
class ClearCarrier:
    """Have the edge silence the agent, and say what was heard."""

    through_sequence: int
    onset_ms: int
    noticed_at: float


@dataclass(frozen=True, slots=True)
class AskHandover:
    """Have the edge find another talker."""

    reason: HandoverReason
    error_code: str = ""
    is_retryable: bool = True


@dataclass(frozen=True, slots=True)
class RunTool:
    """Have a tool run, by whoever runs tools; answered by `ToolAnswered`, whatever comes of it."""

    tool_call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class AskTransfer:
    """Have the edge give the caller to a human: a name of the profile's `transfers`, and what that human is told."""

    to: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class AskHangUp:
    """Have the edge end the call."""


@dataclass(frozen=True, slots=True)
class NoteLevel:
    """The call is served at this level from now on, and was at another before."""

    level: int
    cause: LevelCause


@dataclass(frozen=True, slots=True)
class WriteFact:
    """Publish what happened."""

    fact: AnyFact


@dataclass(frozen=True, slots=True)
class ReportResponse:
    """The breaker and the metrics learn how an answer went. `error_code` (`common.errors`) is empty if it worked."""

    error_code: str
    latency_s: float


@dataclass(frozen=True, slots=True)
class NoteFirstAudio:
    """From the response's beginning to its first audio."""

    seconds: float


@dataclass(frozen=True, slots=True)
class NoteBargeIn:
    """The caller spoke over the agent, which fell silent so many seconds after that was noticed."""

    stop_s: float


@dataclass(frozen=True, slots=True)
class CountProviderError:
    """An error event, failed response or message that is not of the protocol; `code` is bounded."""

    code: str


@dataclass(frozen=True, slots=True)
class CountTruncateError:
    """The model refused to forget what was not heard; the call goes on."""


RevisionResult: TypeAlias = Literal["applied", "unchanged", "stale", "repeated", "malformed", "refused"]
"""`refused`: by the provider; the one before stays in force."""


@dataclass(frozen=True, slots=True)
class CountRevision:
    """What became of a revision of the instructions."""

    result: RevisionResult


@dataclass(frozen=True, slots=True)
class NoteApplied:
    """From a revision's arrival here to its being in force."""

    seconds: float


RefusalOfTool: TypeAlias = Literal["unknown", "oversized", "too_many"]


@dataclass(frozen=True, slots=True)
class CountToolRefused:
    """The model asked for a tool that is not run."""

    why: RefusalOfTool


@dataclass(frozen=True, slots=True)
class End:
    """This session is over for us."""

    reason: str


Command: TypeAlias = (
    SendRecord
    | SpeechCommand
    | LetAudioThrough
    | TellLeftOver
    | AskStanding
    | ClearCarrier
    | AskHandover
    | RunTool
    | AskTransfer
    | AskHangUp
    | NoteLevel
    | WriteFact
    | ReportResponse
    | NoteFirstAudio
    | NoteBargeIn
    | CountProviderError
    | CountTruncateError
    | CountRevision
    | NoteApplied
    | CountToolRefused
    | End
)
