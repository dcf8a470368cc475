"""Ending tasks for certain."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from common import ending
from common.ending import end_tasks, unless_cancelled


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


async def _answered() -> str:
    """A library that takes a cancellation for an answer."""
    try:
        return str(await asyncio.Event().wait())
    except asyncio.CancelledError:
        return "answer"


async def _failed() -> str:
    try:
        return str(await asyncio.Event().wait())
    except asyncio.CancelledError as error:
        raise ConnectionError from error


@pytest.mark.parametrize("library", [_answered, _failed])
async def test_a_cancellation_that_was_swallowed_is_raised_all_the_same(library: Callable[[], Awaitable[str]]) -> None:
    task = asyncio.ensure_future(unless_cancelled(library()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()


async def test_a_limit_of_time_that_was_swallowed_is_one_all_the_same() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await unless_cancelled(_answered())


async def test_without_a_cancellation_there_is_the_result_or_the_error() -> None:
    async def fails() -> None:
        raise ConnectionError

    assert await unless_cancelled(asyncio.sleep(0, "answer")) == "answer"
    with pytest.raises(ConnectionError):
        await unless_cancelled(fails())


async def test_what_is_done_after_a_cancellation_comes_to_its_end() -> None:
    async def tidies_up() -> str:
        try:
            return str(await asyncio.Event().wait())
        except asyncio.CancelledError:
            return await unless_cancelled(asyncio.sleep(0, "tidy"))

    task = asyncio.ensure_future(tidies_up())
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "tidy"
