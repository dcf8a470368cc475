"""Ending tasks for certain."""

import asyncio

from common import ending
from common.ending import end_tasks


async def test_a_task_that_swallows_a_cancellation_is_asked_again() -> None:
    asked = 0

    async def stubborn() -> None:
        nonlocal asked
        while asked < 3:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                asked += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    patience, ending._ASK_AGAIN_S = ending._ASK_AGAIN_S, 0.001  # type: ignore[misc]
    try:
        await end_tasks([task])
    finally:
        ending._ASK_AGAIN_S = patience  # type: ignore[misc]
    assert task.done()
    assert asked == 3


async def test_tasks_that_end_with_an_error_or_have_ended_already_are_no_trouble() -> None:
    async def fails() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError

    async def ends() -> None:
        return

    tasks = [asyncio.create_task(fails()), asyncio.create_task(ends())]
    await asyncio.sleep(0)
    await end_tasks(tasks)
    await end_tasks([])
    assert all(task.done() for task in tasks)
