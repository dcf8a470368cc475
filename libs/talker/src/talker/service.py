"""A service that talks: start, ready, drain, stop."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

from common import logs, subjects
from common.background import Background
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from common.errors import DeadlineExceeded, UpstreamUnavailable
from common.messages.commands import ReplayCaller
from common.subjects import Pool, ProcessKind
from talker.core.caller_audio import DOUBT_S
from talker.outcomes import Outcomes
from talker.switchboard import Switchboard

log = logs.get("worker")

_HEARTBEAT_S: Final = 0.1
_FACTS_SETTLE_S: Final = 1.0
_REPLAY_WITHIN_S: Final = DOUBT_S / 5
_REPLAY_TRIES: Final = 5


class Beside(Protocol):
    """What a service does beside its calls, such as keeping sessions warm."""

    async def run(self) -> None:
        """Until cancelled or retired."""
        ...

    def retire(self) -> None:
        """No more calls will come."""
        ...


class TalkerService:
    """What `common.lifecycle` runs."""

    def __init__(
        self,
        talker_id: str,
        kind: ProcessKind,
        pool: Pool,
        bus: Bus,
        switchboard: Switchboard,
        batcher: Batcher,
        facts: FactWriter,
        outcomes: Outcomes,
        beside: Mapping[str, Beside],
        drain_deadline_s: float,
    ) -> None:
        """`beside`: further work by its name, run as long as the service does."""
        self.name: str = kind
        self.talker_id = talker_id
        self._pool = pool
        self._bus = bus
        self._switchboard = switchboard
        self._batcher = batcher
        self._facts = facts
        self._outcomes = outcomes
        self._beside = beside
        self._drain_deadline_s = drain_deadline_s
        self._pulse = Pulse(bus, kind, talker_id, self._load, _HEARTBEAT_S)
        self._heartbeat = Background()
        self._background = Background()
        self._has_started = False
        self._stop_offers: list[Callable[[], Awaitable[None]]] = []
        bus.on_back(self._on_bus_back)

    def missing(self) -> str | None:
        """None when offers are taken, else why not."""
        if not self._has_started:
            return "starting"
        if self._switchboard.slots.is_draining:
            return "draining"
        if not self._bus.is_connected:
            return "NATS is not connected"
        return self._background.failed() or self._heartbeat.failed()

    async def start(self) -> None:
        """Connect and take offers."""
        await self._bus.connect()
        await self._facts.start()
        for name, work in (
            ("audio", self._batcher.run()),
            ("facts", self._facts.run()),
            ("outcomes", self._outcomes.run()),
            *((name, each.run()) for name, each in self._beside.items()),
        ):
            self._background.start(name, work)
        await self._bus.subscribe(subjects.caller_audio(self.talker_id), self._switchboard.on_caller_audio)
        await self._bus.subscribe(subjects.talker(self.talker_id), self._switchboard.on_command)
        await self._bus.subscribe(subjects.ALL_TALKERS, self._switchboard.on_question)
        on_offer = self._switchboard.on_offer
        self._stop_offers = [
            await self._bus.subscribe(subjects.offer_to(self._pool, self.talker_id), on_offer),
            await self._bus.subscribe(subjects.offer(self._pool), on_offer, queue=self._pool),
        ]
        # Last, and over the same connection: whoever hears us can offer us a call.
        self._heartbeat.start("heartbeat", self._pulse.run())
        self._has_started = True
        log.info("taking calls", extra=logs.fields(talker=self.talker_id))

    async def drain(self) -> None:
        """Take no new offers, have every call taken over; return when none runs, or the deadline has come."""
        self._switchboard.slots.is_draining = True
        await asyncio.sleep(0)  # calls accepted a moment ago still take their warm session
        self._retire()
        stop_taking, self._stop_offers = self._stop_offers, []
        for stop_offers in stop_taking:
            await stop_offers()
        try:
            async with asyncio.timeout(self._drain_deadline_s):
                await self._switchboard.hand_over()
        except TimeoutError:
            log.warning("calls still run at the drain deadline", extra=logs.fields(calls=len(self._switchboard.slots)))

    async def stop(self) -> None:
        """Say farewell, so that no edge has to find out by itself, then end what still runs."""
        self._switchboard.slots.is_draining = True
        self._retire()
        await self._heartbeat.stop()
        if self._has_started:
            await self._pulse.farewell()
        await self._switchboard.close()
        if self._has_started:
            await self._facts.settle(_FACTS_SETTLE_S)
        await self._background.stop()
        await self._bus.close()

    def _on_bus_back(self, gap_s: float) -> None:
        """What callers said meanwhile was sent to nobody: no edge need know of it, if only our server was at fault."""
        for edge_id in self._switchboard.on_bus_back():
            self._background.start("catching up", self._ask_for_replay(edge_id, time.monotonic() - gap_s))

    async def _ask_for_replay(self, edge_id: str, since: float) -> None:
        """Until the edge has heard it, or the calls wait no longer: the edge may be away at the same time."""
        for _ in range(_REPLAY_TRIES):
            order = ReplayCaller(talker_id=self.talker_id, for_s=min(60.0, time.monotonic() - since))
            try:
                await self._bus.request(subjects.edge(edge_id), order.encode(), _REPLAY_WITHIN_S)
                return
            except DeadlineExceeded:
                continue
            except UpstreamUnavailable:
                await asyncio.sleep(_REPLAY_WITHIN_S)

    def _retire(self) -> None:
        for each in self._beside.values():
            each.retire()

    def _load(self) -> Load:
        slots = self._switchboard.slots
        return Load(len(slots), slots.offered, slots.is_draining)
