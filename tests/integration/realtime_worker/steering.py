"""The orchestrator written by hand: publishes revisions, runs tools as a test says."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from nats.aio.msg import Msg

from common import subjects
from common.agents import ToolGrant
from common.messages.base import Message
from common.messages.instructions import Instructions
from common.messages.tools import ToolPending, ToolRequest, ToolResult
from integration.realtime_worker.edge_stand_in import PROFILE, EdgeStandIn, Leg, until
from integration.realtime_worker.stage import Stage
from simulators.people.recordings import load

CALLER = load("caller-2")
LIST_TASKS = ToolGrant(name="list_tasks", description="The tasks of a day.")
END_CALL = ToolGrant(name="end_call", description="End the call.")
CLERK = PROFILE.model_copy(update={"instructions": "You are a clerk who looks things up.", "tools": (LIST_TASKS,)})

Answer = Callable[[ToolRequest], Message | bytes | None]
"""None: no answer, as of one that was killed."""


@dataclass
class Runner:
    """Runs one tool."""

    answer: Answer
    asked: list[ToolRequest] = field(default_factory=list)

    async def start(self, edge: EdgeStandIn, name: str = "list_tasks") -> None:
        await edge.client.subscribe(subjects.tool(name), queue="tools", cb=self._on_request)
        await edge.client.flush()

    async def _on_request(self, message: Msg) -> None:
        self.asked.append(ToolRequest.decode(message.data))
        answer = self.answer(self.asked[-1])
        if answer is not None:
            await message.respond(answer if isinstance(answer, bytes) else answer.encode())


def result(output: str = '["water the plants"]', **fields: Any) -> Answer:
    """Done at once."""
    return lambda request: ToolResult(tool_call_id=request.tool_call_id, output=output, **fields)


def pending(request: ToolRequest, filler: str = "") -> ToolPending:
    return ToolPending(tool_call_id=request.tool_call_id, filler=filler)


def revision(leg: Leg, number: int, text: str = "You are the night desk.", **fields: Any) -> Instructions:
    return Instructions(call_id=leg.call_id, revision=number, instructions=text, **fields)


async def publish(on: Stage, leg: Leg, told: Instructions | bytes) -> None:
    """As the orchestrator does: core, and captured by the stream."""
    data = told if isinstance(told, bytes) else told.encode()
    await on.edge.client.publish(subjects.instructions(leg.call_id), data)
    await on.edge.client.flush()


async def asks(on: Stage, leg: Leg, pcmu: bytes = CALLER.pcmu) -> None:
    """The caller says something, fast, and is silent."""
    await on.edge.speak(leg, pcmu, pace=8)
    await on.edge.be_silent(leg, 700, pace=8)


async def responses(on: Stage, number: int) -> list[dict[str, Any]]:
    """The session's responses, once there are so many and all have ended."""
    async with asyncio.timeout(10):
        while True:
            found: list[dict[str, Any]] = (await on.session())["responses"]
            if len(found) >= number and all(each["ended_monotonic_s"] for each in found):
                return found
            await asyncio.sleep(0.01)


async def says(leg: Leg, text: str) -> str:
    """The item in which the agent says this, once it is whole."""
    await until(lambda: any(leg.text_of(item) == text for item in leg.items))
    return next(item for item in leg.items if leg.text_of(item) == text)
