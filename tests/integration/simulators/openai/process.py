"""The simulator as a process of its own, and a plain HTTP client for its `/_sim`."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp

STOP_WITHIN_S = 10


class Simulator:
    """A running simulator."""

    def __init__(self, port: int) -> None:
        self.port = port

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` would be."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def socket_url(self) -> str:
        """The realtime endpoint with the default model."""
        return f"ws://127.0.0.1:{self.port}/v1/realtime?model=gpt-realtime-2.1"

    async def sim(self, method: str, path: str, body: object = None, *, status: int = 200) -> Any:
        """One request to `/_sim`."""
        url = f"http://127.0.0.1:{self.port}/_sim/{path}"
        async with aiohttp.ClientSession() as http, http.request(method, url, json=body) as answer:
            assert answer.status == status, await answer.text()
            return await answer.json() if answer.content_type == "application/json" else await answer.read()

    async def requests(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """What was asked of the endpoints of a pipeline, once all of it has ended."""
        path = f"requests?endpoint={endpoint}" if endpoint else "requests"
        async with asyncio.timeout(STOP_WITHIN_S):
            while any(one["ended"] == "running" for one in await self.sim("GET", "requests")):
                await asyncio.sleep(0.02)
        asked: list[dict[str, Any]] = await self.sim("GET", path)
        return asked

    async def sessions(self) -> list[dict[str, Any]]:
        """The record."""
        sessions: list[dict[str, Any]] = await self.sim("GET", "sessions")
        return sessions


@contextmanager
def running(script: Path | None = None, *more: str) -> Iterator[Simulator]:
    """Start it on a free port; it must end with code 0 at SIGTERM and have written nothing else."""
    arguments = [*(["--script", str(script)] if script else []), *more]
    process = subprocess.Popen(
        [sys.executable, "-m", "simulators.openai", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout
    line = json.loads(process.stdout.readline())
    assert line["event"] == "listening"
    try:
        yield Simulator(line["port"])
    finally:
        process.send_signal(signal.SIGTERM)
        out, errors = process.communicate(timeout=STOP_WITHIN_S)
    assert (process.returncode, out, errors) == (0, b"", b"")
