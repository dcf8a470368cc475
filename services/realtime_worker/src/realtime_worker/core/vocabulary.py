"""What the conversation of one call is fed besides the speech session's events, and what it asks for."""

from dataclasses import dataclass
from typing import TypeAlias

from common.audio import Kind
from common.messages.facts import AnyFact
from common.messages.offers import HandoverReason
from realtime_worker.backends.port import CancelResponse, DeleteItem, Respond, SpeechEvent, Truncate

# --- fed ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BecameTalker:
    """The edge cut over to us. `opening` is what to ask the model for first."""

    opening: Respond | None


@dataclass(frozen=True, slots=True)
class CarrierCleared:
    """The edge's answer to a `ClearCarrier`: how much of which item the caller heard. No item: nothing was cut."""

    clear: "ClearCarrier"
    item_id: str | None
    heard_ms: int


@dataclass(frozen=True, slots=True)
class ClearLost:
    """The edge did not answer a `ClearCarrier`."""

    clear: "ClearCarrier"


@dataclass(frozen=True, slots=True)
class Tick:
    """A deadline may have come."""


Event: TypeAlias = SpeechEvent | BecameTalker | CarrierCleared | ClearLost | Tick

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
class ClearCarrier:
    """Have the edge silence the agent, and say what was heard."""

    through_sequence: int
    onset_ms: int
    noticed_at: float


@dataclass(frozen=True, slots=True)
class AskHandover:
    """Have the edge find another talker."""

    reason: HandoverReason
    error_code: str
    is_retryable: bool


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


@dataclass(frozen=True, slots=True)
class End:
    """This session is over for us."""

    reason: str


Command: TypeAlias = (
    SendRecord
    | Respond
    | CancelResponse
    | Truncate
    | DeleteItem
    | ClearCarrier
    | AskHandover
    | WriteFact
    | ReportResponse
    | NoteFirstAudio
    | NoteBargeIn
    | CountProviderError
    | CountTruncateError
    | End
)
