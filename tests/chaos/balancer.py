"""`python -m chaos.balancer`: the load balancer before the edges, as a cluster has one: passes TCP on, byte by byte.

Reads `{"backends": [{"port": …, "ops_port": …}]}` from stdin, a line whenever they change; prints its own port first.
A backend gets connections while its `/readyz` answers 200; one that does not accept is passed over.
"""

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from typing import Final, cast

import uvloop

HOST: Final = "127.0.0.1"
LOOK_EVERY_S: Final = 0.2
ANSWER_WITHIN_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Backend:
    """One edge: its public port, and the port that says whether it is ready."""

    port: int
    ops_port: int


class _Pipe(asyncio.Protocol):
    """One end of a connection: what comes here goes out at the other end."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Pipe | None = None
        self.stands = asyncio.Event()
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.stands.set()

    def join(self, other: "_Pipe") -> None:
        """Pass on, beginning with what came before there was anybody to pass it on to."""
        self.other = other
        if other.transport is not None:
            other.transport.writelines(self._early)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        """Bytes from this end."""
        if self.other is None:
            self._early.append(data)
        elif self.other.transport is not None and not self.other.transport.is_closing():
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """This end is gone, so the other one goes, in the same manner."""
        other = self.other.transport if self.other is not None else None
        if other is not None and not other.is_closing():
            if exc is None:
                other.close()
            else:
                other.abort()

    def pause_writing(self) -> None:
        """This end cannot take more: the other one is read no further."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """It can again."""
        if self.other is not None and self.other.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.other.transport.resume_reading()


class Balancer:
    """Turn by turn over the backends that are ready."""

    def __init__(self) -> None:
        self._backends: tuple[Backend, ...] = ()
        self._ready: frozenset[Backend] = frozenset()
        self._turn = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self) -> asyncio.Server:
        """On any free port."""
        return await asyncio.get_running_loop().create_server(self._accept, HOST, 0)

    async def use(self, *backends: Backend) -> None:
        """From now on these; returns once it is known which of them are ready."""
        self._backends = backends
        await self._look_once()

    async def look(self) -> None:
        """Keep an eye on them, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look_once()

    def _accept(self) -> _Pipe:
        pipe = _Pipe()
        task = asyncio.get_running_loop().create_task(self._connect(pipe))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return pipe

    async def _connect(self, client: _Pipe) -> None:
        await client.stands.wait()
        loop = asyncio.get_running_loop()
        for backend in self._in_turn():
            with contextlib.suppress(OSError):
                _, server = await loop.create_connection(_Pipe, HOST, backend.port)
                if client.transport is None or client.transport.is_closing():
                    assert server.transport is not None
                    server.transport.abort()
                    return
                client.join(server)
                server.join(client)
                return
        if client.transport is not None:
            client.transport.abort()

    def _in_turn(self) -> list[Backend]:
        ready = [each for each in self._backends if each in self._ready]
        self._turn += 1
        start = self._turn % len(ready) if ready else 0
        return ready[start:] + ready[:start]

    async def _look_once(self) -> None:
        backends = self._backends
        answers = await asyncio.gather(*(_is_ready(each.ops_port) for each in backends))
        self._ready = frozenset(each for each, is_ready in zip(backends, answers, strict=True) if is_ready)


async def _is_ready(ops_port: int) -> bool:
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection(HOST, ops_port)
            try:
                writer.write(b"GET /readyz HTTP/1.0\r\n\r\n")
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def _stdin() -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    return reader


async def _serve() -> None:
    balancer = Balancer()
    server = await balancer.listen()
    print(server.sockets[0].getsockname()[1], flush=True)
    looking = asyncio.create_task(balancer.look())
    async for line in await _stdin():
        await balancer.use(*(Backend(**each) for each in json.loads(line)["backends"]))
        print("ok", flush=True)
    looking.cancel()
    server.close()


if __name__ == "__main__":
    uvloop.run(_serve())
