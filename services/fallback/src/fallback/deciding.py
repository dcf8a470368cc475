"""The part of a replica that decides about the providers for the whole fleet, or stands by to do so."""

import asyncio
from typing import Final

from common import logs, metrics
from common.bus import topology
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.lease import Lease
from fallback.breakers import Breakers
from fallback.control import Control
from fallback.core.thresholds import Thresholds

log = logs.get("lease")

_LEASE: Final = "breakers"


class Deciding:
    """Work beside the calls (`talker.service.Beside`)."""

    def __init__(self, bus: Bus, replica_id: str, limits: Thresholds, facts: FactWriter, nats_replicas: int) -> None:
        self._bus, self._nats_replicas = bus, nats_replicas
        self._control = Control(bus)
        self._lease = Lease(bus, _LEASE, replica_id, _note)
        self._breakers = Breakers(bus, replica_id, limits, lambda: self._lease.is_held, self._control, facts)
        self._is_retired = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled or retired; then another replica may decide at once."""
        await self._breakers.subscribe()
        try:
            async with asyncio.TaskGroup() as parts:
                work = [
                    parts.create_task(each)
                    for each in (
                        topology.ensure(self._bus, self._nats_replicas),
                        self._control.run(),
                        self._lease.run(),
                        self._breakers.run(),
                    )
                ]
                await self._is_retired.wait()
                for task in work:
                    task.cancel()
        finally:
            await self._breakers.stop()
            await self._lease.give_up()

    def retire(self) -> None:
        """This replica ends."""
        self._is_retired.set()


def _note(is_held: bool) -> None:
    metrics.BREAKER_DECIDING.set(is_held)
    log.info("this replica decides" if is_held else "this replica stands by")
