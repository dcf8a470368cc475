"""A call sleeps until its next deadline, no longer, and not past one that came nearer."""

import asyncio
import math
import time

from edge.sleeper import Sleeper


async def test_a_sleep_ends_at_its_deadline_even_if_that_has_passed() -> None:
    await asyncio.wait_for(Sleeper().sleep_until(time.monotonic() - 1.0), 1.0)


async def test_a_sleep_without_deadline_lasts_until_something_happens() -> None:
    sleeper = Sleeper()
    sleep = asyncio.create_task(sleeper.sleep_until(math.inf))
    await asyncio.sleep(0)
    assert not sleep.done()
    sleeper.wake()
    await asyncio.wait_for(sleep, 1.0)


async def test_only_a_deadline_before_the_end_of_the_sleep_ends_it() -> None:
    sleeper = Sleeper()
    until = time.monotonic() + 60.0
    sleep = asyncio.create_task(sleeper.sleep_until(until))
    await asyncio.sleep(0)
    sleeper.wake_by(until + 1.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sleep.done()
    sleeper.wake_by(until - 1.0)
    await asyncio.wait_for(sleep, 1.0)


async def test_what_happened_before_a_sleep_does_not_shorten_it() -> None:
    sleeper = Sleeper()
    sleeper.wake()
    sleep = asyncio.create_task(sleeper.sleep_until(math.inf))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sleep.done()
    sleeper.wake()
    await asyncio.wait_for(sleep, 1.0)
