"""Keeps the processes of a stack alive: performs what `supervision` decides, and reports what happens."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, assert_never

from trunkline.stack import probes
from trunkline.stack.process import Process, ProcessSpec
from trunkline.stack.supervision import (
    AnnounceDrain,
    AnnounceMisconfigured,
    AnnounceRestart,
    BecameReady,
    Begun,
    Command,
    Event,
    Exited,
    Kill,
    Start,
    StopAsked,
    Supervision,
    Terminate,
    Tick,
)

_PROBE_STARTING_S: Final = 0.1
_PROBE_READY_S: Final = 1.0
_NOT_STARTED: Final = 127

Announcement: TypeAlias = BecameReady | AnnounceRestart | AnnounceMisconfigured | AnnounceDrain
Announce: TypeAlias = Callable[[Announcement], None]
Output: TypeAlias = Callable[[str, str], None]
"""Takes a process's name and one line it printed."""


class Supervisor:
    """One stack. `run` it as a task; `stop` it once to drain, twice to end at once."""

    def __init__(self, specs: Sequence[ProcessSpec], announce: Announce, output: Output) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._announce = announce
        self._output = output
        self._core = Supervision({spec.name: spec.role for spec in specs})
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._processes: dict[str, Process] = {}
        self._ready: set[str] = set()
        self._all_ready = asyncio.Event()

    @property
    def ready(self) -> frozenset[str]:
        """The processes that answered their last readiness probe."""
        return frozenset(self._ready)

    @property
    def is_misconfigured(self) -> bool:
        """True if the stack ended because a process refused its settings."""
        return self._core.is_misconfigured

    def pids(self) -> dict[str, int]:
        """The process id of everything that runs, by name."""
        return {name: process.pid for name, process in self._processes.items()}

    def stop(self) -> None:
        """Drain and end; asked again, end at once."""
        self._events.put_nowait(StopAsked())

    async def wait_ready(self) -> None:
        """Return when every process has been ready at the same time."""
        await self._all_ready.wait()

    async def run(self) -> None:
        """Start everything and keep it alive. Returns when it was stopped and all of it has ended."""
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._supervise(tasks)
            finally:
                for process in self._processes.values():
                    process.kill()

    async def _supervise(self, tasks: asyncio.TaskGroup) -> None:
        self._events.put_nowait(Begun())
        while not self._core.is_over:
            for command in self._core.feed(await self._next_event(), time.monotonic()):
                await self._perform(command, tasks)

    async def _next_event(self) -> Event:
        deadline = self._core.next_deadline()
        try:
            async with asyncio.timeout(None if deadline is None else deadline - time.monotonic()):
                return await self._events.get()
        except TimeoutError:
            return Tick()

    async def _perform(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Start(name):
                await self._start(self._specs[name], tasks)
            case Terminate(name):
                if process := self._processes.get(name):
                    process.terminate()
            case Kill(name):
                if process := self._processes.get(name):
                    process.kill()
            case AnnounceRestart() | AnnounceMisconfigured() | AnnounceDrain():
                self._announce(command)
            case _:
                assert_never(command)

    async def _start(self, spec: ProcessSpec, tasks: asyncio.TaskGroup) -> None:
        try:
            process = await Process.start(spec.command, spec.environment)
        except OSError as error:
            self._output(spec.name, f"error: cannot start {spec.command[0]}: {error.strerror}")
            self._events.put_nowait(Exited(spec.name, _NOT_STARTED))
            return
        self._processes[spec.name] = process
        tasks.create_task(self._carry(spec, process), name=spec.name)

    async def _carry(self, spec: ProcessSpec, process: Process) -> None:
        """One process to its end."""
        watch = asyncio.create_task(self._watch_readiness(spec))
        try:
            async for line in process.lines():
                self._output(spec.name, line)
            code = await process.wait()
        finally:
            watch.cancel()
            del self._processes[spec.name]
            self._ready.discard(spec.name)
        self._events.put_nowait(Exited(spec.name, code))

    async def _watch_readiness(self, spec: ProcessSpec) -> None:
        was_ready = False
        while True:
            if await probes.is_ready(spec.probe):
                self._ready.add(spec.name)
                if not was_ready:
                    was_ready = True
                    self._events.put_nowait(BecameReady(spec.name))
                    self._announce(BecameReady(spec.name))
                if len(self._ready) == len(self._specs):
                    self._all_ready.set()
            else:
                self._ready.discard(spec.name)
            await asyncio.sleep(_PROBE_READY_S if was_ready else _PROBE_STARTING_S)
