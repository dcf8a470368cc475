"""Where every task of this process waits: the stacks of threads end at the loop."""

import asyncio
import gc
from collections.abc import Iterator
from types import CoroutineType
from typing import Any


def describe() -> str:
    """Every task that has not ended, with the awaits that lead to what it waits for."""
    # By `type`: `isinstance` asks the object itself, and a weak proxy of something that is gone answers with an error.
    tasks = [each for each in gc.get_objects() if issubclass(type(each), asyncio.Task) and not each.done()]
    return "\n".join("\n    ".join((_title(task), *_awaits(task.get_coro()))) for task in tasks)


def _title(task: asyncio.Task[Any]) -> str:
    asked = f", asked {task.cancelling()} times to end" if task.cancelling() else ""
    return f"{task.get_name()}{asked}"


def _awaits(waiting: Any) -> Iterator[str]:
    """From the task's own coroutine inwards, as far as they are coroutines: generators do not say what they await."""
    while isinstance(waiting, CoroutineType):
        line = waiting.cr_frame.f_lineno if waiting.cr_frame else "?"
        yield f"{waiting.cr_code.co_filename}:{line} {waiting.cr_code.co_qualname}"
        waiting = waiting.cr_await
    yield repr(waiting)
