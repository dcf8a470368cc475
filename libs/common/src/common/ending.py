"""Ending tasks for certain: some libraries swallow a cancellation, so it is asked again until they have ended."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

_ASK_AGAIN_S: Final = 0.2


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
