"""The processes of the stack: each started with its own environment, hurt at will, ended by its own id."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parents[2]
READY_WITHIN_S: Final = 60.0
_KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class StackFailedError(Exception):
    """A process did not become ready, or ended unasked."""


@dataclass(slots=True)
class Member:
    """One process of the stack, started as often as needed with the same ports and settings."""

    name: str
    module: str
    environment: Mapping[str, str]
    ready_url: str
    log: Path
    port: int = 0
    ops_port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def launch(self) -> None:
        """Start it, if it does not run."""
        if self.pid is None:
            with self.log.open("ab") as output:
                self._process = subprocess.Popen(
                    (sys.executable, "-m", self.module),
                    cwd=ROOT,
                    env=clean_environment(self.environment),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )

    async def ready(self) -> None:
        """Wait until it says that it is."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not await asyncio.to_thread(answers_ok, self.ready_url):
            if self.pid is None or time.monotonic() > deadline:
                raise StackFailedError(f"{self.name} is not ready{tail(self.log)}")
            await asyncio.sleep(0.05)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._send(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it in its tracks: its sockets stay, nothing answers."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._send(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """SIGTERM: it may take its time."""
        self._send(signal.SIGTERM)

    async def ended(self, within_s: float) -> bool:
        """Wait for its end; whether it came."""
        deadline = time.monotonic() + within_s
        while self.pid is not None and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        return self.pid is None

    async def end(self, within_s: float = 10.0) -> None:
        """End it properly, or for good."""
        self.thaw()
        self.ask_to_end()
        if not await self.ended(within_s):
            self.kill()
            await self.ended(within_s)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings, and nothing of ours that could change what a process does or whom it talks to."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ} | dict(settings)


def answers_ok(url: str) -> bool:
    """Whether the address answers 200 now."""
    try:
        with _direct.open(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def fetched(url: str) -> str:
    """The text at the address. Raises `OSError` if there is none."""
    with _direct.open(url, timeout=5) as answer:
        return bytes(answer.read()).decode()


def open_files(pid: int) -> int:
    """Sockets, pipes and files that a process holds, as the kernel counts them."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def connections_to(port: int, pid: int, *, are_alive: bool = False) -> int:
    """TCP connections of a process to that port, as the kernel counts them; or those only that both ends keep."""
    connections = [
        each for each in psutil.Process(pid).net_connections("tcp") if each.raddr and each.raddr.port == port
    ]
    return sum(not are_alive or each.status == psutil.CONN_ESTABLISHED for each in connections)


def tail(log: Path, lines: int = 8) -> str:
    """The end of a log, indented."""
    if not log.exists():
        return ""
    return "".join(f"\n    {line}" for line in log.read_text(errors="replace").splitlines()[-lines:])
