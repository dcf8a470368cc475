"""The simulated OpenAI as a process of its own, and its record of what it was told."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ENDS_WITHIN_S = 30
ANSWERS_WITHIN_S = 60
"""Recognising what was said takes its time."""


@dataclass(frozen=True)
class Simulator:
    """A running simulator."""

    port: int

    @property
    def base_url(self) -> str:
        """What `OPENAI_BASE_URL` has to be."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def sim(self, method: str, path: str, body: object = None) -> Any:
        """One request to `/_sim`."""
        url = f"http://127.0.0.1:{self.port}/_sim/{path}"
        limit = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S)
        async with aiohttp.ClientSession(timeout=limit) as http, http.request(method, url, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def sessions(self) -> list[dict[str, Any]]:
        """The record of every session."""
        sessions: list[dict[str, Any]] = await self.sim("GET", "sessions")
        return sessions

    async def forget(self) -> None:
        """Begin anew: no faults, no record, and no session that still runs."""
        await self.sim("DELETE", "faults")
        await self.sim("DELETE", "requests")
        async with asyncio.timeout(10):
            while (await self.sim("GET", "healthz"))["sessions"]:
                await self.sim("DELETE", "sessions")
                await asyncio.sleep(0.01)


@contextmanager
def running(script: Path) -> Iterator[Simulator]:
    """Start it on a free port; end it with the context, killed if it does not end by itself, which is a failure."""
    command = [sys.executable, "-m", "simulators.openai", "--port", "0", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            yield Simulator(json.loads(process.stdout.readline())["port"])
        finally:
            process.terminate()
            try:
                process.wait(ENDS_WITHIN_S)
            finally:
                process.kill()


@contextmanager
def simulating(script: str, directory: Path) -> Iterator[Simulator]:
    """Start it with this script, written into `directory`."""
    file = directory / "script.yaml"
    file.write_text(script)
    with running(file) as openai:
        yield openai


@asynccontextmanager
async def begun_anew(simulator: Simulator) -> AsyncIterator[Simulator]:
    """The same process, for one test: without memory of other tests, and without faults afterwards."""
    await simulator.forget()
    yield simulator
    await simulator.sim("DELETE", "faults")
