"""Watches one call until it is over."""

import asyncio
from typing import Final

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.messages.base import decode_as
from common.messages.facts import AnyFact, CallEnded, Fact
from trunkline.demo.timeline import line_of_fact
from trunkline.fleet.recorded_calls import printable
from trunkline.output import Output

_PERSONAL: Final = {"caller_number", "dialled_number"}


class CallWatch:
    """The facts of one call as they happen. `start`, then `show`."""

    def __init__(self, bus: Bus, call_id: str) -> None:
        self._bus, self._call_id = bus, call_id
        self._facts: asyncio.Queue[AnyFact] = asyncio.Queue()
        self._seen: set[str] = set()

    async def start(self) -> None:
        """Listen from now on."""
        await self._bus.subscribe(subjects.fact(self._call_id), self._hear)

    async def show(self, output: Output) -> None:
        """Print each fact; return after the last."""
        while True:
            fact = await self._facts.get()
            output.event("fact", fact.model_dump(mode="json", exclude={"version", *_PERSONAL}))
            if line := line_of_fact(fact):
                output.say(printable(f"{line.at_ms / 1_000:>9.1f} s  {line.actor}: {line.text}"))
            if isinstance(fact, CallEnded):
                return

    def _hear(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if fact.fact_id not in self._seen and fact.call_id == self._call_id:
            self._seen.add(fact.fact_id)
            self._facts.put_nowait(fact)
