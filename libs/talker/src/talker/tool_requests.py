"""Having a tool run by whoever runs tools: asked again until it says what came of it, however often that one dies."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Final

from common import logs, metrics, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.base import decode_as
from common.messages.tools import ToolAnswer, ToolPending, ToolRequest, ToolResult
from talker.core.tool_patience import UNANSWERED_S, ToolPatience
from talker.core.vocabulary import RunTool, ToolAnswered, ToolWaits

log = logs.get("tools")

_ASK_WITHIN_S: Final = 2.5
"""Whoever runs tools answers within two seconds, if only that it takes longer."""
_PAUSE_FIRST_S: Final = 0.2
_PAUSE_AT_MOST_S: Final = 1.0
_AT_LEAST_S: Final = 0.2
"""Between two questions that are answered: a runner that does not hold them would be asked without end."""
NO_TOOL_RESULT: Final = '{"error": "this could not be carried out; nothing is known of a result"}'


class ToolRequests:
    """Of one call. The same request is safe to repeat: call and tool call id make it run at most once."""

    def __init__(
        self, bus: Bus, call_id: str, profile: str, epoch: Callable[[], int], unanswered_s: float = UNANSWERED_S
    ) -> None:
        """`epoch`: the call's, which changes when another edge adopts it. `unanswered_s`: see `ToolPatience`."""
        self._bus = bus
        self._call_id = call_id
        self._profile = profile
        self._epoch = epoch
        self._unanswered_s = unanswered_s

    async def run(self, tool: RunTool, on_wait: Callable[[ToolWaits], None]) -> ToolAnswered:
        """What came of it, as the model is to be told: its output, or why there is none. Never raises for that."""
        try:
            result = await self._ask_until_answered(tool, on_wait)
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            result = None
        if result is None:
            log.warning("no word of a tool", extra=logs.fields(call=self._call_id, tool=tool.name))
            return ToolAnswered(tool.tool_call_id, NO_TOOL_RESULT, is_error=True)
        return ToolAnswered(tool.tool_call_id, result.output, result.is_error, result.order)

    async def _ask_until_answered(self, tool: RunTool, on_wait: Callable[[ToolWaits], None]) -> ToolResult | None:
        patience, pauses = ToolPatience(time.monotonic(), self._unanswered_s), _pauses()
        while not patience.is_over(asked_at := time.monotonic()):
            try:
                answer = await self._ask(tool)
            except RemoteProtocolError:
                raise
            except TrunklineError:
                if patience.is_word_due(time.monotonic()):
                    on_wait(ToolWaits(tool.tool_call_id, None))
                await asyncio.sleep(next(pauses))
                continue
            if isinstance(answer, ToolResult):
                return answer
            patience.answered(time.monotonic())
            pauses = _pauses()
            on_wait(ToolWaits(tool.tool_call_id, answer.filler))
            await asyncio.sleep(max(0.0, asked_at + _AT_LEAST_S - time.monotonic()))
        return None

    async def _ask(self, tool: RunTool) -> ToolResult | ToolPending:
        request = ToolRequest(
            call_id=self._call_id,
            epoch=self._epoch(),
            profile=self._profile,
            tool_call_id=tool.tool_call_id,
            name=tool.name,
            arguments=tool.arguments,
        )
        data = await self._bus.request(subjects.tool(tool.name), request.encode(), _ASK_WITHIN_S)
        answer = decode_as(ToolAnswer, data)
        if answer.tool_call_id != tool.tool_call_id:
            raise RemoteProtocolError("malformed message: the result of another tool call")
        return answer


def _pauses() -> Iterator[float]:
    pause_s = _PAUSE_FIRST_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, _PAUSE_AT_MOST_S)
