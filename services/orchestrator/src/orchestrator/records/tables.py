"""The tables of call records.

A row that one fact made is keyed by the fact's id, so that a fact may be written any number of times. Rows that several
facts contribute to (`calls`, `tool_calls`, `instruction_revisions`) have a `…_sequence` beside each group of columns:
the place in the stream of the fact that wrote them, of which a later one counts.
"""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.stores.base import Base
from orchestrator.stores.columns import UtcDateTime


class Call(Base):
    """One call. A row comes into being with the first fact that tells of it, whichever that is."""

    __tablename__ = "calls"
    __table_args__ = (Index("ix_calls_first_seen_at_call_id", "first_seen_at", "call_id"),)

    call_id: Mapped[str] = mapped_column(String, primary_key=True)
    first_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """By the stream's clock, so that a call has a place in time though its first fact was lost."""
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    profile: Mapped[str | None] = mapped_column(String)
    leg: Mapped[str | None] = mapped_column(String)
    caller_number: Mapped[str | None] = mapped_column(String, index=True)
    """E.164 where it can be read as such; None: withheld, deleted, or not known yet."""
    dialled_number: Mapped[str | None] = mapped_column(String)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    start_sequence: Mapped[int | None] = mapped_column(BigInteger)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    end_sequence: Mapped[int | None] = mapped_column(BigInteger)
    service_level: Mapped[int | None] = mapped_column(BigInteger)
    """The newest; None: never changed from where calls start."""
    level_sequence: Mapped[int | None] = mapped_column(BigInteger)
    agent: Mapped[str | None] = mapped_column(String)
    agent_sequence: Mapped[int | None] = mapped_column(BigInteger)
    transferred_to: Mapped[str | None] = mapped_column(String)
    """The name asked for last; a transfer that failed takes it away."""
    transfer_sequence: Mapped[int | None] = mapped_column(BigInteger)
    words_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since then the record holds neither words nor numbers."""


class _Child:
    """What every row of its own has that one fact of a call made."""

    fact_id: Mapped[str] = mapped_column(String, primary_key=True)
    call_id: Mapped[str] = mapped_column(String, ForeignKey("calls.call_id", ondelete="CASCADE"), index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Its place in the stream of facts."""
    epoch: Mapped[int] = mapped_column(BigInteger)
    at_ms: Mapped[int] = mapped_column(BigInteger)


class Session(_Child, Base):
    """A talker's time with a call."""

    __tablename__ = "sessions"

    talker_id: Mapped[str] = mapped_column(String)
    reason: Mapped[str] = mapped_column(String)
    realtime_session_id: Mapped[str] = mapped_column(String)
    ready_after_ms: Mapped[int] = mapped_column(BigInteger)


class Turn(_Child, Base):
    """What one side said, or which keys the caller pressed."""

    __tablename__ = "turns"

    speaker: Mapped[str] = mapped_column(String)
    kind: Mapped[str] = mapped_column(String)
    """`speech` or `keys`."""
    item_id: Mapped[str] = mapped_column(String)
    text: Mapped[str | None] = mapped_column(Text)
    """None: deleted."""
    start_ms: Mapped[int] = mapped_column(BigInteger)
    end_ms: Mapped[int] = mapped_column(BigInteger)
    heard_ms: Mapped[int | None] = mapped_column(BigInteger)
    audio_ms: Mapped[int | None] = mapped_column(BigInteger)
    is_interrupted: Mapped[bool]
    is_unfinished: Mapped[bool]


class ResponseTime(_Child, Base):
    """How long the caller waited for one answer."""

    __tablename__ = "response_times"

    item_id: Mapped[str] = mapped_column(String)
    response_ms: Mapped[int] = mapped_column(BigInteger)


class BargeIn(_Child, Base):
    """The caller spoke over the agent."""

    __tablename__ = "barge_ins"

    item_id: Mapped[str] = mapped_column(String)
    onset_ms: Mapped[int] = mapped_column(BigInteger)
    heard_ms: Mapped[int] = mapped_column(BigInteger)


class ToolCall(Base):
    """A tool the model asked for, with what it was told."""

    __tablename__ = "tool_calls"

    call_id: Mapped[str] = mapped_column(String, ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True)
    tool_call_id: Mapped[str] = mapped_column(String, primary_key=True)
    name: Mapped[str | None] = mapped_column(String)
    arguments: Mapped[str | None] = mapped_column(Text)
    epoch: Mapped[int | None] = mapped_column(BigInteger)
    at_ms: Mapped[int | None] = mapped_column(BigInteger)
    called_sequence: Mapped[int | None] = mapped_column(BigInteger)
    output: Mapped[str | None] = mapped_column(Text)
    is_error: Mapped[bool | None]
    returned_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    returned_sequence: Mapped[int | None] = mapped_column(BigInteger)


class FallbackEvent(_Child, Base):
    """What a failure did to a call: another level, another talker, a message, a promise to call back."""

    __tablename__ = "fallback_events"

    kind: Mapped[str] = mapped_column(String)
    """`level`, `handover`, `message_left`, `callback_wanted` or `transfer_failed`."""
    level_before: Mapped[int | None] = mapped_column(BigInteger)
    level_after: Mapped[int | None] = mapped_column(BigInteger)
    cause: Mapped[str | None] = mapped_column(String)
    message_id: Mapped[str | None] = mapped_column(String)
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)


class Incident(_Child, Base):
    """Something else worth knowing: a leg that came back, a memory that was cut, a rule that was broken."""

    __tablename__ = "incidents"

    kind: Mapped[str] = mapped_column(String)
    detail: Mapped[str] = mapped_column(String)


class InstructionRevision(Base):
    """One revision of the agent's instructions, and when a talker put it in force."""

    __tablename__ = "instruction_revisions"

    call_id: Mapped[str] = mapped_column(String, ForeignKey("calls.call_id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    agent: Mapped[str | None] = mapped_column(String)
    agent_before: Mapped[str | None] = mapped_column(String)
    changed_sequence: Mapped[int | None] = mapped_column(BigInteger)
    instructions: Mapped[str | None] = mapped_column(Text)
    """None: deleted, or overtaken by a newer revision before it could be written."""
    tools: Mapped[str | None] = mapped_column(Text)
    """Their names, one a line."""
    urgency: Mapped[str | None] = mapped_column(String)
    answers: Mapped[str | None] = mapped_column(String)
    told_sequence: Mapped[int | None] = mapped_column(BigInteger)
    """Its place in the stream of instructions."""
    applied_epoch: Mapped[int | None] = mapped_column(BigInteger)
    applied_at_ms: Mapped[int | None] = mapped_column(BigInteger)
    applied_sequence: Mapped[int | None] = mapped_column(BigInteger)


class Usage(_Child, Base):
    """Tokens of one response with what they cost."""

    __tablename__ = "usage"

    response_id: Mapped[str] = mapped_column(String)
    model: Mapped[str] = mapped_column(String)
    input_text_tokens: Mapped[int] = mapped_column(BigInteger)
    input_audio_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_text_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_audio_tokens: Mapped[int] = mapped_column(BigInteger)
    output_text_tokens: Mapped[int] = mapped_column(BigInteger)
    output_audio_tokens: Mapped[int] = mapped_column(BigInteger)
    cost_picodollars: Mapped[int | None] = mapped_column(BigInteger)
    """Exact; None: the price table did not know the model."""
    price_version: Mapped[str] = mapped_column(String)


class FlagChange(Base):
    """An operator changed a flag."""

    __tablename__ = "flags_audit"

    fact_id: Mapped[str] = mapped_column(String, primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    name: Mapped[str] = mapped_column(String)
    value: Mapped[str] = mapped_column(String)
    before: Mapped[str] = mapped_column(String)
    changed_at: Mapped[str] = mapped_column(String)


class BreakerEvent(Base):
    """A provider's breaker stood otherwise than before."""

    __tablename__ = "breaker_events"

    fact_id: Mapped[str] = mapped_column(String, primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    provider: Mapped[str] = mapped_column(String)
    model: Mapped[str] = mapped_column(String)
    state: Mapped[str] = mapped_column(String)
    mode: Mapped[str] = mapped_column(String)
    reason: Mapped[str | None] = mapped_column(String)
    share_percent: Mapped[int] = mapped_column(BigInteger)
