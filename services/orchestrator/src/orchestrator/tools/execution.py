"""Carries a tool out in bounded time; whatever happens, there is an outcome to tell the model."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from common import logs, metrics
from common.errors import TrunklineError
from common.messages.tools import ToolOrder
from orchestrator.core import tool_output
from orchestrator.core.tool_output import Failure
from orchestrator.tools.context import ToolContext
from orchestrator.tools.tool import Ordered, OutcomeUnknown, Tool, ToolError

log = logs.get("tools")

OK: Final = "ok"
_MESSAGE_AT_MOST: Final = 1_000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `result` is the label of `trunkline_tool_calls_total`."""

    output: str
    result: str = OK
    is_error: bool = False
    """It was not carried out, or may not have been."""
    order: ToolOrder | None = None


def refused(failure: Failure, message: str = "") -> Outcome:
    """It was not carried out."""
    return Outcome(tool_output.failed(failure, message), failure.value, is_error=True)


def not_known() -> Outcome:
    """Nobody can tell whether it was carried out."""
    return refused(Failure.NOT_KNOWN, tool_output.NOT_KNOWN)


def to_be_confirmed() -> Outcome:
    """The caller has to say yes first."""
    return Outcome(tool_output.confirmation_required(), Failure.CONFIRMATION.value, is_error=True)


async def execute(tool: Tool, context: ToolContext, arguments: Mapping[str, Any]) -> Outcome:
    """Run `tool` once. Never raises but for cancellation; the text of an unforeseen exception goes nowhere."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(tool.timeout_s) as limit:
            return _outcome(tool, await tool.body.run(context, arguments))
    except ToolError as error:
        return refused(Failure.FAILED, str(error)[:_MESSAGE_AT_MOST])
    except OutcomeUnknown as lost:
        log.info("an answer was lost", extra=logs.fields(tool=tool.name, why=type(lost.__cause__).__name__))
        return _lost(tool, Failure.FAILED)
    except TimeoutError as error:
        return _lost(tool, Failure.TIMEOUT) if limit.expired() else _unforeseen(tool, error)
    except TrunklineError as error:
        log.warning("tool failed", extra=logs.fields(tool=tool.name, error=error.code))
        return refused(Failure.FAILED, "It does not work at the moment.")
    except Exception as error:  # whatever a tool raises, its call goes on
        return _unforeseen(tool, error)
    finally:
        metrics.TOOL_SECONDS.labels(tool.name).observe(time.monotonic() - began)


def _outcome(tool: Tool, answer: object) -> Outcome:
    order = answer.order if isinstance(answer, Ordered) else None
    value = answer.told if isinstance(answer, Ordered) else answer
    return Outcome(tool_output.told(value, tool.output_bytes, is_from_outside=tool.is_outside), order=order)


def _lost(tool: Tool, failure: Failure) -> Outcome:
    """Whoever only looks something up has lost nothing by it."""
    return refused(failure, "There was no answer.") if tool.rules.may_run_again else not_known()


def _unforeseen(tool: Tool, error: Exception) -> Outcome:
    log.exception("tool raised", extra=logs.fields(tool=tool.name))
    told = tool_output.failed(Failure.FAILED, "It failed unexpectedly.", kind=type(error).__name__)
    return Outcome(told, Failure.FAILED.value, is_error=True)
