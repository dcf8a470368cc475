"""Where the booking desk keeps callers' tasks: the contract of every store."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol

TITLE_AT_MOST: Final = 200
NOTES_AT_MOST: Final = 2_000
LISTED_AT_MOST: Final = 50


class TaskStatus(StrEnum):
    """How far a task is."""

    OPEN = "open"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Task:
    """One task of one caller."""

    task_id: str
    owner: str
    """The caller's number in E.164; nobody else ever sees or changes the task."""
    title: str
    notes: str = ""
    due: date | None = None
    status: TaskStatus = TaskStatus.OPEN


class TaskStore(Protocol):
    """Every method raises `StorageUnavailable` while the store is away. Ids are unique over all owners.

    What a caller deletes is gone: there is no bin, so that deleting on request means what it says.
    """

    async def add(self, task: Task) -> None:
        """Keep `task`. With an id that is kept already nothing happens: adding twice is adding once."""
        ...

    async def find(self, owner: str, task_id: str) -> Task | None:
        """The task, if it is `owner`'s."""
        ...

    async def tasks_of(self, owner: str, status: TaskStatus | None, limit: int) -> tuple[Task, ...]:
        """At most `limit` tasks of `owner`, those of one status or all: by due date, without one last, then by id."""
        ...

    async def replace(self, task: Task) -> bool:
        """Put `task` in the place of the one with its id and owner. False if there is none."""
        ...

    async def delete(self, owner: str, task_id: str) -> bool:
        """Delete it for good. False if `owner` has no such task."""
        ...
