"""The facts of a call: what happened, published once, read live and kept in the stream `FACTS`.

Times (`*_ms`) are milliseconds on the leg's media clock: since the caller's audio of this call began. Facts may hold
spoken words and numbers; they never go to logs or metrics.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from common.ids import new_id
from common.messages.base import Message
from common.messages.breaker import BreakerStanding
from common.messages.commands import EndReason
from common.messages.offers import HandoverReason

LegKind = Literal["twilio", "sip", "browser", "openai_sip"]
FLEET: Final = "fleet"
"""The `call_id` of facts that concern no call."""


class _Fact(Message):
    call_id: str
    fact_id: str = Field(default_factory=lambda: new_id("fact"))
    """Repeated when a fact is sent again; readers drop the second."""
    epoch: int = Field(0, ge=0)
    at_ms: int = Field(0, ge=0)


class CallStarted(_Fact):
    """The leg is up and the call is admitted."""

    type: Literal["call_started"] = "call_started"
    leg: LegKind
    edge_id: str
    profile: str
    caller_number: str = ""
    dialled_number: str = ""
    started_at: str
    """Wall clock, ISO 8601 UTC: for people, never for decisions."""


class EpochChanged(_Fact):
    """The edge cut over to a talker: from now on `epoch` is current."""

    type: Literal["epoch_changed"] = "epoch_changed"
    talker_id: str
    reason: HandoverReason
    realtime_session_id: str
    ready_after_ms: int = Field(ge=0)
    """From wanting a talker to the cut."""


class TurnStarted(_Fact):
    """Somebody began to speak: the caller (as the model noticed), or the agent (first audio left the edge)."""

    type: Literal["turn_started"] = "turn_started"
    speaker: Literal["caller", "agent"]
    item_id: str
    response_ms: int | None = None
    """Agent only: from the caller's last word to this audio; None when the agent spoke unasked."""


class TurnEnded(_Fact):
    """The caller's turn is over, as the model noticed; an answer is due."""

    type: Literal["turn_ended"] = "turn_ended"
    item_id: str
    end_ms: int = Field(ge=0)


class CallerSaid(_Fact):
    """A caller turn, transcribed. An empty text: somebody spoke but no words were made out."""

    type: Literal["caller_said"] = "caller_said"
    item_id: str
    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)


class AgentSaid(_Fact):
    """An agent turn, as far as the caller heard it."""

    type: Literal["agent_said"] = "agent_said"
    item_id: str
    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    heard_ms: int = Field(ge=0)
    audio_ms: int = Field(ge=0)
    """Length of what was generated; `heard_ms` of it reached the caller."""
    is_interrupted: bool = False
    is_unfinished: bool = False
    """Its talker was lost before all of it had been said."""


class BargedIn(_Fact):
    """The caller spoke over the agent and the carrier's buffer was cleared."""

    type: Literal["barged_in"] = "barged_in"
    item_id: str
    onset_ms: int = Field(ge=0)
    heard_ms: int = Field(ge=0)


class DigitsPressed(_Fact):
    """The caller pressed keys."""

    type: Literal["digits_pressed"] = "digits_pressed"
    digits: str


class ToolCalled(_Fact):
    """The model asked for a tool."""

    type: Literal["tool_called"] = "tool_called"
    item_id: str
    tool_call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolReturned(_Fact):
    """A tool's result, as the model is told it."""

    type: Literal["tool_returned"] = "tool_returned"
    tool_call_id: str
    output: str
    is_error: bool = False
    """It failed, or was not carried out."""


class InstructionsApplied(_Fact):
    """The talker has put a revision of the agent's instructions in force (`common.messages.instructions`)."""

    type: Literal["instructions_applied"] = "instructions_applied"
    revision: int = Field(ge=1)
    agent: str = ""


class AgentChanged(_Fact):
    """The orchestrator has given the conversation to another agent of the profile; `revision` tells the talker."""

    type: Literal["agent_changed"] = "agent_changed"
    agent: str
    before: str
    revision: int = Field(ge=1)
    answers: str
    """The fact this is the answer to."""


class RuleBroken(_Fact):
    """The agent said what it must not say, or left out what it must; `revision` corrects it."""

    type: Literal["rule_broken"] = "rule_broken"
    rule: str = Field(pattern=r"^(forbidden|must_say):\d{1,3}$")
    """Which of the profile's rules: its kind, and its place in the list."""
    revision: int = Field(ge=1)
    answers: str


class TransferBegun(_Fact):
    """The carrier dials a human for the caller; the call goes on if nobody answers."""

    type: Literal["transfer_begun"] = "transfer_begun"
    to: str


class TransferFailed(_Fact):
    """The human did not answer: the caller is back with the agent."""

    type: Literal["transfer_failed"] = "transfer_failed"
    to: str
    why: Literal["busy", "no_answer", "failed", "canceled"]


class LegReattached(_Fact):
    """A new stream of the same call came: to this edge, which goes on with it."""

    type: Literal["leg_reattached"] = "leg_reattached"
    leg: LegKind
    edge_id: str


class ConversationTrimmed(_Fact):
    """A new session could not be told everything: the oldest turns did not fit into the model's context."""

    type: Literal["conversation_trimmed"] = "conversation_trimmed"
    omitted_turns: int = Field(ge=1)
    kept_turns: int = Field(ge=0)


class UsageReported(_Fact):
    """Tokens of one response. Cached tokens are part of the input and counted once."""

    type: Literal["usage_reported"] = "usage_reported"
    response_id: str
    model: str
    input_text_tokens: int = Field(0, ge=0)
    input_audio_tokens: int = Field(0, ge=0)
    cached_text_tokens: int = Field(0, ge=0)
    cached_audio_tokens: int = Field(0, ge=0)
    output_text_tokens: int = Field(0, ge=0)
    output_audio_tokens: int = Field(0, ge=0)


class CallbackWanted(_Fact):
    """No talker could be had: the caller was told to expect a call back. May come after `CallEnded`."""

    type: Literal["callback_wanted"] = "callback_wanted"
    profile: str
    caller_number: str = ""


class LevelCause(StrEnum):
    """Why a call has another service level than before."""

    ROLLOUT = "rollout"
    """It belongs there, as the rollout flags have it."""
    PROVIDER_FAILED = "provider_failed"
    """The realtime provider does not work, for this call or for the fleet."""
    STAGES_FAILED = "stages_failed"
    """A stage of the turn-based pipeline has no endpoint that works."""
    THROTTLED = "throttled"
    """The providers limit our rate."""
    RECOVERED = "recovered"
    """What had failed works again."""
    NO_TALKER = "no_talker"
    """Nobody can be had: the carrier says or dials what the profile names."""


class ServiceLevelChanged(_Fact):
    """From now on the call is served at another level (`design.md` section 8)."""

    type: Literal["service_level_changed"] = "service_level_changed"
    level: int = Field(ge=0, le=4)
    before: int = Field(ge=0, le=4)
    cause: LevelCause


class MessageLeft(_Fact):
    """The caller has left a message; the recording is kept beside, under its id."""

    type: Literal["message_left"] = "message_left"
    message_id: str
    profile: str
    duration_ms: int = Field(ge=0)


class FlagChanged(_Fact):
    """An operator has changed a flag. Of no call: `call_id` is `FLEET`."""

    type: Literal["flag_changed"] = "flag_changed"
    name: str
    value: str
    """Empty: it is not set any more."""
    before: str = ""
    """Empty: it was not set."""
    changed_at: str
    """Wall clock, ISO 8601 UTC: for people, never for decisions."""


class CallEnded(_Fact):
    """The last fact of a call, but for a callback that is promised after it."""

    type: Literal["call_ended"] = "call_ended"
    reason: EndReason
    duration_ms: int = Field(ge=0)


class BreakerChanged(_Fact):
    """A provider's breaker stands otherwise than before. Of no call: `call_id` is `FLEET`."""

    type: Literal["breaker_changed"] = "breaker_changed"
    standing: BreakerStanding


AnyFact = (
    CallStarted
    | EpochChanged
    | TurnStarted
    | TurnEnded
    | CallerSaid
    | AgentSaid
    | BargedIn
    | DigitsPressed
    | ToolCalled
    | ToolReturned
    | InstructionsApplied
    | AgentChanged
    | RuleBroken
    | TransferBegun
    | TransferFailed
    | LegReattached
    | ConversationTrimmed
    | UsageReported
    | CallbackWanted
    | ServiceLevelChanged
    | MessageLeft
    | FlagChanged
    | CallEnded
    | BreakerChanged
)

Fact = TypeAdapter[AnyFact](Annotated[AnyFact, Field(discriminator="type")])
