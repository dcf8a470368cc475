"""The work a service does beside its calls: if any of it fails, the service is not ready, and says which."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from common import logs
from common.ending import end_tasks

log = logs.get("background")


class Background:
    """Tasks that live as long as their service. Fire-and-forget would fail in silence; this tells `/readyz`."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._failed: str | None = None

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` until `stop`. It may end by itself; it may not fail."""
        task = asyncio.create_task(self._supervised(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def failed(self) -> str | None:
        """None, or what has failed, in words for `/readyz`."""
        return self._failed

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        await end_tasks(self._tasks)

    async def _supervised(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("background work failed", extra=logs.fields(work=name))
            self._failed = f"{name} has failed"
