"""What the API answers: calls as others read them."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class Cost(_Answer):
    """Money for tokens, in millionths of a dollar."""

    microdollars: int | None
    """None: some of it is not known."""
    known_microdollars: int
    unpriced_responses: int
    """Responses of models the price table did not know."""
    price_versions: list[str]


class CallSummary(_Answer):
    """One call in a list."""

    call_id: str
    profile: str | None
    leg: str | None
    caller_number: str | None
    caller_number_national: str | None = None
    """The same as people of the profile's country write it."""
    dialled_number: str | None
    first_seen_at: datetime
    """By the stream's clock; lists are in this order, the newest first."""
    started_at: datetime | None
    """By the edge's clock; None: its first fact was lost."""
    ended_at: datetime | None
    end_reason: str | None
    duration_ms: int | None
    is_live: bool
    realtime_mode: Literal["realtime", "fallback"]
    """What serves the call now, or did at its end."""
    service_level: int
    agent: str | None
    """The agent of the profile that has the caller; None: the one that answered."""
    transferred_to: str | None
    """The human the caller was given to, by name."""
    cost: Cost
    words_erased_at: datetime | None
    """Since then the record holds neither words nor numbers."""


class CallPage(_Answer):
    """A part of the list."""

    calls: list[CallSummary]
    next_cursor: str | None
    """Give it as `cursor` for the next part; None: this was the last."""


class SessionAnswer(_Answer):
    """A talker's time with the call."""

    epoch: int
    talker_id: str
    reason: str
    realtime_session_id: str
    at_ms: int
    ready_after_ms: int


class TurnAnswer(_Answer):
    """What one side said, or which keys the caller pressed."""

    speaker: str
    kind: str
    item_id: str
    text: str | None
    start_ms: int
    end_ms: int
    heard_ms: int | None
    audio_ms: int | None
    is_interrupted: bool
    is_unfinished: bool
    response_ms: int | None = None
    """Of an answer: from the caller's last word to its first audio."""


class BargeInAnswer(_Answer):
    """The caller spoke over the agent."""

    item_id: str
    onset_ms: int
    heard_ms: int


class MetricsAnswer(_Answer):
    """The call in figures."""

    barge_ins: int
    answers: int
    response_ms_p50: int | None
    response_ms_p95: int | None


class ToolCallAnswer(_Answer):
    """A tool the model asked for."""

    tool_call_id: str
    name: str | None
    arguments: str | None
    output: str | None
    """None: deleted, or it has not returned."""
    is_error: bool | None
    at_ms: int | None
    returned_at_ms: int | None


class FallbackEventAnswer(_Answer):
    """What a failure did to the call."""

    kind: str
    at_ms: int
    epoch: int
    level_before: int | None
    level_after: int | None
    cause: str | None
    message_id: str | None
    duration_ms: int | None


class IncidentAnswer(_Answer):
    """Something else worth knowing."""

    kind: str
    at_ms: int
    detail: str


class RevisionAnswer(_Answer):
    """One revision of the agent's instructions."""

    revision: int
    agent: str | None
    agent_before: str | None
    instructions: str | None
    tools: list[str] | None
    urgency: str | None
    is_applied: bool
    applied_epoch: int | None
    applied_at_ms: int | None


class UsageAnswer(_Answer):
    """Tokens of one response."""

    response_id: str
    model: str
    at_ms: int
    input_text_tokens: int
    input_audio_tokens: int
    cached_text_tokens: int
    cached_audio_tokens: int
    output_text_tokens: int
    output_audio_tokens: int
    cost_microdollars: int | None
    price_version: str


class CallRecord(CallSummary):
    """Everything that is kept of one call."""

    metrics: MetricsAnswer
    sessions: list[SessionAnswer]
    turns: list[TurnAnswer]
    barge_ins: list[BargeInAnswer]
    tool_calls: list[ToolCallAnswer]
    fallback_events: list[FallbackEventAnswer]
    incidents: list[IncidentAnswer]
    instruction_revisions: list[RevisionAnswer]
    usage: list[UsageAnswer]


class Erasure(_Answer):
    """What was deleted."""

    calls: int = Field(ge=0)
    """Whose words and numbers are gone."""
