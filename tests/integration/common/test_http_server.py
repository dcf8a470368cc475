"""The HTTP server of a process: how it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from common import http_server
from common.http_server import HttpServer, listen

_HEAD = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Echo:
    """An application that answers a body once it is whole."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.app = Starlette(routes=[Route("/echo", self._echo, methods=["POST"])])

    async def _echo(self, request: Request) -> Response:
        self.has_begun.set()
        try:
            return PlainTextResponse(await request.body())
        except ClientDisconnect:
            return Response()


@asynccontextmanager
async def half_a_request(to: Echo) -> AsyncIterator[tuple[HttpServer, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A server with a request that waits for the rest of its body."""
    config = uvicorn.Config(to.app, log_config=None, lifespan="off", access_log=False)
    server = HttpServer(config, listen("127.0.0.1", 0, "PORT"))
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(_HEAD + b"he")
    try:
        async with asyncio.timeout(20):
            await to.has_begun.wait()
            yield server, reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def test_a_peer_that_never_sends_the_rest_does_not_keep_it_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_FINISH_WITHIN_S", 0.05)
    async with half_a_request(Echo()) as (server, reader, _):
        await server.stop()
        assert await reader.read() == b""


async def test_a_request_that_runs_is_answered_before_it_ends() -> None:
    async with half_a_request(Echo()) as (server, reader, writer):
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        writer.write(b"llo")
        assert (await reader.read()).endswith(b"hello")
        await stopping
