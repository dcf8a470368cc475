"""An HTTP server for tests of tools: it answers well, badly, slowly, too much, or elsewhere, and counts."""

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Seen:
    """One request that arrived."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Web:
    """What it saw, and where it is."""

    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    is_released: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.asynccontextmanager
async def running_web() -> AsyncIterator[Web]:
    """A server on this machine."""
    state = Web()
    app = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(state, request)

    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    state.port = runner.addresses[0][1]
    try:
        yield state
    finally:
        state.is_released.set()
        await runner.cleanup()


async def _answer(state: Web, request: web.Request) -> web.StreamResponse:
    seen = Seen(request.method, request.raw_path, request.query_string, dict(request.headers), await request.read())
    state.seen.append(seen)
    kind = request.path.split("/")[1]
    if kind == "slow":
        await state.is_released.wait()
    elif kind == "huge":
        return await _huge(request)
    elif kind == "cut":
        return await _cut(request)
    answer: web.Response = _PLAIN.get(kind, _echo)(seen)
    return answer


def _echo(seen: Seen) -> web.Response:
    return web.json_response({"path": seen.path, "body": seen.body.decode()})


def _bomb(_seen: Seen) -> web.Response:
    packed = gzip.compress(b"0" * 10_000_000)
    return web.Response(body=packed, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"})


_PLAIN: dict[str, Any] = {
    "away": lambda _: web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/meta-data"}),
    "page": lambda _: web.Response(text="<html>Log in</html>", content_type="text/html"),
    "text": lambda _: web.Response(text="plain words"),
    "empty": lambda _: web.Response(status=204),
    "nested": lambda _: web.Response(text="[" * 50_000, content_type="application/json"),
    "refuse": lambda _: web.json_response({"why": "the date is over"}, status=422),
    "secretive": lambda _: web.Response(text="stack trace", status=403),
    "broken": lambda _: web.Response(text="stack trace", status=500),
    "bomb": _bomb,
}


async def _huge(request: web.Request) -> web.StreamResponse:
    """Far more than anybody reads; whoever reads it all would take long."""
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        for _ in range(10_000):
            await response.write(b"x" * 65_536)
    return response


async def _cut(request: web.Request) -> web.StreamResponse:
    """An answer that breaks off."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b'{"half":')
    assert request.transport is not None
    request.transport.abort()
    return response
