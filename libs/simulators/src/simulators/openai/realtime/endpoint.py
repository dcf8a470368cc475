"""`WS /v1/realtime`: who may open a session, and which handshake faults meet them."""

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
from aiohttp import WSMsgType, web

from simulators.openai.faults.book import Entry, FaultBook, Subject, meets_running
from simulators.openai.faults.kinds import BlackHole, ConnectDelay, Fault, RefuseUpgrade
from simulators.openai.realtime.connection import Connection
from simulators.openai.realtime.refusals import Refusal
from simulators.openai.realtime.session import RealtimeSession
from simulators.openai.realtime.world import World

MAX_MESSAGE_BYTES: Final = 24 * 1024 * 1024
"""An append of 15 MiB is 20 MiB of base64."""
CLOSE_TIMEOUT_S: Final = 2.0
_BEARER: Final = "Bearer "
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Visit:
    """One session with its connection; stays in the record after the end."""

    subject: Subject
    connection: Connection


@dataclass(slots=True)
class RealtimeEndpoint:
    """Handles the upgrade and keeps the sessions of this process."""

    world: World
    faults: FaultBook
    visits: list[Visit] = field(default_factory=list)
    _count: int = 0

    @property
    def running(self) -> Iterator[Visit]:
        """Sessions whose socket is open."""
        return (visit for visit in self.visits if visit.connection.life.closed_monotonic_s is None)

    def set_fault(self, fault: Fault) -> tuple[Entry, list[str]]:
        """Set a fault and arm the running sessions it meets; their ids."""
        entry = self.faults.add(fault)
        met = [visit for visit in self.running if meets_running(fault, visit.subject)]
        for visit in met:
            visit.connection.feed(entry)
        return entry, [visit.subject.session_id for visit in met]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client from the upgrade to the close."""
        refused = _refusal_by_http(request)
        if refused is not None:
            return refused
        self._count += 1
        key = request.headers["Authorization"].removeprefix(_BEARER)
        session_id = f"sess_{secrets.token_hex(6)}"
        subject = Subject(self._count, session_id, key, request.query.get("model", ""))
        refused = await self._meet_handshake_faults(subject)
        if refused is not None:
            return refused
        socket = web.WebSocketResponse(
            timeout=CLOSE_TIMEOUT_S, autoping=False, compress=False, max_msg_size=MAX_MESSAGE_BYTES
        )
        await socket.prepare(request)
        if await self._turned_away(socket, subject):
            return socket
        await self._serve(socket, request, subject)
        return socket

    async def _serve(self, socket: web.WebSocketResponse, request: web.Request, subject: Subject) -> None:
        expires_at = int(time.time() + self.world.script.account.max_session_s)
        session = RealtimeSession(self.world, subject, expires_at)
        visit = Visit(subject, Connection(socket, request, session))
        self.visits.append(visit)
        log.info("session %s opened, model %s", subject.session_id, subject.model)
        try:
            await visit.connection.run(self.faults.of_new_session(subject))
        finally:
            log.info("session %s closed with %s", subject.session_id, visit.connection.life.close_code)

    async def _meet_handshake_faults(self, subject: Subject) -> web.Response | None:
        for entry in self.faults.handshake(subject):
            if not entry.use():
                continue
            match entry.fault:
                case ConnectDelay(ms=ms):
                    await asyncio.sleep(ms / 1000)
                case RefuseUpgrade(status=status):
                    return _error(status, "The server is overloaded or not ready yet.", None)
                case BlackHole():
                    await asyncio.Event().wait()
        return None

    async def _turned_away(self, socket: web.WebSocketResponse, subject: Subject) -> bool:
        """A bad key or no model is told after the upgrade: an error event, then a close."""
        if subject.key in self.world.script.account.bad_keys:
            refusal = Refusal("invalid_api_key", "Incorrect API key provided.")
            code = 3000
        elif not subject.model:
            refusal = Refusal("missing_model", "You must provide a model parameter.")
            code = 4000
        else:
            return False
        event = {"event_id": f"event_{secrets.token_hex(8)}", **refusal.event(None)}
        await socket.send_frame(msgspec.json.encode(event), WSMsgType.TEXT)
        await socket.close(code=code, message=f"invalid_request_error.{refusal.code}".encode())
        return True


def _refusal_by_http(request: web.Request) -> web.Response | None:
    """What never becomes a WebSocket."""
    authorization = request.headers.get("Authorization", "")
    if not authorization.startswith(_BEARER) or authorization == _BEARER:
        return _error(401, "Missing bearer or basic authentication in header", None)
    if "OpenAI-Beta" in request.headers:
        return _error(500, "The Realtime Beta API is no longer supported.", "beta_api_shape_disabled")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return _error(426, "This endpoint speaks WebSocket.", None)
    return None


def _error(status: int, message: str, code: str | None) -> web.Response:
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    return web.json_response({"error": error}, status=status)
