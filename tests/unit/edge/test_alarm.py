"""A call sleeps until its next deadline, no longer, and not past one that came nearer."""

import asyncio
import math
import time

from edge.alarm import Alarm


async def test_a_sleep_ends_at_its_deadline_even_if_that_has_passed() -> None:
    await asyncio.wait_for(Alarm().sleep_until(time.monotonic() - 1.0), 1.0)


async def test_a_sleep_without_deadline_lasts_until_something_happens() -> None:
    alarm = Alarm()
    sleep = asyncio.create_task(alarm.sleep_until(math.inf))
    await asyncio.sleep(0)
    assert not sleep.done()
    alarm.wake()
    await asyncio.wait_for(sleep, 1.0)


async def test_only_a_deadline_before_the_end_of_the_sleep_ends_it() -> None:
    alarm = Alarm()
    until = time.monotonic() + 60.0
    sleep = asyncio.create_task(alarm.sleep_until(until))
    await asyncio.sleep(0)
    alarm.wake_by(until + 1.0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sleep.done()
    alarm.wake_by(until - 1.0)
    await asyncio.wait_for(sleep, 1.0)


async def test_what_happened_before_a_sleep_does_not_shorten_it() -> None:
    alarm = Alarm()
    alarm.wake()
    sleep = asyncio.create_task(alarm.sleep_until(math.inf))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not sleep.done()
    alarm.wake()
    await asyncio.wait_for(sleep, 1.0)
