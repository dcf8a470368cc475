"""A small edge on real sockets, for the simulated caller to call: documents by path, a media handler, a memory."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator, get_signature_algorithm

ACCOUNT = "AC" + "1" * 32
TOKEN = "0123456789abcdef"

Media = Callable[["Socket"], Awaitable[None]]


@dataclass
class Socket:
    """One media socket as the server sees it."""

    ws: web.WebSocketResponse
    messages: list[dict[str, Any]] = field(default_factory=list)

    @property
    def stream_sid(self) -> str:
        return str(next(message["streamSid"] for message in self.messages if message["event"] == "start"))

    async def next(self, event: str) -> dict[str, Any]:
        """Read on until a message of this kind."""
        async for frame in self.ws:
            assert frame.type == WSMsgType.TEXT, frame
            message = json.loads(frame.data)
            self.messages.append(message)
            if message["event"] == event:
                return dict(message)
        raise ConnectionError(event)

    async def until_closed(self) -> None:
        async for frame in self.ws:
            if frame.type == WSMsgType.TEXT:
                self.messages.append(json.loads(frame.data))

    async def play(self, pcmu: bytes) -> None:
        await self.send({"event": "media", "media": {"payload": base64.b64encode(pcmu).decode()}})

    async def mark(self, name: str) -> None:
        await self.send({"event": "mark", "mark": {"name": name}})

    async def clear(self) -> None:
        await self.send({"event": "clear"})

    async def send(self, message: dict[str, Any]) -> None:
        await self.ws.send_json({"streamSid": self.stream_sid} | message)


@dataclass
class Edge:
    """Answers `/voice` and any other path with its document; refuses what is not signed."""

    media: Media
    documents: dict[str, str] = field(default_factory=dict)
    url: str = ""
    public_url: str = ""
    secret: str = TOKEN
    posts: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sockets: list[Socket] = field(default_factory=list)
    upgrades: list[dict[str, str]] = field(default_factory=list)

    @property
    def stream_url(self) -> str:
        return (self.public_url or self.url).replace("http", "ws", 1) + "/media"

    def connect(self, after: str = "", stream: str = "", connect: str = "") -> str:
        """The usual document."""
        body = (
            f'<Connect {connect}><Stream url="{self.stream_url}" {stream}><Parameter name="token" value="t1"/></Stream>'
        )
        return f"<Response>{body}</Connect>{after}</Response>"

    async def handle_post(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not self._is_signed(request, (self.public_url or self.url) + request.path_qs, form):
            return web.Response(status=403)
        self.posts.append((request.path, form))
        if request.path == "/status":
            return web.Response(status=204)
        document = self.documents.get(request.path)
        if document is None:
            return web.Response(status=404)
        return web.Response(text=document, content_type="text/xml")

    async def handle_media(self, request: web.Request) -> web.StreamResponse:
        if not self._is_signed(request, self.stream_url, {}):
            return web.Response(status=403)
        self.upgrades.append(dict(request.headers))
        ws = web.WebSocketResponse(max_msg_size=1 << 20)
        await ws.prepare(request)
        socket = Socket(ws)
        self.sockets.append(socket)
        try:
            await self.media(socket)
        finally:
            await ws.close()
        return ws

    def _is_signed(self, request: web.Request, url: str, form: dict[str, str]) -> bool:
        algorithm = get_signature_algorithm(request.headers.get("X-Twilio-Webhooks-Signature-Settings"))
        signature = request.headers.get("X-Twilio-Signature", "")
        return bool(RequestValidator(self.secret).validate(url, form, signature, algorithm))


@asynccontextmanager
async def serve(media: Media, **options: Any) -> AsyncIterator[Edge]:
    """An edge on a free port; `/voice` connects to its media socket unless told otherwise."""
    edge = Edge(media, **options)
    app = web.Application()
    app.add_routes([web.get("/media", edge.handle_media), web.post("/{path:.*}", edge.handle_post)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    edge.url = f"http://{host}:{port}"
    edge.documents.setdefault("/voice", edge.connect())
    try:
        yield edge
    finally:
        await runner.cleanup()
