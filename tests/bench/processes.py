"""Starts the processes of a system, reads what they use, ends them by their ids."""

import asyncio
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import psutil

from .systems import ROOT, Part, System, clean_environment

_READY_DEADLINE_S: Final = 30
_STOP_DEADLINE_S: Final = 8
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class SystemFailedError(Exception):
    """A process of the system did not become ready, or ended while it was needed."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What processes have used so far: CPU seconds (user and system), resident bytes now; both by part."""

    cpu_s: dict[str, float]
    rss_bytes: dict[str, int]


@dataclass(slots=True)
class _Running:
    part: Part
    process: psutil.Popen
    log: Path


class Processes:
    """The running parts of one system."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[_Running] = []

    async def start(self, part: Part) -> None:
        """Starts one part and waits until it is ready."""
        log = self._logs / f"{part.name}.log"
        with log.open("wb") as output:
            process = psutil.Popen(
                part.command,
                cwd=ROOT,
                env=clean_environment(part),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running = _Running(part, process, log)
        self._running.append(running)
        deadline = monotonic() + _READY_DEADLINE_S
        while not await asyncio.to_thread(_answers, part.ready):
            self._check(running)
            if monotonic() > deadline:
                raise SystemFailedError(f"{part.name} is not ready after {_READY_DEADLINE_S} s{_tail(log)}")
            await asyncio.sleep(0.05)

    def check(self) -> None:
        """Raises when a part has ended."""
        for running in self._running:
            self._check(running)

    def usage(self) -> Usage:
        """What each part uses, its children included."""
        return Usage(
            cpu_s={each.part.name: _cpu_s(each.process) for each in self._running},
            rss_bytes={each.part.name: _rss_bytes(each.process) for each in self._running},
        )

    def logs(self) -> str:
        """The last lines of each part's log."""
        return "".join(f"\n{each.part.name}:{_tail(each.log)}" for each in self._running)

    async def stop(self) -> None:
        """Asks the parts to end, last started first, and kills what does not."""
        for running in reversed(self._running):
            if running.process.poll() is None:
                running.process.terminate()
                await asyncio.to_thread(_end, running.process)

    def _check(self, running: _Running) -> None:
        code = running.process.poll()
        if code is not None:
            raise SystemFailedError(f"{running.part.name} ended with {code}{_tail(running.log)}")


@asynccontextmanager
async def started(system: System, logs: Path) -> AsyncIterator[Processes]:
    """The system's processes, ready; ended when the block is left."""
    processes = Processes(logs)
    try:
        for part in system.parts:
            await processes.start(part)
        yield processes
    finally:
        await processes.stop()


def _answers(address: str) -> bool:
    if not address.startswith("http"):
        return _accepts(address)
    try:
        with _direct.open(address, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True


def _end(process: psutil.Popen) -> None:
    try:
        process.wait(_STOP_DEADLINE_S)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait()


def _family(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _cpu_s(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in _family(process)]
    return sum(each.user + each.system for each in times)


def _rss_bytes(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in _family(process))


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-8:]
    return "".join(f"\n    {line}" for line in lines)
