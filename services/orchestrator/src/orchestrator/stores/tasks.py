"""The booking desk's tasks in the orchestrator's database."""

from datetime import date
from typing import Any

from sqlalchemy import Date, Index, String, Text, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Row
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.stores.base import Base
from orchestrator.stores.database import Database
from orchestrator.tools.task_store import TITLE_AT_MOST, Task, TaskStatus


class TaskRow(Base):
    """One task."""

    __tablename__ = "tasks"

    task_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    owner: Mapped[str] = mapped_column(String(32))
    title: Mapped[str] = mapped_column(String(TITLE_AT_MOST))
    notes: Mapped[str] = mapped_column(Text)
    due: Mapped[date | None] = mapped_column(Date)
    status: Mapped[str] = mapped_column(String(16))

    __table_args__ = (Index(None, "owner"),)


class SqlTaskStore:
    """A `TaskStore` on SQLite or PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, task: Task) -> None:
        """Keep `task`, once."""
        insert = sqlite.insert if self._database.is_sqlite else postgresql.insert
        values = {"task_id": task.task_id, "owner": task.owner, **_contents(task)}
        async with self._database.transaction() as connection:
            await connection.execute(insert(TaskRow).values(values).on_conflict_do_nothing())

    async def find(self, owner: str, task_id: str) -> Task | None:
        """The task, if it is `owner`'s."""
        statement = select(TaskRow.__table__).where(TaskRow.task_id == task_id, TaskRow.owner == owner)
        async with self._database.transaction() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _task(row)

    async def tasks_of(self, owner: str, status: TaskStatus | None, limit: int) -> tuple[Task, ...]:
        """By due date, without one last, then by id."""
        wanted = (TaskRow.status == status.value,) if status is not None else ()
        statement = (
            select(TaskRow.__table__)
            .where(TaskRow.owner == owner, *wanted)
            .order_by(TaskRow.due.is_(None), TaskRow.due, TaskRow.task_id)
            .limit(limit)
        )
        async with self._database.transaction() as connection:
            return tuple(map(_task, (await connection.execute(statement)).all()))

    async def replace(self, task: Task) -> bool:
        """Put `task` in the place of the one with its id and owner."""
        statement = update(TaskRow).where(TaskRow.task_id == task.task_id, TaskRow.owner == task.owner)
        async with self._database.transaction() as connection:
            return (await connection.execute(statement.values(_contents(task)))).rowcount == 1

    async def delete(self, owner: str, task_id: str) -> bool:
        """Delete it for good."""
        statement = delete(TaskRow).where(TaskRow.task_id == task_id, TaskRow.owner == owner)
        async with self._database.transaction() as connection:
            return (await connection.execute(statement)).rowcount == 1


def _contents(task: Task) -> dict[str, Any]:
    return {"title": task.title, "notes": task.notes, "due": task.due, "status": task.status.value}


def _task(row: Row[Any]) -> Task:
    return Task(row.task_id, row.owner, row.title, row.notes, row.due, TaskStatus(row.status))
