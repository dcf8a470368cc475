"""What is kept of following calls: how far each partition is, and which calls have a checkpoint."""

import datetime

from sqlalchemy import BigInteger, DateTime, Index, Integer, String, delete, select
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.stores.base import Base
from orchestrator.stores.database import Database


class FollowCursor(Base):
    """Every fact of a partition up to `sequence` of the stream is followed."""

    __tablename__ = "follow_cursors"

    partition: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(BigInteger)


class FollowedThread(Base):
    """A call whose graph has a checkpoint; forgotten some time after its end."""

    __tablename__ = "followed_threads"
    __table_args__ = (Index("ix_followed_threads_forget_at", "forget_at"),)

    call_id: Mapped[str] = mapped_column(String(256), primary_key=True)
    forget_at: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))


class FollowingStore:
    """Both tables. Raises `StorageUnavailable` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._insert = insert_sqlite if database.is_sqlite else insert_postgresql

    async def cursor(self, partition: int) -> int | None:
        """How far a partition is; None: nobody has ever followed it."""
        async with self._database.transaction() as connection:
            found = await connection.execute(select(FollowCursor.sequence).where(FollowCursor.partition == partition))
            return found.scalar_one_or_none()

    async def advance(self, cursors: dict[int, int]) -> None:
        """Write how far partitions are. A cursor never goes back, whoever writes last."""
        async with self._database.transaction() as connection:
            for partition, sequence in sorted(cursors.items()):
                row = self._insert(FollowCursor).values(partition=partition, sequence=sequence)
                newer = row.on_conflict_do_update(
                    index_elements=[FollowCursor.partition],
                    set_={"sequence": sequence},
                    where=FollowCursor.sequence < sequence,
                )
                await connection.execute(newer)

    async def keep(self, call_id: str, until: datetime.datetime) -> None:
        """The call's checkpoint is needed until then."""
        async with self._database.transaction() as connection:
            row = self._insert(FollowedThread).values(call_id=call_id, forget_at=until)
            later = row.on_conflict_do_update(index_elements=[FollowedThread.call_id], set_={"forget_at": until})
            await connection.execute(later)

    async def forgettable(self, now: datetime.datetime, at_most: int) -> list[str]:
        """Calls whose checkpoints nobody needs any more, the oldest first."""
        async with self._database.transaction() as connection:
            query = select(FollowedThread.call_id).where(FollowedThread.forget_at <= now)
            found = await connection.execute(query.order_by(FollowedThread.forget_at).limit(at_most))
            return list(found.scalars())

    async def forget(self, call_id: str) -> None:
        """Its checkpoint is gone."""
        async with self._database.transaction() as connection:
            await connection.execute(delete(FollowedThread).where(FollowedThread.call_id == call_id))
