"""The bus tests' fixtures: everything here runs on both kinds of nats-server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from common.bus.connection import Bus
from common.bus.facts import FactWriter
from fakes.nats import NatsBinary, NatsContainer, NatsServer, why_no_containers
from fakes.waiting import until

NewServer = Callable[[], Awaitable[NatsServer]]
NewBus = Callable[..., Awaitable[Bus]]


@pytest.fixture(params=[NatsBinary, NatsContainer], ids=["binary", "container"])
async def new_server(request: pytest.FixtureRequest) -> AsyncIterator[NewServer]:
    """Makes further servers of one kind, not yet started; all are discarded with the test."""
    if request.param is NatsContainer and (reason := why_no_containers()):
        pytest.skip(reason)
    made: list[NatsServer] = []

    async def new() -> NatsServer:
        made.append(request.param())
        return made[-1]

    yield new
    for server in made:
        await server.discard()


@pytest.fixture
async def server(new_server: NewServer) -> NatsServer:
    """A running server with JetStream."""
    server = await new_server()
    await server.start()
    return server


@pytest.fixture
async def new_bus(server: NatsServer) -> AsyncIterator[NewBus]:
    """Makes connections to `server`, or to the URLs given; all are closed with the test."""
    made: list[Bus] = []

    async def new(*urls: str) -> Bus:
        made.append(Bus(list(urls) or [server.url], "test"))
        await made[-1].connect()
        return made[-1]

    yield new
    for bus in made:
        await bus.close()


@pytest.fixture
async def bus(new_bus: NewBus) -> Bus:
    """A connection to `server`."""
    return await new_bus()


@pytest.fixture(autouse=True)
async def _no_leaked_tasks() -> AsyncIterator[None]:
    """A test ends with the tasks it began with."""
    before = asyncio.all_tasks()
    yield
    with contextlib.suppress(TimeoutError):
        await until(lambda: not _others(before), within_s=5)
    assert not _others(before), "leaked tasks"


def _others(before: set[asyncio.Task[object]]) -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - before - {asyncio.current_task()}


@contextlib.asynccontextmanager
async def writing_to(bus: Bus) -> AsyncIterator[FactWriter]:
    """A writer with its `run` running."""
    writer = FactWriter(bus)
    await writer.start()
    running = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
