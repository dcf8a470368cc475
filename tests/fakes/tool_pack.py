"""Tools for tests: they leave a line wherever they ran, and can be held up."""

import asyncio
import os
from pathlib import Path
from typing import Any, Final

from common.errors import StorageUnavailable
from common.messages.tools import HangUpOrder
from orchestrator.tools.context import ToolContext
from orchestrator.tools.declaring import tool
from orchestrator.tools.tool import Ordered, OutcomeUnknown, ToolError

MARKS: Final = "TOOL_PACK_MARKS"
"""The variable that names the file that gets a line for each run."""
MODULE: Final = __name__


class Gate:
    """`closed` tools wait until it is opened."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()


gate: Gate | None = None
"""Set by tests that hold tools up, in their own loop; None: `hold` waits for ever."""


def _mark(context: ToolContext, word: str) -> None:
    with Path(os.environ[MARKS]).open("a", encoding="utf-8") as marks:
        marks.write(f"{context.tool_call_id} {word}\n")


async def _wait() -> None:
    await (gate.opened if gate is not None else asyncio.Event()).wait()


@tool("read")
async def look_up(context: ToolContext, word: str) -> dict[str, str]:
    """Looks a word up."""
    _mark(context, word)
    return {"word": word, "key": context.idempotency_key, "caller": await context.caller_number()}


@tool("write")
async def write(context: ToolContext, word: str) -> str:
    """Writes a word down."""
    _mark(context, word)
    return f"written: {word}"


@tool("write", filler={"en": "One moment, please.", "de": "Einen Moment, bitte."})
async def hold(context: ToolContext, word: str = "") -> str:
    """Writes a word down, and takes its time."""
    _mark(context, word)
    await _wait()
    return "held"


@tool("write")
async def hold_a_second(context: ToolContext, word: str) -> str:
    """Writes a word down, a second later."""
    _mark(context, word)
    await asyncio.sleep(1.0)
    return "held"


@tool("read")
async def hold_reading(context: ToolContext) -> str:
    """Reads, and takes its time."""
    _mark(context, "read")
    await _wait()
    return "read"


@tool("write", confirm=True)
async def delete(context: ToolContext, word: str) -> str:
    """Deletes a word."""
    _mark(context, word)
    return "deleted"


@tool("money", confirm=False)
async def pay(context: ToolContext, amount: int) -> str:
    """Pays an amount."""
    _mark(context, str(amount))
    return "paid"


@tool("read", timeout_s=0.05)
async def slow_read() -> str:
    """Takes too long to read."""
    await asyncio.sleep(60)
    return ""


@tool("write", timeout_s=0.05)
async def slow_write() -> str:
    """Takes too long to write."""
    await asyncio.sleep(60)
    return ""


@tool("write")
async def fail(how: str) -> Any:
    """Fails in the way it is told."""
    match how:
        case "told":
            raise ToolError("There is no table left.")
        case "lost":
            raise OutcomeUnknown
        case "storage":
            raise StorageUnavailable("secret place")
        case "nonsense":
            return object()
        case "huge":
            return "ü" * 100_000
        case "own_timeout":
            raise TimeoutError("secret host")
        case _:
            raise ValueError("secret value")


@tool("telephony")
async def say_goodbye() -> Ordered:
    """Ends the call in its own way."""
    return Ordered("bye", HangUpOrder())
