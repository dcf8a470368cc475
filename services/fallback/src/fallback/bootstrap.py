"""The fallback service put together: what exists, in which order it starts and stops."""

from typing import Final

from common import ids, logs
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from fallback.breakers import Breakers
from fallback.control import Control
from fallback.lease import Lease
from fallback.settings import FallbackSettings

log = logs.get("fallback")

_HEARTBEAT_S: Final = 0.2


class Fallback:
    """One replica (`common.lifecycle.Service`)."""

    name = "fallback"

    def __init__(self, settings: FallbackSettings) -> None:
        limits = settings.thresholds()
        self.replica_id = ids.new_id("fallback")
        self._replicas = settings.nats_replicas
        self._bus = Bus(settings.nats_servers, self.replica_id)
        self._facts = FactWriter(self._bus)
        self._control = Control(self._bus)
        self._lease = Lease(self._bus, self.replica_id)
        self._breakers = Breakers(
            self._bus, self.replica_id, limits, lambda: self._lease.is_held, self._control, self._facts
        )
        self._pulse = Pulse(self._bus, "fallback", self.replica_id, self._load, _HEARTBEAT_S)
        self._background = Background()
        self._is_draining = False
        self._has_started = False

    def missing(self) -> str | None:
        """None when it can decide or stand by, else why not."""
        if not self._has_started:
            return "starting"
        if not self._bus.is_connected:
            return "NATS is not connected"
        return self._background.failed()

    async def start(self) -> None:
        """Connect, listen, and stand for the lease."""
        await self._bus.connect()
        await self._facts.start()
        await self._breakers.subscribe()
        for name, work in (
            ("facts", self._facts.run()),
            ("control", self._control.run()),
            ("topology", topology.ensure(self._bus, self._replicas)),
            ("lease", self._lease.run()),
            ("breakers", self._breakers.run()),
            ("heartbeat", self._pulse.run()),
        ):
            self._background.start(name, work)
        self._has_started = True
        log.info("watching the providers", extra=logs.fields(replica=self.replica_id))

    async def drain(self) -> None:
        """Nothing here is anybody's call: let another replica decide."""
        self._is_draining = True

    async def stop(self) -> None:
        """Give the lease up, say farewell, close."""
        await self._background.stop()
        await self._breakers.stop()
        if self._has_started and self._bus.is_connected:
            await self._lease.give_up()
            await self._pulse.farewell()
        await self._bus.close()

    def _load(self) -> Load:
        return Load(0, 0, self._is_draining)


def build(settings: FallbackSettings) -> Fallback:
    """A replica that has not started."""
    return Fallback(settings)
