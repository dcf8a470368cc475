"""The table that makes a tool run at most once: every request is claimed in it before anything is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import CursorResult, DateTime, Index, String, Text, delete, func, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.elements import ColumnElement

from common.ids import call_key
from orchestrator.core.run_state import RunState
from orchestrator.core.tool_policy import Ask, Decision, Go, PastRun, Refuse, Wait
from orchestrator.core.tool_rules import ToolClass
from orchestrator.stores.base import Base
from orchestrator.stores.database import Database

ID_AT_MOST: Final = 128


class ToolRunRow(Base):
    """One request. Times are the database's own: replicas' clocks are never compared."""

    __tablename__ = "tool_runs"

    call_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    tool_call_id: Mapped[str] = mapped_column(String(ID_AT_MOST), primary_key=True)
    name: Mapped[str] = mapped_column(String(64))
    tool_class: Mapped[str] = mapped_column(String(16))
    fingerprint: Mapped[str] = mapped_column(String(64))
    """Of name and arguments: the same key with others is another request, and a mistake."""
    state: Mapped[str] = mapped_column(String(16))
    owner: Mapped[str] = mapped_column(String(64))
    """The replica that runs it, or ran it."""
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.current_timestamp())
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    output: Mapped[str] = mapped_column(Text, default="")
    is_error: Mapped[bool] = mapped_column(default=False)
    order: Mapped[str] = mapped_column("order_json", Text, default="")
    """What the talker is to do, as JSON; empty: nothing."""

    __table_args__ = (Index(None, "started_at"),)


@dataclass(frozen=True, slots=True)
class RunKey:
    """Which request."""

    call_id: str
    tool_call_id: str


@dataclass(frozen=True, slots=True)
class NewRun:
    """A request to be claimed for `owner`."""

    key: RunKey
    name: str
    tool_class: ToolClass
    fingerprint: str
    owner: str


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, as everybody who asks for it is told."""

    output: str
    is_error: bool = False
    order: str = ""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A request that was claimed before."""

    fingerprint: str
    state: RunState
    owner: str
    ending: Ending


class ToolRuns:
    """The table. Everything raises `StorageUnavailable` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(
        self, new: NewRun, decide: Callable[[Sequence[PastRun]], Decision], question: Ending
    ) -> Decision | StoredRun:
        """Claim a request, or learn what became of it. `Go`: it is the owner's to run, nobody else will.

        `decide` is given the other requests of the call, oldest first, while no other request of the call can be
        claimed: limits hold however many are made at once. `question` is what is kept as the answer if it says `Ask`.
        """
        async with self._database.transaction() as connection:
            await self._lock_call(connection, new.key.call_id)
            if not await self._inserted(connection, new):
                return _stored(await self._row(connection, new.key))
            decision = decide(await self._others(connection, new.key))
            await self._keep(connection, new.key, decision, question)
            return decision

    async def read(self, key: RunKey) -> StoredRun | None:
        """What became of a request; None: nobody has claimed it."""
        async with self._database.transaction() as connection:
            row = await self._row(connection, key)
        return None if row is None else _stored(row)

    async def end(self, key: RunKey, owner: str, state: RunState, ending: Ending) -> bool:
        """Write how it ended. False if it is `owner`'s no longer: what the table says counts."""
        values: dict[str, Any] = {"output": ending.output, "is_error": ending.is_error, "order": ending.order}
        changes = {"state": state.value, "ended_at": func.current_timestamp(), **values}
        return await self._change(_running(key, owner), changes)

    async def take_over(self, key: RunKey, before: str, owner: str) -> bool:
        """Claim a run of a replica that is gone. False if somebody else has done so, or it has ended."""
        return await self._change(_running(key, before), {"owner": owner, "started_at": func.current_timestamp()})

    async def forget_older_than(self, age: timedelta) -> int:
        """Delete what no retry can ask for any more; the facts are the record. Returns how many."""
        async with self._database.transaction() as connection:
            now = _aware((await connection.execute(select(func.current_timestamp()))).scalar_one())
            done = await connection.execute(delete(ToolRunRow).where(ToolRunRow.started_at < now - age))
            return _changed(done)

    async def forget(self, call_ids: Sequence[str]) -> None:
        """Delete what tools answered in these calls, not that they ran: a late retry must not run them again."""
        async with self._database.transaction() as connection:
            done = (ToolRunRow.call_id.in_(call_ids), ToolRunRow.state != RunState.RUNNING.value)
            await connection.execute(update(ToolRunRow).where(*done).values(output="", order=""))

    async def _lock_call(self, connection: AsyncConnection, call_id: str) -> None:
        """PostgreSQL would not show one claim to another before both are done; SQLite has one writer at a time."""
        if not self._database.is_sqlite:
            key = call_key(call_id) - 2**63  # to a signed number
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})

    async def _inserted(self, connection: AsyncConnection, new: NewRun) -> bool:
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        statement = (
            insert(ToolRunRow)
            .values(
                call_id=new.key.call_id,
                tool_call_id=new.key.tool_call_id,
                name=new.name,
                tool_class=new.tool_class.value,
                fingerprint=new.fingerprint,
                state=RunState.RUNNING.value,
                owner=new.owner,
            )
            .on_conflict_do_nothing()
            .returning(ToolRunRow.call_id)
        )
        return (await connection.execute(statement)).first() is not None

    async def _keep(self, connection: AsyncConnection, key: RunKey, decision: Decision, question: Ending) -> None:
        match decision:
            case Refuse() | Wait():
                await connection.execute(delete(ToolRunRow).where(*_is(key)))
            case Ask():
                asked = {"state": RunState.ASKED.value, "output": question.output, "is_error": question.is_error}
                await connection.execute(update(ToolRunRow).where(*_is(key)).values(asked))
            case Go(uses_up=used) if used:
                confirmed = _is(RunKey(key.call_id, used))
                await connection.execute(update(ToolRunRow).where(*confirmed).values(state=RunState.CONFIRMED.value))
            case Go():
                pass

    async def _others(self, connection: AsyncConnection, key: RunKey) -> tuple[PastRun, ...]:
        statement = (
            select(ToolRunRow.__table__, func.current_timestamp().label("now"))
            .where(ToolRunRow.call_id == key.call_id, ToolRunRow.tool_call_id != key.tool_call_id)
            .order_by(ToolRunRow.started_at)
        )
        return tuple(map(_past, (await connection.execute(statement)).all()))

    async def _row(self, connection: AsyncConnection, key: RunKey) -> Row[Any] | None:
        return (await connection.execute(select(ToolRunRow.__table__).where(*_is(key)))).one_or_none()

    async def _change(self, where: Sequence[ColumnElement[bool]], values: dict[str, Any]) -> bool:
        async with self._database.transaction() as connection:
            return _changed(await connection.execute(update(ToolRunRow).where(*where).values(values))) == 1


def _is(key: RunKey) -> tuple[ColumnElement[bool], ...]:
    return (ToolRunRow.call_id == key.call_id, ToolRunRow.tool_call_id == key.tool_call_id)


def _running(key: RunKey, owner: str) -> tuple[ColumnElement[bool], ...]:
    return (*_is(key), ToolRunRow.owner == owner, ToolRunRow.state == RunState.RUNNING.value)


def _changed(result: CursorResult[Any]) -> int:
    return result.rowcount


def _stored(row: Row[Any] | None) -> StoredRun:
    if row is None:  # deleted between two statements of one transaction: only retention does that, after days
        return StoredRun("", RunState.FAILED, "", Ending("", is_error=True))
    return StoredRun(
        row.fingerprint, RunState(row.state), row.owner, Ending(row.output or "", bool(row.is_error), row.order_json)
    )


def _past(row: Row[Any]) -> PastRun:
    return PastRun(
        tool_call_id=row.tool_call_id,
        name=row.name,
        tool_class=ToolClass(row.tool_class),
        fingerprint=row.fingerprint,
        state=RunState(row.state),
        is_error=bool(row.is_error),
        age_s=(_aware(row.now) - _aware(row.started_at)).total_seconds(),
    )


def _aware(at: datetime) -> datetime:
    """SQLite keeps UTC without saying so."""
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
