"""The part of the orchestrator that writes call records."""

import asyncio
from collections.abc import Sequence
from typing import Final

from common import metrics, subjects
from common.bus.connection import Bus
from common.ending import end_tasks
from common.messages.base import decode_as
from common.messages.facts import Fact, UsageReported
from common.messages.instructions import Instructions
from orchestrator.core.cost import PriceTable
from orchestrator.core.record_entries import entries_of, entries_of_instructions
from orchestrator.core.record_vocabulary import Entry, Row, Stamp
from orchestrator.pulling import Pull
from orchestrator.records.keeper import Keeper, Reading
from orchestrator.stores.database import Database

DURABLE: Final = "records"


class Recorder:
    """A `Part`. All replicas share the work; what one has taken and not written, another gets."""

    name = "records"

    def __init__(self, bus: Bus, database: Database, prices: PriceTable) -> None:
        self._prices = prices
        self._keepers: Sequence[Keeper] = (
            Keeper(Pull(bus, subjects.FACTS_STREAM, DURABLE), database, self._fact),
            Keeper(Pull(bus, subjects.INSTRUCTIONS_STREAM, DURABLE), database, _revision),
        )
        self._is_idle = asyncio.Event()
        self._is_running = False

    async def start(self) -> None:
        """Be ready to receive."""
        for keeper in self._keepers:
            await keeper.start()

    async def run(self) -> None:
        """Until drained or cancelled. No `TaskGroup`: it cancels once, which nats-py may lose."""
        self._is_running = True
        keeping = [asyncio.create_task(keeper.run()) for keeper in self._keepers]
        try:
            ended, _ = await asyncio.wait(keeping, return_when=asyncio.FIRST_EXCEPTION)
            for task in ended:
                task.result()
        finally:
            await end_tasks(keeping)
            self._is_idle.set()

    async def drain(self) -> None:
        """Finish the batches in hand."""
        for keeper in self._keepers:
            keeper.retire()
        if self._is_running:
            await self._is_idle.wait()

    async def close(self) -> None:
        """Give back what was received and not written."""
        for keeper in self._keepers:
            await keeper.close()

    def _fact(self, data: bytes, stamp: Stamp) -> Reading:
        fact = decode_as(Fact, data)
        entries = entries_of(fact, stamp, self._prices)
        if isinstance(fact, UsageReported):
            _count_unknown_cost(entries)
        return Reading(fact.type, fact.call_id, entries)


def _revision(data: bytes, stamp: Stamp) -> Reading:
    told = Instructions.decode(data)
    return Reading("instructions", told.call_id, entries_of_instructions(told, stamp.sequence))


def _count_unknown_cost(entries: Sequence[Entry]) -> None:
    if any(isinstance(entry, Row) and entry.values.get("cost_picodollars", 0) is None for entry in entries):
        metrics.COST_UNKNOWN.inc()
