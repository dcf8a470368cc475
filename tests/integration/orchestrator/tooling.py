"""Replicas that run tools, over a real bus and a real database, and a talker's side of asking them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from common import subjects
from common.agents import ToolGrant
from common.bus import topology
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.pulse import Load, Pulse
from common.ending import end_tasks
from common.errors import DeadlineExceeded, UpstreamUnavailable
from common.messages.facts import AnyFact, CallerSaid, CallStarted, ToolCalled
from common.messages.tools import ToolAnswer, ToolPending, ToolRequest, ToolResult
from common.profile import AgentProfile, TransferTarget
from fakes import tool_pack
from orchestrator.settings import OrchestratorSettings
from orchestrator.stores.database import Database
from orchestrator.tools.part import ToolRunner, build

PACK: Final = f'[[python]]\nmodule = "{tool_pack.MODULE}"\n'
CALL: Final = "CA1"
HEARTBEAT_S: Final = 0.1
ASK_WITHIN_S: Final = 2.5
Marks = Callable[[], list[str]]
"""The lines that tools of the pack left."""


def profile(*tools: str, **more: Any) -> AgentProfile:
    """A profile whose agent is granted `tools`."""
    return AgentProfile(
        name="desk",
        greeting="Hello",
        instructions="Help.",
        tools=tuple(ToolGrant(name=name) for name in tools),
        transfers={"front-desk": TransferTarget(number="+15550100100")},
        **more,
    )


EVERYTHING: Final = profile(
    "look_up",
    "write",
    "hold",
    "hold_a_second",
    "hold_reading",
    "delete",
    "pay",
    "slow_read",
    "slow_write",
    "fail",
    "say_goodbye",
)


@contextlib.asynccontextmanager
async def connected(nats_url: str, name: str) -> AsyncIterator[Bus]:
    """A connection to the bus, with its streams there."""
    bus = Bus([nats_url], name)
    await bus.connect()
    try:
        await topology.ensure(bus, 1)
        yield bus
    finally:
        await bus.close()


@contextlib.asynccontextmanager
async def replica(
    nats_url: str,
    database: Database,
    directory: Path,
    text: str = PACK,
    *,
    granted: AgentProfile = EVERYTHING,
    replica_id: str = "orchestrator-a",
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[ToolRunner]:
    """An orchestrator's tools, as its service runs them."""
    file = directory / "tools.toml"
    file.write_text(text)
    settings = OrchestratorSettings(orchestrator_tools=file, orchestrator_agent_profiles=directory)
    async with connected(nats_url, replica_id) as bus:
        runner = build(settings, bus, database, lambda: {granted.name: granted}, replica_id, environ=environ or {})
        pulse = Pulse(bus, "orchestrator", replica_id, lambda: Load(0, 0, False), HEARTBEAT_S)
        await runner.start()
        work = [asyncio.create_task(runner.run()), asyncio.create_task(pulse.run())]
        try:
            yield runner
        finally:
            await end_tasks(work)
            await runner.close()


async def ask(
    bus: Bus, name: str, arguments: object, tool_call_id: str = "call_1", *, call_id: str = CALL, asked: str = "desk"
) -> ToolResult | ToolPending:
    """One request, and its answer."""
    request = ToolRequest(
        call_id=call_id,
        epoch=1,
        profile=asked,
        tool_call_id=tool_call_id,
        name=name,
        arguments=arguments if isinstance(arguments, str) else json.dumps(arguments),
    )
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(UpstreamUnavailable):  # the server does not know yet who listens
                return ToolAnswer.validate_json(await bus.request(subjects.tool(name), request.encode(), ASK_WITHIN_S))
            await asyncio.sleep(0.01)


async def result_of(bus: Bus, name: str, arguments: object, tool_call_id: str = "call_1", **more: str) -> ToolResult:
    """Ask until there is a result, as talkers do."""
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(DeadlineExceeded):  # it was given to a replica that is dead or frozen
                answer = await ask(bus, name, arguments, tool_call_id, **more)
                if isinstance(answer, ToolResult):
                    return answer


def told(result: ToolResult | ToolPending) -> Any:
    """What the model reads."""
    assert isinstance(result, ToolResult)
    return json.loads(result.output)


async def write_facts(bus: Bus, *facts: AnyFact) -> None:
    """Have the stream keep them."""
    writer = FactWriter(bus)
    await writer.start()
    work = asyncio.create_task(writer.run())
    for fact in facts:
        writer.write(fact)
    await writer.settle(10.0)
    await end_tasks([work])
    assert writer.pending == 0


def started(number: str = "+15550100199", call_id: str = CALL) -> CallStarted:
    """The call begins."""
    return CallStarted(
        call_id=call_id,
        leg="twilio",
        edge_id="edge-1",
        profile="desk",
        caller_number=number,
        started_at="2026-01-01T00:00:00Z",
    )


def called(tool_call_id: str, at_ms: int) -> ToolCalled:
    """The model asks for a tool."""
    return ToolCalled(
        call_id=CALL, at_ms=at_ms, item_id=f"item-{tool_call_id}", tool_call_id=tool_call_id, name="x", arguments="{}"
    )


def said(text: str, start_ms: int) -> CallerSaid:
    """The caller speaks."""
    return CallerSaid(
        call_id=CALL, at_ms=start_ms, item_id=f"turn-{start_ms}", text=text, start_ms=start_ms, end_ms=start_ms + 400
    )
