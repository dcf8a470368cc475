"""A stack for the length of one piece of work: started, ready, used, ended."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from common.errors import ConfigError, TrunklineError
from trunkline.stack.logs import ProcessLogs
from trunkline.stack.plan import Plan
from trunkline.stack.supervision import AnnounceMisconfigured
from trunkline.stack.supervisor import Announce, Announcement, Supervisor

READY_WITHIN_S: Final = 60.0
_END_WITHIN_S: Final = 10.0


@contextlib.asynccontextmanager
async def running(plan: Plan, logs: ProcessLogs, announce: Announce) -> AsyncIterator[Supervisor]:
    """The plan's processes, all ready. Raises `TrunklineError` naming the one that does not become so."""
    refused: list[str] = []

    def note(announcement: Announcement) -> None:
        if isinstance(announcement, AnnounceMisconfigured):
            refused.append(announcement.name)
        announce(announcement)

    supervisor = Supervisor(plan.specs, note, logs.write)
    task = asyncio.create_task(supervisor.run())
    try:
        await _await_ready(supervisor, task)
        if refused:
            raise ConfigError(f"{refused[0]}: {logs.complaint(refused[0])}")
        if missing := [spec.name for spec in plan.specs if spec.name not in supervisor.ready]:
            why = "; ".join(f"{name}: {logs.complaint(name)} ({logs.path(name)})" for name in missing)
            raise TrunklineError(f"not ready within {READY_WITHIN_S:.0f} s: {why}")
        yield supervisor
    finally:
        await _end(supervisor, task)


async def _await_ready(supervisor: Supervisor, task: "asyncio.Task[None]") -> None:
    """Return when everything is ready, the stack has ended, or the time is up."""
    ready = asyncio.create_task(supervisor.wait_ready())
    try:
        await asyncio.wait({ready, task}, timeout=READY_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()


async def _end(supervisor: Supervisor, task: "asyncio.Task[None]") -> None:
    """Drain; what has not ended after a while is killed."""
    supervisor.stop()
    await asyncio.wait({task}, timeout=_END_WITHIN_S)
    if not task.done():
        supervisor.stop()
    await task
