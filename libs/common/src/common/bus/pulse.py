"""A process's heartbeat: its load, said over and over while it lives, and a farewell when it ends on purpose."""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

from common import subjects
from common.bus.connection import Bus
from common.lifecycle import LoopLag
from common.messages.heartbeat import Heartbeat
from common.subjects import ProcessKind


@dataclass(frozen=True, slots=True)
class Load:
    """How much a process carries, and could. `capacity` 0: takes no calls."""

    calls: int
    capacity: int
    is_draining: bool


class Pulse:
    """Publishes `Heartbeat` for one process. Run `run` in the background; call `farewell` before the bus closes."""

    def __init__(self, bus: Bus, kind: ProcessKind, process_id: str, load: Callable[[], Load], every_s: float) -> None:
        self._bus = bus
        self._kind = kind
        self._process_id = process_id
        self._load = load
        self._every_s = every_s
        self._host = socket.gethostname()

    async def run(self) -> None:
        """A heartbeat at once and every `every_s` seconds, until cancelled."""
        while True:
            await self._publish()
            await asyncio.sleep(self._every_s)

    async def farewell(self) -> None:
        """The last one: nobody has to find out by silence."""
        await self._publish(is_farewell=True)

    async def _publish(self, *, is_farewell: bool = False) -> None:
        load = self._load()
        heartbeat = Heartbeat(
            kind=self._kind,
            process_id=self._process_id,
            calls=load.calls,
            capacity=load.capacity,
            is_draining=load.is_draining,
            is_farewell=is_farewell,
            loop_lag_ms=round(LoopLag.seconds * 1000),
            host=self._host,
            pid=os.getpid(),
        )
        await self._bus.publish(subjects.heartbeat(self._kind, self._process_id), heartbeat.encode())
