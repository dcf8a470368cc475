"""The booking desk's tasks in a table at DynamoDB."""

from collections.abc import Awaitable
from datetime import date
from typing import Final, TypeVar

from common import logs
from common.errors import ConfigError, StorageUnavailable
from orchestrator.dynamo.client import Dynamo, Item, NotMet
from orchestrator.tools.task_store import Task, TaskStatus

log = logs.get("tasks")

T = TypeVar("T")

_NONE_YET: Final = "attribute_not_exists(task_id)"
_THERE: Final = "attribute_exists(task_id)"
_READ_AT_MOST: Final = 1_000
"""Of one caller: who has more is shown the next due of these."""


class DynamoTaskStore:
    """A `TaskStore`. Hash key `phone_number` (the owner), range key `task_id`, both strings."""

    def __init__(self, dynamo: Dynamo, table: str) -> None:
        self._dynamo, self._table = dynamo, table

    async def add(self, task: Task) -> None:
        """Keep `task`, once."""
        try:
            await _told(self._dynamo.put(self._table, _item(task), _NONE_YET))
        except NotMet:
            log.debug("a task was added before")

    async def find(self, owner: str, task_id: str) -> Task | None:
        """The task, if it is `owner`'s."""
        item = await _told(self._dynamo.get(self._table, _key(owner, task_id)))
        return None if item is None else _task(item)

    async def tasks_of(self, owner: str, status: TaskStatus | None, limit: int) -> tuple[Task, ...]:
        """By due date, without one last, then by id."""
        items: list[Item] = []
        after: Item | None = None
        while len(items) < _READ_AT_MOST:
            page, after = await _told(self._page(owner, after))
            items += page
            if after is None:
                break
        tasks = [task for item in items if (task := _task(item)) is not None and status in (None, task.status)]
        return tuple(sorted(tasks, key=lambda task: (task.due or date.max, task.task_id))[:limit])

    async def replace(self, task: Task) -> bool:
        """Put `task` in the place of the one with its id and owner."""
        try:
            await _told(self._dynamo.put(self._table, _item(task), _THERE))
        except NotMet:
            return False
        return True

    async def delete(self, owner: str, task_id: str) -> bool:
        """Delete it for good."""
        return await _told(self._dynamo.delete(self._table, _key(owner, task_id)))

    async def _page(self, owner: str, after: Item | None) -> tuple[list[Item], Item | None]:
        start = {"ExclusiveStartKey": after} if after else {}
        return await self._dynamo.query(
            self._table,
            KeyConditionExpression="phone_number = :owner",
            ExpressionAttributeValues={":owner": {"S": owner}},
            **start,
        )


async def _told(asking: Awaitable[T]) -> T:
    """A table that is missing or closed to us is away too for whoever is on the telephone; the operator reads why."""
    try:
        return await asking
    except ConfigError as error:
        log.warning("tasks cannot be kept", extra=logs.fields(why=str(error)))
        raise StorageUnavailable("the table of tasks cannot be used") from error


def _key(owner: str, task_id: str) -> Item:
    return {"phone_number": {"S": owner}, "task_id": {"S": task_id}}


def _item(task: Task) -> Item:
    due: Item = {"due": {"S": task.due.isoformat()}} if task.due is not None else {}
    return {
        **_key(task.owner, task.task_id),
        "title": {"S": task.title},
        "notes": {"S": task.notes},
        "status": {"S": task.status.value},
        **due,
    }


def _task(item: Item) -> Task | None:
    """None for an item that somebody else wrote there, if it is no task."""
    plain = {name: value["S"] for name, value in item.items() if isinstance(value.get("S"), str)}
    try:
        return Task(
            plain["task_id"],
            plain["phone_number"],
            plain["title"],
            plain.get("notes", ""),
            date.fromisoformat(plain["due"]) if "due" in plain else None,
            TaskStatus(plain["status"]),
        )
    except (KeyError, ValueError):
        log.warning("an item in the table of tasks is no task")
        return None
