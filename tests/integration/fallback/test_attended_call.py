"""A call on the turn-based pipeline: a real bus, a real detector, real requests to the simulated OpenAI."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from common import subjects
from common.agents import ToolGrant
from common.audio import Kind
from common.conversation import Turn
from common.messages.facts import (
    CallerSaid,
    LevelCause,
    ServiceLevelChanged,
    ToolCalled,
    ToolReturned,
    TurnStarted,
    UsageReported,
)
from common.messages.offers import HandoverReason
from common.messages.tools import ToolRequest, ToolResult
from fallback import bootstrap
from integration.fallback.desk import PROFILE, Desk, desk, greeted
from integration.realtime_worker.edge_stand_in import Leg, until
from integration.realtime_worker.openai_process import Simulator
from simulators.people.recordings import load
from talker.tool_requests import NO_TOOL_RESULT

CALLER = load("caller-2")


async def test_a_call_is_greeted_understood_answered_and_can_be_interrupted(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    async with desk(openai, nats_url, tmp_path) as on:
        edge = on.edge
        leg = await greeted(on)
        greeting = leg.items[0]
        assert leg.text_of(greeting) == PROFILE.greeting
        (level,) = edge.facts_of(leg, ServiceLevelChanged)
        assert (level.level, level.before, level.cause) == (2, 0, LevelCause.PROVIDER_FAILED)

        await edge.be_silent(leg, leg.audio_ms(greeting), pace=2)
        await edge.speak(leg, CALLER.pcmu)
        await edge.be_silent(leg, 900)
        await until(lambda: edge.facts_of(leg, CallerSaid), within_s=20)
        (said,) = edge.facts_of(leg, CallerSaid)
        assert said.text == CALLER.text
        assert said.end_ms - said.start_ms == pytest.approx(CALLER.duration_ms, abs=400)
        assert edge.facts_of(leg, TurnStarted)[0].item_id == said.item_id

        await until(lambda: len(leg.items) == 2 and leg.audio_ms(leg.items[1]) > 1_000, within_s=20)
        answer = leg.items[1]
        await edge.be_silent(leg, 600)
        await edge.speak(leg, load("caller-5").pcmu)
        await edge.be_silent(leg, 900)
        await until(lambda: len(edge.facts_of(leg, CallerSaid)) == 2, within_s=20)
        (cut,) = (each for each in leg.cleared if each.item_id == answer)
        await until(lambda: len(leg.items) == 3, within_s=20)
        (_, last) = await on.requests("chat")
        remembered = [message for message in last["asked"]["messages"] if message["role"] == "assistant"][-1]["content"]
        whole = leg.text_of(answer)
        assert whole.startswith(remembered)
        assert len(remembered) < len(whole)
        assert 0 < cut.heard_ms < leg.audio_ms(answer)
        await until(lambda: len(edge.facts_of(leg, UsageReported)) == 2)
        assert edge.outcomes == []  # no realtime provider was asked anything
        await edge.release(leg)
        await until(lambda: edge.heartbeats[-1].calls == 0)


async def test_a_running_call_goes_on_with_its_conversation_and_the_question_nobody_answered(
    openai: Simulator, nats_url: str, tmp_path: Path
) -> None:
    said = (
        Turn(speaker="agent", item_id="item_a", text="Hello, how can I help?", start_ms=0, end_ms=2_000),
        Turn(speaker="caller", item_id="item_b", text="Is the book on Kyoto in?", start_ms=2_500, end_ms=4_000),
        Turn(speaker="agent", item_id="item_c", text="It is.", start_ms=4_500, end_ms=5_000),
    )
    async with desk(openai, nats_url, tmp_path) as on:
        leg, _ = await on.edge.offer(
            reason=HandoverReason.UPSTREAM_FAILED,
            epoch=4,
            conversation=said,
            clock_ms=9_000,
            replay=CALLER.pcmu + b"\xff" * 8_000,
        )
        await on.edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        (asked,) = await on.requests("chat")
        words = [(message["role"], message["content"]) for message in asked["asked"]["messages"]]
        assert words[1:4] == [("assistant", said[0].text), ("user", said[1].text), ("assistant", said[2].text)]
        assert words[-1] == ("user", CALLER.text)


TASK = ToolGrant(
    name="get_task",
    description="Look a task up.",
    parameters={"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
)
WITH_TOOL = PROFILE.model_copy(update={"tools": (TASK,)})


async def asks_for_a_tool(on: Desk) -> Leg:
    """A call whose caller has asked for what only a tool can tell, and was answered."""
    leg = await greeted(on, profile=WITH_TOOL)
    await on.edge.be_silent(leg, leg.audio_ms(leg.items[0]), pace=2)
    await on.edge.speak(leg, load("caller-3").pcmu)
    await on.edge.be_silent(leg, 900)
    await until(lambda: any(load("agent-say-again").text in leg.text_of(item) for item in leg.items), within_s=20)
    return leg


async def test_an_agents_tools_work_here_too(openai: Simulator, nats_url: str, tmp_path: Path) -> None:
    asked: list[ToolRequest] = []

    async def run(message: Msg) -> None:
        asked.append(ToolRequest.decode(message.data))
        await message.respond(ToolResult(tool_call_id=asked[-1].tool_call_id, output='{"task":"call back"}').encode())

    async with desk(openai, nats_url, tmp_path) as on:
        await on.edge.client.subscribe(subjects.tool("get_task"), queue="tools", cb=run)
        leg = await asks_for_a_tool(on)
        (request,) = asked
        assert (request.call_id, request.epoch, request.profile) == (leg.call_id, 1, WITH_TOOL.name)
        assert json.loads(request.arguments) == {"id": 7}
        (called,) = on.edge.facts_of(leg, ToolCalled)
        (returned,) = on.edge.facts_of(leg, ToolReturned)
        assert called.tool_call_id == returned.tool_call_id == request.tool_call_id
        told = (await on.requests("chat"))[-1]["asked"]["messages"]
        assert [message["content"] for message in told if message["role"] == "tool"] == ['{"task":"call back"}']


async def test_a_tool_that_nobody_runs_is_told_to_the_model_as_a_failure(
    openai: Simulator, nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "_PATIENCE", replace(bootstrap._PATIENCE, tool_unanswered_s=0.5))
    async with desk(openai, nats_url, tmp_path) as on:
        leg = await asks_for_a_tool(on)
        (returned,) = on.edge.facts_of(leg, ToolReturned)
        assert returned.output == NO_TOOL_RESULT
        told = (await on.requests("chat"))[-1]["asked"]["messages"]
        assert [message["content"] for message in told if message["role"] == "tool"] == [NO_TOOL_RESULT]
