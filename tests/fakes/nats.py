"""A real nats-server for tests: the wheel's binary on a free port, or a container where a Docker engine answers."""

import asyncio
import contextlib
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

NATS_SERVER = Path(sys.executable).parent / "nats-server"


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


@contextlib.asynccontextmanager
async def running_nats(*, jetstream: bool = True, port: int = 0) -> AsyncIterator[str]:
    """The URL of a nats-server of its own, ended with the context."""
    port = port or free_port()
    with tempfile.TemporaryDirectory() as store:
        storage = ["-js", "-sd", store] if jetstream else []
        process = await asyncio.create_subprocess_exec(
            str(NATS_SERVER), "-a", "127.0.0.1", "-p", str(port), *storage, stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await accepts(port)
            yield f"nats://127.0.0.1:{port}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
