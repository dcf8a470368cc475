"""The example pack: a booking desk that keeps a caller's tasks, under the number they call from."""

import hashlib
import re
from datetime import date
from typing import Annotated, Any, Final

from pydantic import Field

from orchestrator.tools.context import Resource, ToolContext
from orchestrator.tools.declaring import tool
from orchestrator.tools.task_store import LISTED_AT_MOST, NOTES_AT_MOST, TITLE_AT_MOST, Task, TaskStatus, TaskStore
from orchestrator.tools.tool import ToolError

TASKS: Final = Resource[TaskStore]("tasks")

Title = Annotated[str, Field(min_length=1, max_length=TITLE_AT_MOST)]
Notes = Annotated[str, Field(max_length=NOTES_AT_MOST)]
TaskId = Annotated[str, Field(pattern=r"^t[0-9a-f]{12}$")]

_E164: Final = re.compile(r"\+[1-9]\d{6,14}")


@tool("read")
async def list_tasks(context: ToolContext, status: TaskStatus | None = None) -> list[dict[str, Any]]:
    """Lists the caller's own tasks, the next due first.

    Args:
        status: Only those of this status; all if left out.
    """
    tasks = await context.resource(TASKS).tasks_of(await _owner(context), status, LISTED_AT_MOST)
    return [_shown(task) for task in tasks]


@tool("write", per_call=10)
async def create_task(context: ToolContext, title: Title, notes: Notes = "", due: date | None = None) -> dict[str, Any]:
    """Makes a new task for the caller.

    Args:
        title: What is to be done, in a few words.
        notes: Everything else worth keeping.
        due: The day it is due, as 2026-03-31.
    """
    task = Task(_id(context), await _owner(context), title, notes, due)
    await context.resource(TASKS).add(task)
    return _shown(task)


@tool("read")
async def get_task(context: ToolContext, task_id: TaskId) -> dict[str, Any]:
    """Tells everything about one of the caller's tasks.

    Args:
        task_id: As list_tasks tells it.
    """
    return _shown(await _own(context, task_id))


@tool("write", per_call=10)
async def update_task(
    context: ToolContext,
    task_id: TaskId,
    title: Title | None = None,
    notes: Notes | None = None,
    due: date | None = None,
    status: TaskStatus | None = None,
) -> dict[str, Any]:
    """Changes one of the caller's tasks. What is left out stays as it is.

    Args:
        task_id: As list_tasks tells it.
        title: What is to be done, in a few words.
        notes: Replaces the notes.
        due: The new day, as 2026-03-31.
        status: done once it is done.
    """
    before = await _own(context, task_id)
    after = Task(
        before.task_id,
        before.owner,
        before.title if title is None else title,
        before.notes if notes is None else notes,
        before.due if due is None else due,
        before.status if status is None else status,
    )
    if not await context.resource(TASKS).replace(after):
        raise _no_such_task()
    return _shown(after)


@tool("write", confirm=True)
async def delete_task(context: ToolContext, task_id: TaskId) -> dict[str, Any]:
    """Deletes one of the caller's tasks for good.

    Args:
        task_id: As list_tasks tells it.
    """
    if not await context.resource(TASKS).delete(await _owner(context), task_id):
        raise _no_such_task()
    return {"deleted": task_id}


async def _own(context: ToolContext, task_id: str) -> Task:
    task = await context.resource(TASKS).find(await _owner(context), task_id)
    if task is None:
        raise _no_such_task()
    return task


async def _owner(context: ToolContext) -> str:
    number = await context.caller_number()
    if not _E164.fullmatch(number):
        raise ToolError("The caller's number is withheld, and tasks are kept by number. Offer a human instead.")
    return number


def _id(context: ToolContext) -> str:
    """Made of the request, so that the same request never makes two."""
    return f"t{hashlib.sha256(context.idempotency_key.encode()).hexdigest()[:12]}"


def _no_such_task() -> ToolError:
    return ToolError("This caller has no such task. list_tasks tells which there are.")


def _shown(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.task_id,
        "title": task.title,
        "notes": task.notes,
        "due": task.due.isoformat() if task.due else None,
        "status": task.status.value,
    }
