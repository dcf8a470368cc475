"""The booking desk's tasks: both stores keep the same promises."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from common.errors import StorageUnavailable
from fakes.dynamo import DynamoServer, create_table, fill
from orchestrator.dynamo import tasks
from orchestrator.dynamo.client import Dynamo
from orchestrator.dynamo.tasks import DynamoTaskStore
from orchestrator.stores import migrating
from orchestrator.stores.database import Database
from orchestrator.stores.tasks import SqlTaskStore
from orchestrator.tools.task_store import Task, TaskStatus, TaskStore

OURS, THEIRS = "+14155550100", "+14155550199"
WHOLE = Task("t1", OURS, "語 title", "Notes\nof two lines.", date(2026, 12, 1), TaskStatus.DONE)


@pytest.fixture
async def table(dynamo: Dynamo) -> str:
    return await create_table(dynamo, "phone_number", "task_id")


@pytest.fixture(params=["dynamo", "sql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path, dynamo: Dynamo, table: str) -> AsyncIterator[TaskStore]:
    if request.param == "dynamo":
        yield DynamoTaskStore(dynamo, table)
    else:
        database = Database(f"sqlite:///{tmp_path / 'tasks.db'}")
        await migrating.upgrade(database)
        yield SqlTaskStore(database)
        await database.close()


def task(number: int, owner: str = OURS, due: date | None = None, status: TaskStatus = TaskStatus.OPEN) -> Task:
    return Task(f"t{number}", owner, f"Task {number}", "", due, status)


async def test_a_task_is_found_as_it_was_kept_by_its_owner_only(store: TaskStore) -> None:
    bare = Task("t2", OURS, "Title")
    for each in (WHOLE, bare):
        await store.add(each)
    assert [await store.find(OURS, each) for each in ("t1", "t2", "t3")] == [WHOLE, bare, None]
    assert await store.find(THEIRS, "t1") is None


async def test_adding_twice_is_adding_once_and_changes_nothing(store: TaskStore) -> None:
    await store.add(WHOLE)
    await store.add(Task("t1", OURS, "Another title"))
    assert await store.tasks_of(OURS, None, 10) == (WHOLE,)


async def test_tasks_are_listed_by_due_date_those_without_last_then_by_id(store: TaskStore) -> None:
    early, late = date(2026, 1, 2), date(2026, 10, 1)
    for each in (task(5), task(4, due=late), task(1), task(3, due=early), task(2, due=early), task(6, THEIRS)):
        await store.add(each)
    listed = await store.tasks_of(OURS, None, 10)
    assert [each.task_id for each in listed] == ["t2", "t3", "t4", "t1", "t5"]
    assert await store.tasks_of(OURS, None, 2) == listed[:2]
    assert await store.tasks_of("+14155550111", None, 10) == ()


async def test_tasks_of_one_status_are_listed(store: TaskStore) -> None:
    for each in (task(1), task(2, status=TaskStatus.DONE), task(3)):
        await store.add(each)
    assert [each.task_id for each in await store.tasks_of(OURS, TaskStatus.OPEN, 10)] == ["t1", "t3"]
    assert [each.task_id for each in await store.tasks_of(OURS, TaskStatus.DONE, 10)] == ["t2"]


async def test_a_task_is_replaced_by_its_owner_only_and_only_if_it_is_there(store: TaskStore) -> None:
    await store.add(task(1, due=date(2026, 1, 2)))
    changed = Task("t1", OURS, "Changed", "More.", None, TaskStatus.DONE)
    assert await store.replace(changed)
    assert await store.find(OURS, "t1") == changed
    assert not await store.replace(Task("t1", THEIRS, "Mine now"))
    assert not await store.replace(task(2))
    assert await store.find(OURS, "t1") == changed
    assert (await store.tasks_of(THEIRS, None, 10), await store.find(OURS, "t2")) == ((), None)


async def test_a_task_is_deleted_for_good_by_its_owner_only(store: TaskStore) -> None:
    await store.add(task(1))
    assert not await store.delete(THEIRS, "t1")
    assert [await store.delete(OURS, "t1") for _ in range(2)] == [True, False]
    assert await store.find(OURS, "t1") is None


# --- what only a table can do -----------------------------------------------------------------------------------------


async def test_many_tasks_come_in_pages(dynamo: Dynamo, table: str) -> None:
    store = DynamoTaskStore(dynamo, table)
    notes = "n" * 250_000  # a page of DynamoDB holds 1 MB
    for number in range(6):
        await store.add(Task(f"t{number}", OURS, "Title", notes))
    assert [each.task_id for each in await store.tasks_of(OURS, None, 10)] == [f"t{number}" for number in range(6)]


async def test_reading_ends_somewhere(dynamo: Dynamo, table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_READ_AT_MOST", 2)
    store = DynamoTaskStore(dynamo, table)
    for number in range(6):
        await store.add(Task(f"t{number}", OURS, "Title", "n" * 350_000))
    assert 2 <= len(await store.tasks_of(OURS, None, 10)) < 6


async def test_items_that_are_no_tasks_are_passed_over(dynamo: Dynamo, table: str) -> None:
    store = DynamoTaskStore(dynamo, table)
    good = {"phone_number": OURS, "task_id": "t9", "title": "Good", "status": "open"}
    await fill(
        dynamo,
        table,
        good,
        {**good, "task_id": "t1", "status": "lost"},
        {**good, "task_id": "t2", "due": "soon"},
        {**good, "task_id": "t3", "title": 7},
        {"phone_number": OURS, "task_id": "t4"},
    )
    assert await store.tasks_of(OURS, None, 10) == (Task("t9", OURS, "Good"),)
    assert await store.find(OURS, "t1") is None


async def test_a_table_that_is_missing_or_away_is_storage_that_is_away(
    dynamo: Dynamo, dynamo_server: DynamoServer
) -> None:
    store = DynamoTaskStore(dynamo, "nowhere")
    for asking in (
        store.add(task(1)),
        store.find(OURS, "t1"),
        store.tasks_of(OURS, None, 10),
        store.replace(task(1)),
        store.delete(OURS, "t1"),
    ):
        with pytest.raises(StorageUnavailable, match="cannot be used"):
            await asking
    dynamo_server.stop()
    try:
        with pytest.raises(StorageUnavailable):
            await store.find(OURS, "t1")
    finally:
        dynamo_server.start()
