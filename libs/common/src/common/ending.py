"""Ending tasks for certain: some libraries swallow a cancellation, so it is asked again until they have ended."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final, TypeVar

_ASK_AGAIN_S: Final = 0.2

T = TypeVar("T")


async def end_tasks(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel `tasks` and return once every one has ended, however it ended.

    `asyncio.wait_for` of Python 3.11, which nats-py waits with, loses a cancellation that arrives with a result.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        ended, running = await asyncio.wait(running, timeout=_ASK_AGAIN_S)
        for task in ended:
            _ = task.cancelled() or task.exception()  # looked at, so that asyncio does not complain of it later


async def unless_cancelled(work: Awaitable[T]) -> T:
    """What `work` comes to; a cancellation of this task that arrived meanwhile and was swallowed is raised instead.

    A `TaskGroup` or `asyncio.timeout` asks only once: without this, whoever waits for the task may wait for ever.
    """
    task = asyncio.current_task()
    assert task is not None  # nothing can be awaited outside of one
    asked_before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > asked_before:
            raise asyncio.CancelledError
