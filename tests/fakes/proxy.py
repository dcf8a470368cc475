"""A TCP proxy in front of one address that breaks the network at will: cut, half-open, slow, narrow.

As a library: `async with running_proxy(host, port) as proxy`, then `proxy.cut()`, `proxy.mend()`, `proxy.hole(UP)` …
In a process of its own: `python -m fakes.proxy HOST:PORT [LISTEN_PORT]` prints its port and then obeys lines on its
standard input: `cut`, `mend`, `hole [up|down]`, `slow DELAY_S JITTER_S BYTES_PER_S [up|down]` (0: as it is), each
answered with `ok`.
"""

import asyncio
import contextlib
import random
import socket
import struct
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Final

UP: Final = "up"
"""From the client to the server."""
DOWN: Final = "down"
"""From the server to the client."""
_BOTH: Final = (UP, DOWN)

_CHUNK_BYTES: Final = 64 * 1024
_MOST_ON_THE_WAY_BYTES: Final = 4 * 1024 * 1024
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """What happens to one direction of every connection, from now on and whatever is under way."""

    is_hole: bool = False
    """Nothing is forwarded; it is kept, as TCP would keep it, and goes on when the hole closes."""
    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_per_s: float = 0.0
    """0: no limit."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_clear(self) -> bool:
        """True if bytes go straight through."""
        return not (self.is_hole or self.delay_s or self.jitter_s or self.bytes_per_s)

    def change(self, *, is_hole: bool, delay_s: float = 0.0, jitter_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """Turn it, also for what is waiting right now."""
        self.is_hole, self.delay_s, self.jitter_s, self.bytes_per_s = is_hole, delay_s, jitter_s, bytes_per_s
        self.changed.set()
        self.changed = asyncio.Event()

    def due(self, now: float) -> float:
        """When a chunk that came in now may leave."""
        return now + max(0.0, self.delay_s + random.uniform(-self.jitter_s, self.jitter_s))


class _Pipe:
    """One direction of one connection: a reader and a writer with the weather between them. Order is kept."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, weather: Weather) -> None:
        self._reader = reader
        self._writer = writer
        self._weather = weather
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._waiting_bytes = 0
        self._moved = asyncio.Event()
        self._is_writing = False

    async def run(self) -> None:
        """Carry bytes until one side ends, then end the other side's half."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._write())

    async def _read(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            chunk = await self._reader.read(_CHUNK_BYTES)
            if chunk and not self._waiting and not self._is_writing and self._weather.is_clear:
                self._writer.write(chunk)
                await self._writer.drain()
                continue
            self._waiting.append((self._weather.due(now()), chunk))
            self._waiting_bytes += len(chunk)
            self._moved.set()
            if not chunk:
                return
            while self._waiting_bytes > _MOST_ON_THE_WAY_BYTES:
                self._moved.clear()
                await self._moved.wait()

    async def _write(self) -> None:
        while True:
            while not self._waiting:
                self._moved.clear()
                await self._moved.wait()
            due, chunk = self._waiting.popleft()
            self._is_writing = True
            await self._leave(due, chunk)
            self._is_writing = False
            self._waiting_bytes -= len(chunk)
            self._moved.set()
            if not chunk:
                return

    async def _leave(self, due: float, chunk: bytes) -> None:
        await self._until(due)
        if not chunk:
            if self._writer.can_write_eof():
                self._writer.write_eof()
            return
        now = asyncio.get_running_loop().time
        for piece in self._pieces(chunk):
            self._writer.write(piece)
            await self._writer.drain()
            if rate := self._weather.bytes_per_s:
                await self._until(now() + len(piece) / rate)

    async def _until(self, due: float) -> None:
        """Wait for `due`, or as the weather has it by then: what it held back leaves at once when it clears."""
        loop = asyncio.get_running_loop()
        while self._weather.is_hole or (not self._weather.is_clear and loop.time() < due):
            changed = self._weather.changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if self._weather.is_hole else due):
                    await changed.wait()

    def _pieces(self, chunk: bytes) -> Iterable[bytes]:
        """Small enough that a narrow line is not a line that stops and starts."""
        size = max(256, int(self._weather.bytes_per_s / 50)) if self._weather.bytes_per_s else len(chunk)
        return (chunk[at : at + size] for at in range(0, len(chunk), size))


class Proxy:
    """Everything that comes to `port` goes to the target, as the weather allows."""

    def __init__(self, host: str, target_port: int, port: int = 0) -> None:
        self.port = port
        self._target = (host, target_port)
        self._weather = {direction: Weather() for direction in _BOTH}
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[None], list[asyncio.StreamWriter]] = {}

    @property
    def url(self) -> str:
        """For NATS clients."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen. The port stays the same from then on."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=4 * _CHUNK_BYTES)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        await self.cut()

    async def cut(self) -> None:
        """Reset every connection on both sides, and refuse new ones until `mend`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in [writer for writers in self._connections.values() for writer in writers]:
            _reset(writer)
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def mend(self) -> None:
        """As if nothing had ever been wrong: listening, fast, nothing held back."""
        for weather in self._weather.values():
            weather.change(is_hole=False)
        if self._server is None:
            await self.start()

    def hole(self, *directions: str) -> None:
        """Half-open: connections stay, new ones are accepted, and nothing comes through `directions` (default both)."""
        for direction in directions or _BOTH:
            self._weather[direction].change(is_hole=True)

    def slow(
        self, delay_s: float = 0.0, jitter_s: float = 0.0, bytes_per_s: float = 0.0, directions: Iterable[str] = _BOTH
    ) -> None:
        """A long (`delay_s` ± `jitter_s`, one way) or narrow line. Order is kept."""
        for direction in directions:
            self._weather[direction].change(is_hole=False, delay_s=delay_s, jitter_s=jitter_s, bytes_per_s=bytes_per_s)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = [writer]
        try:
            await self._carry(reader, writer, self._connections[task])
        except asyncio.CancelledError:
            pass  # cut; re-raised it would be logged by asyncio as an error of this callback
        finally:
            for each in self._connections.pop(task):
                each.transport.abort()

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, writers: list[asyncio.StreamWriter]
    ) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target, limit=4 * _CHUNK_BYTES)
        except OSError:
            _reset(writer)
            return
        writers.append(far_writer)
        pipes = (_Pipe(reader, far_writer, self._weather[UP]), _Pipe(far_reader, writer, self._weather[DOWN]))
        try:
            async with asyncio.TaskGroup() as tasks:
                for pipe in pipes:
                    tasks.create_task(pipe.run())
        except* OSError:  # one side has reset its connection: so does the other
            for each in writers:
                _reset(each)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN, at once."""
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def running_proxy(host: str, target_port: int, port: int = 0) -> AsyncIterator[Proxy]:
    """A proxy on `port` (0: any) in front of `host:target_port`, ended with the context."""
    proxy = Proxy(host, target_port, port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.stop()


async def _obey(proxy: Proxy, line: str) -> None:
    """One line of the command language."""
    verb, *words = line.split()
    numbers = [float(word) for word in words if word not in _BOTH]
    directions = [word for word in words if word in _BOTH] or list(_BOTH)
    match verb:
        case "cut":
            await proxy.cut()
        case "mend":
            await proxy.mend()
        case "hole":
            proxy.hole(*directions)
        case "slow":
            delay_s, jitter_s, bytes_per_s = numbers
            proxy.slow(delay_s, jitter_s, bytes_per_s, directions)
        case _:
            raise ValueError(f"what is {verb}?")


async def _main(target: str, port: int) -> None:
    host, _, target_port = target.rpartition(":")
    async with running_proxy(host, int(target_port), port) as proxy:
        print(proxy.port, flush=True)
        lines = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := (await lines.readline()).decode().strip():
            await _obey(proxy, line)
            print("ok", flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0))
