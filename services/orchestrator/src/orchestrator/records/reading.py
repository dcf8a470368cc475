"""Reads the records back: a page of calls, or everything about one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, RowMapping, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.core.cost import microdollars
from orchestrator.core.cursor import Cursor
from orchestrator.core.percentiles import percentile
from orchestrator.records import answers, tables
from orchestrator.records.tables import Call
from orchestrator.stores.database import Database

_LONGEST_CALL: Final = timedelta(hours=26)
"""A call that has not ended by then has, but nobody could say so."""
_LOWEST_REALTIME_LEVEL: Final = 1
_TRANSFERRED: Final = "transferred"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls are wanted; None: whatever they have there."""

    since: datetime | None = None
    until: datetime | None = None
    profile: str | None = None
    is_live: bool | None = None
    caller: str | None = None
    """As `core.phone_numbers` writes it."""


async def page(database: Database, wanted: Filter, cursor: Cursor | None, limit: int) -> answers.CallPage:
    """The newest calls after `cursor`. Raises `StorageUnavailable`."""
    async with database.transaction() as connection:
        found = (await connection.execute(_listing(wanted, cursor, limit + 1))).mappings().all()
        shown = found[:limit]
        costs = await _costs(connection, [row["call_id"] for row in shown])
    last = shown[-1] if len(found) > limit else None
    return answers.CallPage(
        calls=[answers.CallSummary(**_summary(row, costs)) for row in shown],
        next_cursor=Cursor(last["first_seen_at"], last["call_id"]).written() if last else None,
    )


async def record(database: Database, call_id: str) -> answers.CallRecord | None:
    """Everything about one call; None if there is none. Raises `StorageUnavailable`."""
    async with database.transaction() as connection:
        calls = select(Call.__table__).where(Call.call_id == call_id)
        row = (await connection.execute(calls)).mappings().one_or_none()
        if row is None:
            return None
        summary = _summary(row, await _costs(connection, [call_id]))
        return answers.CallRecord(**summary, **await _details(connection, call_id))


def _listing(wanted: Filter, cursor: Cursor | None, limit: int) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        conditions.append(Call.first_seen_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Call.first_seen_at < wanted.until)
    if wanted.profile is not None:
        conditions.append(Call.profile == wanted.profile)
    if wanted.caller is not None:
        conditions.append(Call.caller_number == wanted.caller)
    if wanted.is_live is not None:
        live = and_(Call.ended_at.is_(None), Call.first_seen_at > _now() - _LONGEST_CALL)
        conditions.append(live if wanted.is_live else ~live)
    if cursor is not None:
        same = and_(Call.first_seen_at == cursor.first_seen_at, Call.call_id < cursor.call_id)
        conditions.append(or_(Call.first_seen_at < cursor.first_seen_at, same))
    newest_first = (Call.first_seen_at.desc(), Call.call_id.desc())
    return select(Call.__table__).where(*conditions).order_by(*newest_first).limit(limit)


async def _costs(connection: AsyncConnection, call_ids: Sequence[str]) -> dict[str, answers.Cost]:
    usage = tables.Usage
    statement = (
        select(
            usage.call_id,
            usage.price_version,
            func.coalesce(func.sum(usage.cost_picodollars), 0).label("known"),
            (func.count() - func.count(usage.cost_picodollars)).label("unpriced"),
        )
        .where(usage.call_id.in_(call_ids))
        .group_by(usage.call_id, usage.price_version)
        .order_by(usage.price_version)
    )
    rows = (await connection.execute(statement)).mappings().all()
    return {call_id: _cost([row for row in rows if row["call_id"] == call_id]) for call_id in call_ids}


def _cost(rows: Sequence[RowMapping]) -> answers.Cost:
    known = microdollars(sum(int(row["known"]) for row in rows))
    unpriced = sum(row["unpriced"] for row in rows)
    return answers.Cost(
        microdollars=None if unpriced else known,
        known_microdollars=known,
        unpriced_responses=unpriced,
        price_versions=[row["price_version"] for row in rows],
    )


def _summary(row: RowMapping, costs: dict[str, answers.Cost]) -> dict[str, Any]:
    level = row["service_level"] or 0
    is_live = row["ended_at"] is None and row["first_seen_at"] > _now() - _LONGEST_CALL
    is_transferred = row["end_reason"] == _TRANSFERRED
    return {
        **{name: row[name] for name in answers.CallSummary.model_fields if name in row},
        "ended_at": _ended_at(row),
        "is_live": is_live,
        "service_level": level,
        "realtime_mode": "realtime" if level <= _LOWEST_REALTIME_LEVEL else "fallback",
        "transferred_to": row["transferred_to"] if is_transferred else None,
        "cost": costs[row["call_id"]],
    }


def _ended_at(row: RowMapping) -> datetime | None:
    """By the clock that noted the start, so that both agree with the duration; else when the stream heard of it."""
    if row["ended_at"] is None or row["started_at"] is None:
        return row["ended_at"]  # type: ignore[no-any-return]
    try:
        return row["started_at"] + timedelta(milliseconds=row["duration_ms"])  # type: ignore[no-any-return]
    except OverflowError:
        return row["ended_at"]  # type: ignore[no-any-return]


async def _details(connection: AsyncConnection, call_id: str) -> dict[str, Any]:
    waits = {row["item_id"]: row["response_ms"] for row in await _rows(connection, tables.ResponseTime, call_id)}
    barge_ins = await _rows(connection, tables.BargeIn, call_id)
    turns = await _rows(connection, tables.Turn, call_id)
    revisions = await _rows(connection, tables.InstructionRevision, call_id)
    usage = await _rows(connection, tables.Usage, call_id)
    return {
        "metrics": _metrics(list(waits.values()), len(barge_ins)),
        "sessions": await _rows(connection, tables.Session, call_id),
        "turns": [{**row, "response_ms": waits.get(row["item_id"])} for row in turns],
        "barge_ins": barge_ins,
        "tool_calls": await _rows(connection, tables.ToolCall, call_id),
        "fallback_events": await _rows(connection, tables.FallbackEvent, call_id),
        "incidents": await _rows(connection, tables.Incident, call_id),
        "instruction_revisions": [_revision(row) for row in revisions],
        "usage": [{**row, "cost_microdollars": _whole(row["cost_picodollars"])} for row in usage],
    }


async def _rows(connection: AsyncConnection, kind: Any, call_id: str) -> list[dict[str, Any]]:
    table = kind.__table__
    place = next(table.c[name] for name in ("sequence", "called_sequence", "revision") if name in table.c)
    statement = select(table).where(table.c.call_id == call_id).order_by(place.is_(None), place)
    return [dict(row) for row in (await connection.execute(statement)).mappings()]


def _metrics(waits: Sequence[int], barge_ins: int) -> answers.MetricsAnswer:
    return answers.MetricsAnswer(
        barge_ins=barge_ins,
        answers=len(waits),
        response_ms_p50=percentile(waits, 50),
        response_ms_p95=percentile(waits, 95),
    )


def _revision(row: dict[str, Any]) -> dict[str, Any]:
    names = row["tools"]
    tools = None if names is None else [name for name in names.split("\n") if name]
    return {**row, "tools": tools, "is_applied": row["applied_sequence"] is not None}


def _whole(picodollars: int | None) -> int | None:
    return None if picodollars is None else microdollars(picodollars)


def _now() -> datetime:
    return datetime.now(UTC)
