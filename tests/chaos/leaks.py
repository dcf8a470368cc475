"""What is still held once the calls are over, as the servers, the kernel and the members' own gauges count it."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from chaos.rows import Leaks
from chaos.scrape import scrape
from chaos.stack import Level, Stack

LEFT_WITHIN_S: Final = 30.0
"""After this long nothing of the calls may be held any more."""
_GAUGES: Final = ("trunkline_calls_active", "trunkline_service_level_calls")
"""What every member says of its calls: nothing, without any."""


async def settled_level(stack: Stack) -> Level:
    """What is held before the calls, once it has stopped changing."""
    level = await stack.level()
    deadline = time.monotonic() + LEFT_WITHIN_S
    while time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        now = await stack.level()
        if now == level:
            return now
        level = now
    return level


async def leaks(stack: Stack, before: Level) -> Leaks:
    """What is still held that was not before; waits until nothing is, but no longer than `LEFT_WITHIN_S`."""
    deadline = time.monotonic() + LEFT_WITHIN_S
    found = await _held_beyond(stack, before)
    while found.total and time.monotonic() < deadline:
        await asyncio.sleep(0.25)
        found = await _held_beyond(stack, before)
    return found


async def counted(stack: Stack) -> dict[str, float]:
    """The gauges that are not back at zero, by member; waits as long as `leaks`."""
    deadline = time.monotonic() + LEFT_WITHIN_S
    found = await _gauges(stack)
    while found and time.monotonic() < deadline:
        await asyncio.sleep(0.25)
        found = await _gauges(stack)
    return found


async def _gauges(stack: Stack) -> dict[str, float]:
    pages = [(member, await scrape([member])) for member in stack.members]
    found = {f"{member.name} {name}": page.total(name) for member, page in pages for name in _GAUGES}
    return {name: value for name, value in found.items() if value}


async def _held_beyond(stack: Stack, before: Level) -> Leaks:
    now = await stack.level()
    sessions = await stack.openai("GET", "sessions?recognise=0")
    open_files = [count - before.open_files[pid] for pid, count in now.open_files.items() if pid in before.open_files]
    return Leaks(
        sessions=sum(each["closed_monotonic_s"] is None and each["caller_audio"]["count"] > 0 for each in sessions),
        subscriptions=max(0, now.subscriptions - before.subscriptions),
        connections=max(0, now.connections - before.connections),
        open_files=max(0, sum(max(0, more) for more in open_files)),
    )


def still_held(found: Leaks, gauges: Mapping[str, float]) -> list[str]:
    """Each kind that is more than nothing, in words."""
    held = [f"{count} {name.replace('_', ' ')} are still held" for name, count in asdict(found).items() if count]
    return held + [f"{name} is {value:g} after the last call" for name, value in gauges.items()]
