"""The balancer passes bytes on to edges that are ready, and goes round those that are not or do not answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from chaos.balancer import HOST, Backend, Balancer

NOWHERE = Backend(1, 1)


@dataclass
class Edge:
    """Says its name and echoes; its ops port says whether it is ready."""

    name: bytes
    backend: Backend = field(default=NOWHERE)
    is_ready: bool = True
    served: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.served += 1
        self.writers.append(writer)
        writer.write(self.name + b"\n")
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def ops(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" if self.is_ready else b"HTTP/1.0 503 Not ready\r\n\r\n")
        writer.close()


@contextlib.asynccontextmanager
async def edge(name: bytes) -> AsyncIterator[Edge]:
    made = Edge(name)
    public = await asyncio.start_server(made.serve, HOST, 0)
    ops = await asyncio.start_server(made.ops, HOST, 0)
    made.backend = Backend(public.sockets[0].getsockname()[1], ops.sockets[0].getsockname()[1])
    yield made
    for writer in made.writers:
        writer.close()
    public.close()
    ops.close()


@contextlib.asynccontextmanager
async def balancing(*backends: Backend) -> AsyncIterator[tuple[Balancer, int]]:
    balancer = Balancer()
    server = await balancer.listen()
    await balancer.use(*backends)
    yield balancer, server.sockets[0].getsockname()[1]
    server.close()


async def greeted_by(port: int) -> bytes:
    reader, writer = await asyncio.open_connection(HOST, port)
    name = (await reader.readline()).strip()
    writer.close()
    await writer.wait_closed()
    return name


async def test_ready_edges_take_turns_and_others_get_nothing() -> None:
    async with edge(b"one") as one, edge(b"two") as two, edge(b"three") as three:
        three.is_ready = False
        async with balancing(one.backend, two.backend, three.backend) as (_, port):
            assert sorted([await greeted_by(port) for _ in range(4)]) == [b"one", b"one", b"two", b"two"]
            assert three.served == 0


async def test_an_edge_that_is_no_longer_ready_gets_no_more() -> None:
    async with edge(b"one") as one, edge(b"two") as two, balancing(one.backend, two.backend) as (balancer, port):
        one.is_ready = False
        await balancer.use(one.backend, two.backend)
        assert [await greeted_by(port) for _ in range(3)] == [b"two"] * 3


async def test_an_edge_that_died_since_the_last_look_is_passed_over() -> None:
    async with edge(b"one") as one, edge(b"two") as two, balancing(one.backend, two.backend) as (balancer, port):
        dead = Backend(1, one.backend.ops_port)
        await balancer.use(dead, two.backend)
        assert [await greeted_by(port) for _ in range(3)] == [b"two"] * 3


async def test_bytes_arrive_as_they_were_sent_however_many() -> None:
    async with edge(b"one") as one, balancing(one.backend) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        sent = bytes(range(256)) * 40_000
        writer.write(sent)
        assert await reader.readline() == b"one\n"
        assert await reader.readexactly(len(sent)) == sent
        writer.close()
        await writer.wait_closed()


async def test_an_edge_that_breaks_the_connection_breaks_it_for_the_caller() -> None:
    async with edge(b"one") as one, balancing(one.backend) as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        await reader.readline()
        one.writers[0].transport.abort()
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()


async def test_without_any_edge_the_caller_is_turned_away() -> None:
    async with balancing() as (_, port):
        reader, writer = await asyncio.open_connection(HOST, port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()


async def test_it_keeps_looking() -> None:
    async with edge(b"one") as one, edge(b"two") as two, balancing(one.backend, two.backend) as (balancer, port):
        looking = asyncio.create_task(balancer.look())
        two.is_ready = False
        seen: list[bytes] = []
        while seen[-2:] != [b"one", b"one"]:
            seen.append(await greeted_by(port))
        assert [await greeted_by(port) for _ in range(2)] == [b"one"] * 2
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
