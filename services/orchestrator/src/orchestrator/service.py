"""The orchestrator as a service: start, ready, drain, stop."""

import asyncio
from collections.abc import Sequence
from typing import Final

from common import logs
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from orchestrator.part import Part
from orchestrator.stores.database import Database

log = logs.get("orchestrator")

_HEARTBEAT_S: Final = 0.2
_FACTS_SETTLE_S: Final = 1.0


class OrchestratorService:
    """What `common.lifecycle` runs."""

    name = "orchestrator"

    def __init__(
        self,
        replica_id: str,
        bus: Bus,
        facts: FactWriter,
        database: Database,
        parts: Sequence[Part],
        nats_replicas: int,
        drain_deadline_s: float,
    ) -> None:
        self.replica_id = replica_id
        self._bus, self._facts, self._database = bus, facts, database
        self._parts = tuple(parts)
        self._nats_replicas = nats_replicas
        self._drain_deadline_s = drain_deadline_s
        self._background = Background()
        self._pulse = Pulse(bus, "orchestrator", replica_id, self._load, _HEARTBEAT_S)
        self._has_started = self._is_draining = False

    def missing(self) -> str | None:
        """None when conversations are followed, else why not."""
        if not self._has_started:
            return self._database.missing or "starting"
        if self._is_draining:
            return "draining"
        if not self._bus.is_connected:
            return "NATS is not connected"
        return self._background.failed()

    async def start(self) -> None:
        """Connect, then start every part."""
        await self._bus.connect()
        await self._facts.start()
        self._background.start("facts", self._facts.run())
        self._background.start("topology", topology.ensure(self._bus, self._nats_replicas))
        for part in self._parts:
            await part.start()
            self._background.start(part.name, part.run())
        self._background.start("heartbeat", self._pulse.run())
        self._has_started = True
        log.info("following calls", extra=logs.fields(replica=self.replica_id))

    async def drain(self) -> None:
        """Take nothing new; finish what runs, up to the deadline."""
        self._is_draining = True
        try:
            async with asyncio.timeout(self._drain_deadline_s):
                for part in self._parts:
                    await part.drain()
        except TimeoutError:
            log.warning("work still runs at the drain deadline")

    async def stop(self) -> None:
        """Say farewell, end what still runs, let go of everything."""
        self._is_draining = True
        if self._has_started:
            await self._pulse.farewell()
            await self._facts.settle(_FACTS_SETTLE_S)
        await self._background.stop()
        for part in reversed(self._parts):
            await part.close()
        await self._bus.close()
        await self._database.close()

    def _load(self) -> Load:
        return Load(0, 0, self._is_draining)
