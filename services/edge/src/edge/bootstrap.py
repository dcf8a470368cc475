"""The edge put together: what exists, in which order it starts, drains and stops."""

import asyncio
import time
from collections.abc import Set
from typing import Final

import uvicorn

from common import ids, lifecycle, logs, metrics, subjects
from common.background import Background
from common.bus import topology
from common.bus.batcher import Batcher, tick_s
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from common.http_server import HttpServer, listen
from common.messages.commands import CatchUp, Drain, EndReason
from common.profile_watch import ProfileWatch
from common.subjects import Pool
from edge.app import public_app
from edge.call import Surroundings
from edge.calls import Calls
from edge.core.neighbours import Neighbours
from edge.flag_watch import FlagWatch
from edge.legs.twilio.dials import TwilioDials
from edge.legs.twilio.forms import TwilioForms
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.streams import TwilioStreams
from edge.legs.twilio.token import TokenMint
from edge.legs.twilio.upgrade import media_upgrades
from edge.legs.twilio.webhooks import TwilioWebhooks
from edge.orphans import Orphans
from edge.reattachment import Reattachment
from edge.reception import Reception
from edge.records import RecordFile
from edge.registry import Registry
from edge.rescue import Rescue
from edge.settings import EdgeSettings
from edge.transfers import Transfers
from edge.watch import TalkerWatch

log = logs.get("edge")

HEARTBEAT_EVERY_S: Final = 0.2
_OTHERS_HEARD_WITHIN_S: Final = 0.5
"""By then edges that drain at the same moment have said so."""


class Edge:
    """One edge process (`common.lifecycle.Service`)."""

    name = "edge"

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self.edge_id = ids.new_id("edge")
        self._profiles = ProfileWatch(settings.edge_agent_profiles, "EDGE_AGENT_PROFILES")
        self._bus = Bus(settings.nats_servers, self.edge_id)
        self._facts = FactWriter(self._bus)
        self._audio = Batcher(self._bus, "caller", lambda: tick_s(len(self._calls)), self._undelivered)
        self._flags = FlagWatch(self._bus, settings.first_flags)
        self._registry = Registry(self._bus, self.edge_id, self._has, self._lost_call)
        around = Surroundings(
            self.edge_id,
            self._bus,
            self._facts,
            self._audio,
            self._registry,
            settings.edge_reattach_within_s,
            self._is_held,
            self._missed_since,
            self._choose_talker,
            self._pool_of,
            self._takes_calls,
            self._flags.home_of,
            self._flags.is_fallback_enabled,
        )
        self._is_fallback_enabled = around.is_fallback_enabled
        records = RecordFile(settings.edge_call_records, self._registry.recorded)
        self._calls = Calls(around, records, self._on_drain)
        self._neighbours = Neighbours(self.edge_id)
        self._rescue = Rescue(settings, self._registry) if settings.edge_rest_rescue else None
        on_orphan = self._rescue.on_orphan if self._rescue else None
        self._orphans = Orphans(around, self._calls, records, self._neighbours, on_orphan)
        self._reattachment = Reattachment(around, self._calls, self._neighbours)
        self._talkers = TalkerWatch(self._bus, self.edge_id, self._calls)
        self._reception = Reception(
            self._bus, self._calls, self._free_slots, self._is_room_elsewhere, settings.edge_max_calls
        )
        token = settings.twilio_auth_token.get_secret_value()
        shared_key = settings.twilio_shared_key
        signatures = SignatureCheck(token, shared_key.get_secret_value() if shared_key else None)
        mint = TokenMint(token)
        self._streams = TwilioStreams(
            settings, signatures, mint, self._profiles, around, self._calls, self._reattachment
        )
        transfers = Transfers(around, self._calls, self._orphans)
        forms = TwilioForms(settings, signatures)
        webhooks = TwilioWebhooks(settings, forms, mint, self._profiles, around, self._reception, transfers)
        dials = TwilioDials(forms, webhooks, transfers)
        self._app = public_app(webhooks.routes(), dials.routes())
        self._http: HttpServer | None = None
        self._pulse = Pulse(self._bus, "edge", self.edge_id, self._load, HEARTBEAT_EVERY_S)
        self._background = Background()
        self._moves_calls = settings.edge_drain_moves_calls
        self._bus.on_away(self._calls.bus_lost)
        self._bus.on_back(self._on_bus_back)

    def missing(self) -> str | None:
        """What keeps this edge from taking calls, in words."""
        if self._http is None:
            return "starting"
        if not self._bus.is_connected:
            return "NATS is not connected"
        return self._background.failed()

    async def start(self) -> None:
        """Answer callers first, if only with a sentence; then connect the bus, however long that takes."""
        config = uvicorn.Config(
            self._app,
            ws=media_upgrades(self._streams.admit),  # type: ignore[arg-type]  # uvicorn takes any protocol factory
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_keep_alive=65,
        )
        listener = listen(self._settings.edge_host, self._settings.edge_port, "EDGE_PORT", share=True)
        self._http = HttpServer(config, listener)
        await self._http.start()
        log.info("answering", extra=logs.fields(port=self._http.port, edge=self.edge_id))
        metrics.CALL_SLOTS.labels("edge").set(self._settings.edge_max_calls)
        await self._bus.connect()
        await self._subscribe()
        for name, work in (
            ("audio", self._audio.run()),
            ("facts", self._facts.run()),
            ("registry", self._registry.run()),
            ("heartbeat", self._pulse.run()),
            ("watching talkers", self._talkers.run()),
            ("orphans", self._orphans.run()),
            ("flags", self._flags.run()),
            ("agent profiles", self._profiles.run()),
            ("topology", topology.ensure(self._bus, self._settings.nats_replicas)),
        ):
            self._background.start(name, work)
        if self._rescue is not None:
            self._background.start("rescue", self._rescue.run())

    async def drain(self) -> None:
        """No new calls; wait for the running ones, or give them to other edges, up to the deadline."""
        self._reception.is_draining = True
        log.info("draining", extra=logs.fields(calls=len(self._calls), moves=self._moves_calls))
        try:
            async with asyncio.timeout(self._settings.edge_drain_deadline_s):
                await asyncio.sleep(_OTHERS_HEARD_WITHIN_S)
                self._step_aside()
                if self._moves_calls and self._is_room_elsewhere():
                    self._calls.move_away()
                await self._calls.all_ended()
        except TimeoutError:
            log.warning("drain deadline reached", extra=logs.fields(calls=len(self._calls)))

    def _step_aside(self) -> None:
        """Let the other edges answer the carrier, if there are any that do not drain as well."""
        if self._is_room_elsewhere() and self._http is not None:
            log.info("leaving the public port to other edges")
            self._http.stop_listening()

    def _is_room_elsewhere(self) -> bool:
        return self._neighbours.is_room_elsewhere(time.monotonic())

    async def stop(self) -> None:
        """End what still runs, say farewell, close."""
        self._step_aside()
        await self._end_calls()
        if self._http is not None:
            await self._http.stop()
        await self._end_calls()  # a stream may have joined while the others ended
        if self._bus.is_connected:
            await self._facts.settle(1.0)
            await self._registry.settle(1.0)
            await self._pulse.farewell()
        await self._reattachment.stop()
        await self._background.stop()
        await self._bus.close()

    async def _end_calls(self) -> None:
        """Another edge goes on with them when the carrier comes back for them; without any, this is their end."""
        reason = EndReason.MOVED if self._is_room_elsewhere() else EndReason.SHUTDOWN
        for session in self._calls:
            session.end(reason)
        await self._calls.all_ended()

    async def _subscribe(self) -> None:
        await self._facts.start()
        await self._bus.subscribe(subjects.agent_audio(self.edge_id), self._calls.on_agent_audio)
        await self._bus.subscribe(subjects.edge(self.edge_id), self._calls.on_command)
        await self._bus.subscribe(subjects.ALL_EDGES, self._calls.on_question)
        await self._bus.subscribe(subjects.ALL_FACTS, self._calls.on_fact)
        await self._bus.subscribe(subjects.ALL_INSTRUCTIONS, self._calls.on_instructions)
        await self._bus.subscribe(subjects.heartbeats_of("edge"), self._orphans.on_heartbeat)
        await self._reattachment.subscribe()
        await self._talkers.subscribe()

    def _is_held(self, talker_id: str) -> bool:
        return self._talkers.is_held(talker_id)

    def _missed_since(self, talker_id: str) -> float | None:
        return self._talkers.missed_since(talker_id)

    def _choose_talker(self, pool: Pool, without: Set[str]) -> str | None:
        return self._talkers.choose(pool, without)

    def _pool_of(self, talker_id: str) -> Pool | None:
        return self._talkers.pool_of(talker_id)

    def _takes_calls(self, pool: Pool) -> bool:
        return self._talkers.takes_calls(pool)

    def _free_slots(self) -> int:
        """Either pool can serve a new call."""
        in_fallback = self._talkers.free_slots("fallback") if self._is_fallback_enabled() else 0
        return self._talkers.free_slots("realtime") + in_fallback

    def _has(self, call_id: str) -> bool:
        return self._calls.get(call_id) is not None

    def _lost_call(self, call_id: str) -> None:
        """Another edge has taken the call, and its talker: what is here must fall silent."""
        if (session := self._calls.get(call_id)) is not None:
            log.warning("another edge has taken a call", extra=logs.fields(call=call_id))
            session.moved()

    def _on_drain(self, drain: Drain) -> None:
        self._moves_calls = self._moves_calls or drain.moves_calls
        lifecycle.begin_drain()

    def _on_bus_back(self, gap_s: float) -> None:
        """Ask the talkers for what was lost, give them what they have missed, read the facts that passed us by."""
        self._calls.bus_back(gap_s)
        for session in self._calls:
            self._reattachment.complete(session)
        catch_up = CatchUp(edge_id=self.edge_id, for_s=min(60.0, gap_s))
        self._background.start("catching up", self._publish_catch_up(catch_up))

    async def _publish_catch_up(self, catch_up: CatchUp) -> None:
        await self._bus.publish(subjects.ALL_TALKERS, catch_up.encode())

    def _undelivered(self, subject: str) -> str:
        return subjects.undelivered(self.edge_id, subjects.last_token(subject))

    def _load(self) -> Load:
        return Load(len(self._calls), self._settings.edge_max_calls, self._reception.is_draining)
