"""The tables of call records."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_CHILDREN = ("sessions", "turns", "response_times", "barge_ins", "fallback_events", "incidents", "usage")


def upgrade() -> None:
    """Make them."""
    _calls()
    _what_one_fact_makes()
    _what_several_facts_make()
    _of_the_fleet()


def downgrade() -> None:
    """Take them away, with what is in them."""
    for table in (*_CHILDREN, "tool_calls", "instruction_revisions", "flags_audit", "breaker_events", "calls"):
        op.drop_table(table)


def _calls() -> None:
    op.create_table(
        "calls",
        _text("call_id"),
        sa.Column("first_seen_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        *(_text(name, nullable=True) for name in ("profile", "leg", "caller_number", "dialled_number")),
        sa.Column("started_at", _MOMENT, nullable=True),
        _number("start_sequence", nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        _text("end_reason", nullable=True),
        *(_number(name, nullable=True) for name in ("duration_ms", "end_sequence", "service_level", "level_sequence")),
        _text("agent", nullable=True),
        _number("agent_sequence", nullable=True),
        _text("transferred_to", nullable=True),
        _number("transfer_sequence", nullable=True),
        sa.Column("words_erased_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
    )
    op.create_index("ix_calls_caller_number", "calls", ["caller_number"])
    op.create_index("ix_calls_first_seen_at_call_id", "calls", ["first_seen_at", "call_id"])


def _what_one_fact_makes() -> None:
    _child("sessions", *map(_text, ("talker_id", "reason", "realtime_session_id")), _number("ready_after_ms"))
    _child(
        "turns",
        *map(_text, ("speaker", "kind", "item_id")),
        sa.Column("text", sa.Text(), nullable=True),
        *map(_number, ("start_ms", "end_ms")),
        *(_number(name, nullable=True) for name in ("heard_ms", "audio_ms")),
        *(sa.Column(name, sa.Boolean(), nullable=False) for name in ("is_interrupted", "is_unfinished")),
    )
    _child("response_times", _text("item_id"), _number("response_ms"))
    _child("barge_ins", _text("item_id"), _number("onset_ms"), _number("heard_ms"))
    _child(
        "fallback_events",
        _text("kind"),
        *(_number(name, nullable=True) for name in ("level_before", "level_after")),
        *(_text(name, nullable=True) for name in ("cause", "message_id")),
        _number("duration_ms", nullable=True),
    )
    _child("incidents", _text("kind"), _text("detail"))
    kinds = ("input_text", "input_audio", "cached_text", "cached_audio", "output_text", "output_audio")
    _child(
        "usage",
        *map(_text, ("response_id", "model")),
        *(_number(f"{kind}_tokens") for kind in kinds),
        _number("cost_picodollars", nullable=True),
        _text("price_version"),
    )


def _what_several_facts_make() -> None:
    op.create_table(
        "tool_calls",
        *map(_text, ("call_id", "tool_call_id")),
        _text("name", nullable=True),
        sa.Column("arguments", sa.Text(), nullable=True),
        *(_number(name, nullable=True) for name in ("epoch", "at_ms", "called_sequence")),
        sa.Column("output", sa.Text(), nullable=True),
        sa.Column("is_error", sa.Boolean(), nullable=True),
        *(_number(name, nullable=True) for name in ("returned_at_ms", "returned_sequence")),
        _of_a_call("tool_calls"),
        sa.PrimaryKeyConstraint("call_id", "tool_call_id", name="pk_tool_calls"),
    )
    op.create_table(
        "instruction_revisions",
        _text("call_id"),
        _number("revision"),
        *(_text(name, nullable=True) for name in ("agent", "agent_before")),
        _number("changed_sequence", nullable=True),
        *(sa.Column(name, sa.Text(), nullable=True) for name in ("instructions", "tools")),
        *(_text(name, nullable=True) for name in ("urgency", "answers")),
        *(_number(name, nullable=True) for name in ("told_sequence", "applied_epoch", "applied_at_ms")),
        _number("applied_sequence", nullable=True),
        _of_a_call("instruction_revisions"),
        sa.PrimaryKeyConstraint("call_id", "revision", name="pk_instruction_revisions"),
    )


def _of_the_fleet() -> None:
    _audit("flags_audit", *map(_text, ("name", "value", "before", "changed_at")))
    _audit(
        "breaker_events",
        *map(_text, ("provider", "model", "state", "mode")),
        _text("reason", nullable=True),
        _number("share_percent"),
    )


def _child(table: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        table,
        *map(_text, ("fact_id", "call_id")),
        *map(_number, ("sequence", "epoch", "at_ms")),
        *columns,
        _of_a_call(table),
        sa.PrimaryKeyConstraint("fact_id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_call_id", table, ["call_id"])


def _audit(table: str, *columns: sa.Column[Any]) -> None:
    op.create_table(
        table,
        _text("fact_id"),
        _number("sequence"),
        sa.Column("seen_at", _MOMENT, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("fact_id", name=f"pk_{table}"),
    )
    op.create_index(f"ix_{table}_seen_at", table, ["seen_at"])


def _of_a_call(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["call_id"], ["calls.call_id"], name=f"fk_{table}_call_id_calls", ondelete="CASCADE")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=nullable)
