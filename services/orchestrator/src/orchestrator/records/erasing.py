"""Takes words and numbers out of the records, or whole records: for a caller who asks, and after their time."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from sqlalchemy import ColumnElement, and_, delete, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from common import metrics
from orchestrator.records.tables import BreakerEvent, Call, FlagChange, InstructionRevision, ToolCall, Turn
from orchestrator.stores.columns import UtcDateTime
from orchestrator.stores.database import Database

_AT_ONCE: Final = 100
"""Calls in one transaction: whoever writes records waits for no more than that."""
_STREAM_KEEPS: Final = timedelta(days=2)
"""Longer than facts stay in the stream: until then more words of a call may come."""


class WordStore(Protocol):
    """Another place that keeps words of calls."""

    async def forget(self, call_ids: Sequence[str]) -> None:
        """Delete the words of these calls. Doing so again changes nothing. Raises `StorageUnavailable`."""
        ...


class CallerStore(Protocol):
    """Another place that keeps what callers said, by their numbers."""

    async def forget_caller(self, number: str) -> object:
        """Delete everything of this caller (E.164). Raises `StorageUnavailable`."""
        ...


class Eraser:
    """Deletes for good. Two of them at once, or one that is interrupted, do no harm: what is left is found again."""

    def __init__(
        self, database: Database, others: Sequence[WordStore] = (), by_caller: Sequence[CallerStore] = ()
    ) -> None:
        """`others` forget first: a call is not found by its caller any more once its number is gone."""
        self._database, self._others, self._by_caller = database, tuple(others), tuple(by_caller)

    async def erase_caller(self, number: str) -> int:
        """Words and numbers of all calls of one caller (`core.phone_numbers.normalised`). Returns how many calls."""
        for store in self._by_caller:
            await store.forget_caller(number)
        return await self._erase_words(Call.caller_number == number)

    async def erase_old_words(self, before: datetime) -> int:
        """Words and numbers of calls that began before. Returns how many calls."""
        return await self._erase_words(and_(Call.words_erased_at.is_(None), Call.first_seen_at < before))

    async def erase_late_words(self) -> int:
        """Words that came after those of their call had been deleted. Returns how many calls were looked at."""
        now = datetime.now(UTC)
        late = and_(Call.words_erased_at.is_not(None), Call.last_seen_at > now - _STREAM_KEEPS)
        async with self._database.transaction() as connection:
            found = list((await connection.execute(select(Call.call_id).where(late))).scalars())
        for first in range(0, len(found), _AT_ONCE):
            await self._forget(found[first : first + _AT_ONCE])
        return len(found)

    async def erase_old_calls(self, before: datetime) -> int:
        """Whole records of calls that began before, with what the fleet's audits have of that time."""
        erased = 0
        while found := await self._some(Call.first_seen_at < before):
            async with self._database.transaction() as connection:
                await connection.execute(delete(Call).where(Call.call_id.in_(found)))
            metrics.RECORDS_DELETED.labels("calls").inc(len(found))
            erased += len(found)
        async with self._database.transaction() as connection:
            for audit in (FlagChange, BreakerEvent):
                await connection.execute(delete(audit).where(audit.seen_at < before))
        return erased

    async def _erase_words(self, which: ColumnElement[bool]) -> int:
        """Until none is left that fits: each that was erased fits no more."""
        erased = 0
        while found := await self._some(which):
            await self._forget(found)
            metrics.RECORDS_DELETED.labels("words").inc(len(found))
            erased += len(found)
        return erased

    async def _some(self, which: ColumnElement[bool]) -> list[str]:
        oldest = select(Call.call_id).where(which).order_by(Call.first_seen_at).limit(_AT_ONCE)
        async with self._database.transaction() as connection:
            return list((await connection.execute(oldest)).scalars())

    async def _forget(self, call_ids: Sequence[str]) -> None:
        for other in self._others:
            await other.forget(call_ids)
        async with self._database.transaction() as connection:
            await _take_words(connection, call_ids)


async def _take_words(connection: AsyncConnection, call_ids: Sequence[str]) -> None:
    """The calls' own rows first, as everybody does who writes about calls, so that nobody waits in a circle."""
    ordered = sorted(call_ids)
    await connection.execute(
        update(Call)
        .where(Call.call_id.in_(ordered))
        .values(
            caller_number=None,
            dialled_number=None,
            words_erased_at=func.coalesce(Call.words_erased_at, literal(datetime.now(UTC), UtcDateTime)),
        )
    )
    await connection.execute(update(Turn).where(Turn.call_id.in_(ordered)).values(text=None))
    await connection.execute(update(ToolCall).where(ToolCall.call_id.in_(ordered)).values(arguments=None, output=None))
    revisions = update(InstructionRevision).where(InstructionRevision.call_id.in_(ordered))
    await connection.execute(revisions.values(instructions=None))
