"""Functions that block, run beside the loop: one that never returns does not hold up the end of the process."""

import asyncio
import contextvars
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from orchestrator.tools.tool import ToolError

T = TypeVar("T")

AT_MOST: Final = 32
"""Threads at once. Whoever waits for one may give up; the thread itself cannot be stopped, and keeps its place."""


async def in_thread(function: Callable[[], T]) -> T:
    """What `function` returns or raises. Raises `ToolError` when too many are still running.

    Daemon threads, since those of an executor are waited for when the interpreter ends.
    """
    if not _places.acquire(blocking=False):
        raise ToolError("Too much of this is going on. Try again in a minute.")
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            result, error = context.run(function), None
        except BaseException as raised:
            result, error = None, raised
        finally:
            _places.release()
        _tell(loop, future, result, error)

    threading.Thread(target=work, name="tool", daemon=True).start()
    return await future


_places: Final = threading.BoundedSemaphore(AT_MOST)


def _tell(
    loop: asyncio.AbstractEventLoop, future: "asyncio.Future[Any]", result: object, error: BaseException | None
) -> None:
    """Nobody may be waiting any more, or the loop may have ended meanwhile."""

    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))

    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(settle)
        except RuntimeError:
            return  # it was closed just now
