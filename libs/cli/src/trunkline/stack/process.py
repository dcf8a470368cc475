"""One child process: its own process group, its output line by line, and no life after ours."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.stack.probes import Probe
from trunkline.stack.supervision import Role

_PR_SET_PDEATHSIG: Final = 1
_LONGEST_LINE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """How to run one process of the stack and how to tell that it is ready."""

    name: str
    role: Role
    command: tuple[str, ...]
    environment: Mapping[str, str]
    probe: Probe


class Process:
    """One running process. Make it with `start`, read `lines` to their end, then `wait`."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child

    @classmethod
    async def start(cls, command: tuple[str, ...], environment: Mapping[str, str]) -> "Process":
        """Start it in a process group of its own, so that a Ctrl-C in the terminal reaches us alone."""
        child = await asyncio.create_subprocess_exec(
            *command,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            preexec_fn=_ends_with_parent(),
            limit=_LONGEST_LINE_BYTES,
        )
        return cls(child)

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._child.pid

    async def lines(self) -> AsyncIterator[str]:
        """What it prints, to the end of its life."""
        assert self._child.stdout is not None
        while True:
            try:
                line = await self._child.stdout.readline()
            except ValueError:  # a line over the limit was thrown away
                continue
            if not line:
                return
            yield line.decode(errors="replace").rstrip("\n")

    async def wait(self) -> int:
        """Its exit code; negative for a signal."""
        return await self._child.wait()

    def terminate(self) -> None:
        """Ask it to drain and end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, and whatever it started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)


def _ends_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes the program: on Linux, ask to be killed when we die, however we die."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask
