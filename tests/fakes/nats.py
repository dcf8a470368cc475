"""A real nats-server for tests: the wheel's binary on a free port, or a container where a Docker engine answers."""

import asyncio
import contextlib
import gc
import os
import secrets
import signal
import socket
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Protocol

NATS_SERVER: Final = Path(sys.executable).parent / "nats-server"
NATS_IMAGE: Final = "nats:2.15"


def free_port() -> int:
    """A port nobody listens on now, below those the system gives out, and of this test process's own share of them."""
    while True:
        port = next(_ports())
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@lru_cache(maxsize=1)
def _ports() -> Iterator[int]:
    """Processes that look for ports at the same time must not find the same: each has a thousand, in turn."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = 20_000 + 1_000 * (worker % 10)
    return cycle(range(first + os.getpid() % 500, first + 1_000))


async def accepts(port: int, within_s: float = 10.0) -> None:
    """Wait until something listens on `port`."""
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)


class NatsServer(Protocol):
    """One server, whatever it runs in. Its port and its store outlive `stop`, so `start` brings the same one back."""

    @property
    def url(self) -> str:
        """Where clients reach it."""
        ...

    async def start(self, *options: str, jetstream: bool = True) -> None:
        """Start it with further command-line `options`; returns once it greets clients."""
        ...

    async def stop(self) -> None:
        """End it properly; nothing happens if it does not run."""
        ...

    async def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        ...

    async def thaw(self) -> None:
        """Let a frozen server go on."""
        ...

    async def discard(self) -> None:
        """End it for good, store included."""
        ...


class NatsBinary:
    """The wheel's binary."""

    def __init__(self, port: int = 0) -> None:
        self.port = port or free_port()
        self._store = tempfile.TemporaryDirectory()
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"nats://127.0.0.1:{self.port}"

    async def start(self, *options: str, jetstream: bool = True) -> None:
        """Start it; returns once it greets clients."""
        storage = ("-js", "-sd", self._store.name) if jetstream else ()
        command = (str(NATS_SERVER), "-a", "127.0.0.1", "-p", str(self.port), *storage, *options)
        self._process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
        await _greets("127.0.0.1", self.port)

    async def stop(self) -> None:
        """End it properly; nothing happens if it does not run."""
        await self._end(signal.SIGTERM)

    async def freeze(self) -> None:
        """Stop it in its tracks."""
        self._send(signal.SIGSTOP)

    async def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def reload(self) -> None:
        """Let it read its configuration file again."""
        self._send(signal.SIGHUP)

    async def discard(self) -> None:
        """End it for good, frozen or not."""
        await self._end(signal.SIGKILL)
        self._store.cleanup()

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def _end(self, number: signal.Signals) -> None:
        self._send(number)
        if self._process is not None:
            await self._process.wait()
        self._process = None


class NatsContainer:
    """The official image, through `testcontainers`."""

    def __init__(self) -> None:
        self._port = free_port()
        self._volume = f"trunkline-test-{secrets.token_hex(6)}"
        self._container: Any = None
        self._host = "127.0.0.1"

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"nats://{self._host}:{self._port}"

    async def start(self, *options: str, jetstream: bool = True) -> None:
        """Start it; returns once it greets clients."""
        await asyncio.to_thread(self._run, (*(("-js", "-sd", "/data") if jetstream else ()), *options))
        await _greets(self._host, self._port)

    def _run(self, options: tuple[str, ...]) -> None:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        testcontainers_config.ryuk_disabled = True  # one image less to pull; `discard` removes what we made
        self._container = (
            DockerContainer(NATS_IMAGE)
            .with_command(list(options))
            .with_bind_ports(4222, self._port)
            .with_volume_mapping(self._volume, "/data", "rw")
            .start()
        )
        self._host = self._container.get_container_host_ip()

    async def stop(self) -> None:
        """End it properly; nothing happens if it does not run."""
        if self._container is not None:
            await asyncio.to_thread(self._container.get_wrapped_container().stop, timeout=5)
            await self._remove()

    async def freeze(self) -> None:
        """Stop it in its tracks."""
        await asyncio.to_thread(self._container.get_wrapped_container().pause)

    async def thaw(self) -> None:
        """Let it go on."""
        await asyncio.to_thread(self._container.get_wrapped_container().unpause)

    async def discard(self) -> None:
        """End it for good, frozen or not."""
        if self._container is not None:
            await self._remove()
        await asyncio.to_thread(_remove_volume, self._volume)

    async def _remove(self) -> None:
        await asyncio.to_thread(self._container.stop, force=True)
        self._container = None


@lru_cache(maxsize=1)
def why_no_containers() -> str | None:
    """None if containers of `NATS_IMAGE` can run here, else the reason, for a skip."""
    from docker.errors import DockerException

    client = _docker_client()
    if client is None:
        return "no Docker engine answers"
    with contextlib.closing(client):
        try:
            client.images.list(NATS_IMAGE) or client.images.pull(NATS_IMAGE)
        except DockerException:
            return f"the Docker engine cannot get the image {NATS_IMAGE}"
    return None


def _docker_client() -> Any:
    """A client whose engine has told its version, else None."""
    import docker
    from docker.errors import DockerException

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its socket open when its constructor fails
        try:
            return docker.from_env(timeout=5)
        except DockerException:
            pass
        gc.collect()
    return None


def _remove_volume(name: str) -> None:
    import docker
    from docker.errors import NotFound

    with contextlib.closing(docker.from_env()) as client, contextlib.suppress(NotFound):
        client.volumes.get(name).remove(force=True)


async def _greets(host: str, port: int, within_s: float = 20.0) -> None:
    """Wait for the server's own first line: Docker's proxy accepts connections before the server behind it does."""
    async with asyncio.timeout(within_s):
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port)
                greeting = await reader.readline()
                writer.close()
                await writer.wait_closed()
                if greeting.startswith(b"INFO "):
                    return
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running_nats(*, jetstream: bool = True, port: int = 0) -> AsyncIterator[str]:
    """The URL of a nats-server of its own, ended with the context."""
    server = NatsBinary(port)
    try:
        await server.start(jetstream=jetstream)
        yield server.url
    finally:
        await server.discard()
