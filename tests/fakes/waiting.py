"""Waiting for a condition instead of for a time."""

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], within_s: float = 20.0) -> None:
    """Return once `condition` is true. Raises `TimeoutError` if it never is: the bound measures nothing."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.005)
