"""Writes what a batch of facts means, in one transaction, any number of times with the same result."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Table, and_, case, func, literal, null, or_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.core.record_vocabulary import Claim, Entry, Fill, Row, Value
from orchestrator.records.tables import Call
from orchestrator.stores.base import Base
from orchestrator.stores.database import Database

Seen: TypeAlias = tuple[str, datetime]
"""A call a message tells of, and when the stream got it."""
Upsert: TypeAlias = PostgresInsert | SqliteInsert

CALLS: Final = Call.__table__
_NUMBERS: Final = ("caller_number", "dialled_number")
_LARGEST: Final = 2**63 - 1


async def write(database: Database, seen: Iterable[Seen], entries: Iterable[Entry]) -> None:
    """Everything or nothing. Raises `StorageUnavailable`.

    The rows of the calls come first and in order, so that two replicas that write about the same calls wait for each
    other instead of locking each other out.
    """
    calls, everything = _spans(seen), tuple(entries)
    if not (calls or everything):
        return
    async with database.transaction() as connection:
        if calls:
            await connection.execute(_see(connection), calls)
        for table, rows in _by_table(each for each in everything if isinstance(each, Row)).items():
            await connection.execute(insert(connection, table).on_conflict_do_nothing(), rows)
        for each in sorted((each for each in everything if not isinstance(each, Row)), key=_order):
            await _fill(connection, each)


def insert(connection: AsyncConnection, table: Table) -> Upsert:
    """An insert that can say what to do about a row that is there already."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def _spans(seen: Iterable[Seen]) -> list[dict[str, Any]]:
    """Each call once: when it was first seen in this batch, and when last."""
    spans: dict[str, tuple[datetime, datetime]] = {}
    for call_id, at in seen:
        first, last = spans.get(call_id, (at, at))
        spans[call_id] = (min(first, at), max(last, at))
    return [
        {"call_id": call_id, "first_seen_at": first, "last_seen_at": last}
        for call_id, (first, last) in sorted(spans.items())
    ]


def _see(connection: AsyncConnection) -> Upsert:
    statement = insert(connection, _table("calls"))
    old, new = CALLS.c, statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["call_id"],
        set_={
            "first_seen_at": case((new.first_seen_at < old.first_seen_at, new.first_seen_at), else_=old.first_seen_at),
            "last_seen_at": case((new.last_seen_at > old.last_seen_at, new.last_seen_at), else_=old.last_seen_at),
        },
    )


def _by_table(rows: Iterable[Row]) -> Mapping[Table, list[dict[str, Value]]]:
    found: dict[Table, list[dict[str, Value]]] = defaultdict(list)
    for row in rows:
        table = _table(row.table)
        names = [column.name for column in table.columns]
        found[table].append({name: _storable(row.values.get(name)) for name in names})
    return found


def _order(entry: Claim | Fill) -> tuple[str, str]:
    return entry.table, str(sorted(map(str, entry.key.values())))


async def _fill(connection: AsyncConnection, entry: Claim | Fill) -> None:
    table = _table(entry.table)
    key = {name: _storable(value) for name, value in entry.key.items()}
    if entry.table != "calls":
        await connection.execute(insert(connection, table).on_conflict_do_nothing(), key)
    values = {name: _storable(value) for name, value in entry.values.items()}
    is_it = and_(*(table.c[name] == value for name, value in key.items()))
    match entry:
        case Claim(group=group, sequence=sequence):
            guard = table.c[f"{group}_sequence"]
            statement = update(table).where(is_it, or_(guard.is_(None), guard < sequence))
            written = {
                name: _kept_back(table, name, literal(value, table.c[name].type)) for name, value in values.items()
            }
            await connection.execute(statement.values({**written, guard.name: sequence}))
        case Fill():
            filled = {
                name: _kept_back(table, name, func.coalesce(table.c[name], literal(value, table.c[name].type)))
                for name, value in values.items()
                if value is not None
            }
            if filled:
                await connection.execute(update(table).where(is_it).values(filled))


def _kept_back(table: Table, name: str, value: ColumnElement[Any]) -> ColumnElement[Any]:
    """A number that was deleted does not come back with a fact that is told again."""
    if table is CALLS and name in _NUMBERS:
        return case((CALLS.c.words_erased_at.is_not(None), null()), else_=value)
    return value


def _table(name: str) -> Table:
    return Base.metadata.tables[name]


def _storable(value: Value) -> Value:
    """What either database can hold: PostgreSQL knows no NUL in texts, and no number has more than 64 bits."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-_LARGEST, min(value, _LARGEST))
    return value
