"""The booking desk's tasks in either database: each caller's own, added once, listed in order."""

from datetime import date

import pytest

from orchestrator.stores.database import Database
from orchestrator.stores.tasks import SqlTaskStore
from orchestrator.tools.task_store import Task, TaskStatus

ANN, BEN = "+15550100199", "+15550100198"


@pytest.fixture
def store(database: Database) -> SqlTaskStore:
    """The store."""
    return SqlTaskStore(database)


async def test_a_task_is_added_once_and_found_by_its_owner_only(store: SqlTaskStore) -> None:
    task = Task("t1", ANN, "Table", "Two people", date(2026, 3, 31))
    await store.add(task)
    await store.add(Task("t1", BEN, "Another"))
    assert await store.find(ANN, "t1") == task
    assert await store.find(BEN, "t1") is None
    assert await store.find(ANN, "t2") is None


async def test_tasks_are_listed_by_due_date_those_without_last(store: SqlTaskStore) -> None:
    tasks = [
        Task("t1", ANN, "a"),
        Task("t2", ANN, "b", due=date(2026, 5, 1)),
        Task("t3", ANN, "c", due=date(2026, 4, 1), status=TaskStatus.DONE),
        Task("t4", ANN, "d", due=date(2026, 4, 1)),
        Task("t5", BEN, "e"),
    ]
    for task in tasks:
        await store.add(task)
    assert [task.task_id for task in await store.tasks_of(ANN, None, 50)] == ["t3", "t4", "t2", "t1"]
    assert [task.task_id for task in await store.tasks_of(ANN, TaskStatus.OPEN, 2)] == ["t4", "t2"]


async def test_nobody_changes_or_deletes_what_is_anothers(store: SqlTaskStore) -> None:
    await store.add(Task("t1", ANN, "Table"))
    assert not await store.replace(Task("t1", BEN, "Mine"))
    assert not await store.delete(BEN, "t1")
    assert await store.replace(Task("t1", ANN, "Room", status=TaskStatus.DONE))
    assert await store.find(ANN, "t1") == Task("t1", ANN, "Room", status=TaskStatus.DONE)
    assert await store.delete(ANN, "t1")
    assert not await store.delete(ANN, "t1")
    assert await store.tasks_of(ANN, None, 50) == ()
