"""What is told of tests that wait for ever."""

import asyncio

from waiting_tasks import describe


async def _step(may_go_on: asyncio.Event) -> None:
    await may_go_on.wait()


async def _walk(may_go_on: asyncio.Event) -> None:
    await _step(may_go_on)


async def test_a_task_is_told_with_every_await_down_to_what_it_waits_for() -> None:
    may_go_on = asyncio.Event()
    task = asyncio.create_task(_walk(may_go_on), name="the walk")
    await asyncio.sleep(0)
    _, _, told = describe().partition("the walk")
    places = [line.rpartition(" ")[2] for line in told.splitlines()[1:4]]
    assert places == ["_walk", "_step", "Event.wait"]
    may_go_on.set()
    await task
    assert "the walk" not in describe()


async def test_a_task_that_does_not_end_when_asked_is_told_as_such() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    task = asyncio.create_task(stubborn(), name="the stubborn one")
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert "the stubborn one, asked 1 times to end" in describe()
    task.cancel()
    await asyncio.wait({task})
