"""The edge put together: what exists, in which order it starts, drains and stops."""

import asyncio
import time
from typing import Final

import uvicorn
from nats.aio.msg import Msg

from common import ids, logs, metrics, subjects
from common.background import Background
from common.bus import topology
from common.bus.batcher import Batcher, tick_s
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from common.http_server import HttpServer, listen
from common.lifecycle import LoopLag
from common.messages.commands import EndReason
from common.messages.heartbeat import Heartbeat
from edge.app import public_app
from edge.calls import Calls
from edge.core.fleet import STALE_AFTER_S, Fleet
from edge.legs.twilio.signature import SignatureCheck
from edge.legs.twilio.streams import TwilioStreams
from edge.legs.twilio.token import TokenMint
from edge.legs.twilio.upgrade import media_upgrades
from edge.legs.twilio.webhooks import TwilioWebhooks
from edge.profiles import load_profiles
from edge.reception import Reception
from edge.records import RecordFile
from edge.registry import Registry
from edge.session import Surroundings
from edge.settings import EdgeSettings

log = logs.get("edge")

HEARTBEAT_EVERY_S: Final = 0.2
_TALKERS_CHECKED_EVERY_S: Final = 0.2


class Edge:
    """One edge process (`common.lifecycle.Service`)."""

    name = "edge"

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self.edge_id = ids.new_id("edge")
        profiles = load_profiles(settings.edge_agent_profiles)
        self._bus = Bus(settings.nats_servers, self.edge_id)
        self._facts = FactWriter(self._bus)
        self._talkers = Fleet()
        self._audio = Batcher(self._bus, "caller", lambda: tick_s(len(self._calls)), self._undelivered)
        registry = Registry(self._bus)
        around = Surroundings(self.edge_id, self._bus, self._facts, self._audio, registry)
        self._calls = Calls(around, self._talkers, RecordFile(settings.edge_call_records))
        self._reception = Reception(self._bus, self._calls, self._talkers, settings.edge_max_calls)
        token = settings.twilio_auth_token.get_secret_value()
        shared_key = settings.twilio_shared_key
        signatures = SignatureCheck(token, shared_key.get_secret_value() if shared_key else None)
        mint = TokenMint(token)
        self._streams = TwilioStreams(settings, signatures, mint, profiles, around, self._calls)
        webhooks = TwilioWebhooks(settings, signatures, mint, profiles, registry, self._reception)
        self._app = public_app(webhooks)
        self._http: HttpServer | None = None
        self._pulse = Pulse(self._bus, "edge", self.edge_id, self._load, HEARTBEAT_EVERY_S)
        self._background = Background()

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
            ("heartbeat", self._pulse.run()),
            ("watching talkers", self._watch_talkers()),
            ("topology", topology.ensure(self._bus)),
        ):
            self._background.start(name, work)

    async def drain(self) -> None:
        """No new calls; wait for the running ones, up to the deadline."""
        self._reception.is_draining = True
        log.info("draining", extra=logs.fields(calls=len(self._calls)))
        try:
            async with asyncio.timeout(self._settings.edge_drain_deadline_s):
                await self._calls.all_ended()
        except TimeoutError:
            log.warning("drain deadline reached", extra=logs.fields(calls=len(self._calls)))

    async def stop(self) -> None:
        """End what still runs, say farewell, close."""
        await self._end_calls()
        if self._http is not None:
            await self._http.stop()
        await self._end_calls()  # a stream may have joined while the others ended
        if self._bus.is_connected:
            await self._facts.settle(1.0)
            await self._pulse.farewell()
        await self._background.stop()
        await self._bus.close()

    async def _end_calls(self) -> None:
        for session in self._calls:
            session.end(EndReason.SHUTDOWN)
        await self._calls.all_ended()

    async def _subscribe(self) -> None:
        await self._facts.start()
        await self._bus.subscribe(subjects.agent_audio(self.edge_id), self._calls.on_agent_audio)
        await self._bus.subscribe(subjects.edge(self.edge_id), self._calls.on_command)
        await self._bus.subscribe(subjects.undelivered_to_any(self.edge_id), self._calls.on_undelivered)
        await self._bus.subscribe(subjects.ALL_FACTS, self._calls.on_fact)
        await self._bus.subscribe(subjects.heartbeats_of("realtime_worker"), self._on_talker_heartbeat)

    def _on_talker_heartbeat(self, message: Msg) -> None:
        heartbeat = Heartbeat.decode(message.data)
        self._talkers.feed(heartbeat, time.monotonic())
        if heartbeat.is_farewell:
            self._calls.talker_gone(heartbeat.process_id)

    def _undelivered(self, subject: str) -> str:
        return subjects.undelivered(self.edge_id, subjects.last_token(subject))

    def _load(self) -> Load:
        return Load(len(self._calls), self._settings.edge_max_calls, self._reception.is_draining)

    async def _watch_talkers(self) -> None:
        """A talker without heartbeats is gone, unless it is the bus or ourselves that were away."""
        while True:
            await asyncio.sleep(_TALKERS_CHECKED_EVERY_S)
            now = time.monotonic()
            if not self._bus.is_connected or now - self._bus.last_event_at < 2 * STALE_AFTER_S or LoopLag.seconds > 0.5:
                continue
            for talker_id in self._talkers.fallen_silent(now):
                log.warning("talker fell silent", extra=logs.fields(talker=talker_id))
                self._calls.talker_gone(talker_id)
