"""What lets a call sleep until its cores want a tick, however often they change their minds meanwhile."""

import asyncio
import math
import time


class Sleeper:
    """`sleep_until` the next deadline; `wake` when something has happened, `wake_by` when a deadline came nearer."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._until = -math.inf

    async def sleep_until(self, deadline: float) -> None:
        """Return at `deadline` (monotonic seconds; infinity: never), or as soon as woken from now on."""
        self._rung.clear()
        self._until = deadline
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._rung.wait()
        except TimeoutError:
            pass
        self._until = -math.inf

    def wake(self) -> None:
        """End the sleep, if there is one."""
        self._rung.set()

    def wake_by(self, deadline: float) -> None:
        """End a sleep that would last beyond `deadline`: the sleeper then looks anew."""
        if deadline < self._until:
            self.wake()
