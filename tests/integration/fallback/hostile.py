"""A server that answers what no API does: as many ways to be wrong as a test wants, one request after the other."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

Answer: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Hostile:
    """Gives its answers in their order, the last for ever; keeps what it was asked."""

    answers: deque[Answer] = field(default_factory=deque)
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    port: int = 0
    _is_over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def base_url(self) -> str:
        """What an endpoint's `base_url` has to be."""
        return f"http://127.0.0.1:{self.port}/v1"

    def then(self, *answers: Answer) -> None:
        """What comes from now on."""
        self.answers = deque(answers)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        number = len(self.asked)
        self.asked.append((request.path, b""))
        self.asked[number] = (request.path, await request.read())
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    async def never(self, request: web.Request) -> web.StreamResponse:
        """A black hole: the request is taken and nothing follows."""
        await self._is_over.wait()
        return web.Response()

    def close(self) -> None:
        self._is_over.set()


@contextlib.asynccontextmanager
async def hostile() -> AsyncIterator[Hostile]:
    """Run one on a free port."""
    server = Hostile()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        server.close()
        await runner.cleanup()


def whole(body: bytes | str, content_type: str = "application/json", status: int = 200, **headers: str) -> Answer:
    """One body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        data = body.encode() if isinstance(body, str) else body
        return web.Response(body=data, status=status, headers={"Content-Type": content_type, **headers})

    return answer


def stream(*pieces: bytes, content_type: str = "text/event-stream", is_cut: bool = False, holds: Any = None) -> Answer:
    """A body in pieces. `is_cut`: the connection breaks after them; `holds`: it stays open without a word."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begun(request, content_type)
        for piece in pieces:
            await response.write(piece)
        if holds is not None:
            await holds.wait()
        if is_cut:
            assert request.transport is not None
            await asyncio.sleep(0.05)  # what was written arrives before the connection breaks
            request.transport.abort()
        return response

    return answer


def endless(piece: bytes, content_type: str = "text/event-stream", status: int = 200) -> Answer:
    """A body without an end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = await _begun(request, content_type, status)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(piece)
        return response

    return answer


async def gone(request: web.Request) -> web.StreamResponse:
    """The connection breaks at once."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def elsewhere(request: web.Request) -> web.StreamResponse:
    """Round and round."""
    raise web.HTTPTemporaryRedirect(request.url.path)


def forward(port: int) -> Answer:
    """What another server here answers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in ("Content-Type", "Authorization")}
        url = f"http://127.0.0.1:{port}{request.path}"
        async with aiohttp.ClientSession() as http, http.post(url, data=await request.read(), headers=headers) as given:
            return await whole(await given.read(), given.headers["Content-Type"], given.status)(request)

    return answer


async def _begun(request: web.Request, content_type: str, status: int = 200) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers={"Content-Type": content_type})
    response.enable_chunked_encoding()
    await response.prepare(request)
    return response
