"""Runs the `trunkline` command as a user does: a process of its own, in a directory of its own."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
SERVICE_PREFIXES = (
    "EDGE_",
    "TWILIO_",
    "PUBLIC_BASE_URL",
    "REALTIME_",
    "OPENAI_",
    "FALLBACK_",
    "ORCHESTRATOR_",
    "SYSTEM_PROMPT_PATH",
    "FAQ_",
    "AWS_",
    "PROMPTS_TABLE_NAME",
    "CALL_LOGS_TABLE_NAME",
    "TASKS_TABLE_NAME",
    "NATS_URL",
    "LOG_",
)
ANY_PORTS = {
    "EDGE_HOST": "127.0.0.1",
    "EDGE_PORT": "0",
    "EDGE_OPS_PORT": "0",
    "REALTIME_WORKER_OPS_PORT": "0",
    "FALLBACK_OPS_PORT": "0",
    "ORCHESTRATOR_OPS_PORT": "0",
    "ORCHESTRATOR_PORT": "0",
}

Event = dict[str, Any]


def environment(**settings: str) -> dict[str, str]:
    """Ours without any service's settings, the repository's agents, any free ports, and `settings`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(SERVICE_PREFIXES)}
    return clean | ANY_PORTS | {"EDGE_AGENT_PROFILES": str(ROOT / "agents")} | settings


class Command:
    """One running `trunkline …`, its JSON lines read as they come."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.events: list[Event] = []
        self.errors = ""
        self._more = asyncio.Event()

    @property
    def children(self) -> list[psutil.Process]:
        """Every process it started that still lives."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [child for child in psutil.Process(self.process.pid).children(recursive=True) if child.is_running()]
        return []

    def named(self, name: str) -> list[Event]:
        """The events of one name so far."""
        return [event for event in self.events if event["event"] == name]

    async def until(self, condition: Callable[[Event], bool], within_s: float = 40.0) -> Event:
        """The first event, past or to come, for which `condition` holds."""
        seen = 0
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for event in self.events[seen:]:
                        seen += 1
                        if condition(event):
                            return event
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come; events: {self.events}\n{self.errors}") from None

    async def until_event(self, name: str, within_s: float = 40.0, **fields: object) -> Event:
        """The first event of that name with these fields."""
        return await self.until(lambda event: {"event": name, **fields}.items() <= event.items(), within_s)

    async def ended(self, within_s: float = 40.0) -> int:
        """Its exit code."""
        async with asyncio.timeout(within_s):
            return await self.process.wait()

    async def read(self) -> None:
        """Take in its output to the end."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_events())
            tasks.create_task(self._read_errors())

    async def _read_events(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            self._more.set()

    async def _read_errors(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.errors += line.decode()


@contextlib.asynccontextmanager
async def trunkline(*arguments: str, cwd: Path, env: Mapping[str, str]) -> AsyncIterator[Command]:
    """The running command; with the context it is ended, if it has not."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "trunkline", *arguments),
        cwd=cwd,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    command = Command(process)
    reading = asyncio.create_task(command.read())
    try:
        yield command
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGTERM)
            await process.wait()
        await reading


async def run(*arguments: str, cwd: Path, env: Mapping[str, str]) -> Command:
    """One command to its end."""
    async with trunkline(*arguments, cwd=cwd, env=env) as command:
        await command.ended()
    return command


@contextlib.asynccontextmanager
async def model_at(port: int, script: Path | None = None) -> AsyncIterator[None]:
    """A peer that speaks OpenAI's protocols, as an operator may have one."""
    given = ("--script", str(script)) if script is not None else ()
    model = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators.openai", "--port", str(port), *given), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert model.stdout is not None
        assert b"listening" in await model.stdout.readline()
        yield
    finally:
        model.terminate()
        await model.communicate()
