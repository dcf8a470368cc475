"""Tools in a live call: asked for on a real bus, their results used, whatever happens to who runs them."""

import json
import time

import pytest

from common.audio import Kind
from common.conversation import ToolTurn, Turn
from common.messages.facts import ToolCalled, ToolReturned
from common.messages.offers import HandoverReason
from common.messages.tools import HangUpOrder, SendDigitsOrder, ToolRequest, TransferOrder
from integration.realtime_worker.edge_stand_in import Leg, until
from integration.realtime_worker.stage import Stage, Stages, metric
from integration.realtime_worker.steering import (
    CALLER,
    CLERK,
    END_CALL,
    Runner,
    asks,
    pending,
    responses,
    result,
    says,
)
from talker.tool_requests import NO_TOOL_RESULT

ANSWER = "There is one task."


async def asked_for_tasks(on: Stage) -> Leg:
    """A call whose caller has asked for what only a tool can tell."""
    leg, _ = await on.edge.offer(profile=CLERK)
    await until(lambda: leg.of(Kind.ITEM_END))
    await on.edge.be_silent(leg, leg.audio_ms(leg.items[0]), pace=100)
    await asks(on, leg)
    return leg


async def test_a_tool_is_run_and_its_result_used(stage: Stages) -> None:
    runner = Runner(result())
    async with stage() as on:
        await runner.start(on.edge)
        leg = await asked_for_tasks(on)
        await says(leg, ANSWER)
        (request,) = runner.asked
        assert (request.call_id, request.epoch, request.profile, request.name) == (
            leg.call_id,
            1,
            CLERK.name,
            "list_tasks",
        )
        assert json.loads(request.arguments) == {"day": 1}
        (called,) = on.edge.facts_of(leg, ToolCalled)
        (returned,) = on.edge.facts_of(leg, ToolReturned)
        assert called.tool_call_id == returned.tool_call_id == request.tool_call_id
        assert (returned.output, returned.is_error) == ('["water the plants"]', False)
        session = await on.session()
        assert [item["text"] for item in session["items"] if item["type"] == "function_call_output"] == [
            returned.output
        ]
        assert session["refused"] == []
        assert [each["status"] for each in await responses(on, 3)] == ["completed"] * 3
        assert leg.wishes == []


async def test_a_tool_that_takes_long_is_asked_for_again_and_the_caller_hears_a_word_once(stage: Stages) -> None:
    def slow(request: ToolRequest) -> object:
        return result()(request) if len(runner.asked) > 3 else pending(request, "One moment.")

    runner = Runner(slow)  # type: ignore[arg-type]
    async with stage() as on:
        await runner.start(on.edge)
        leg = await asked_for_tasks(on)
        await says(leg, ANSWER)
        assert len({request.tool_call_id for request in runner.asked}) == 1
        assert [leg.text_of(item) for item in leg.items[1:]] == ["One moment.", ANSWER]
        session = await on.session()
        assert session["refused"] == []
        assert len(on.edge.facts_of(leg, ToolReturned)) == 1


async def test_a_runner_that_dies_costs_nothing_but_time(stage: Stages) -> None:
    """The first one is gone before it has answered; nobody is there for a while; the next one knows the request."""
    gone, other = Runner(lambda request: None), Runner(result())
    async with stage() as on:
        subscription = await on.edge.client.subscribe("trunk.v1.tool.list_tasks", cb=gone._on_request)
        leg = await asked_for_tasks(on)
        await until(lambda: gone.asked)
        await subscription.unsubscribe()
        await other.start(on.edge)
        await says(leg, ANSWER)
        assert gone.asked[0].tool_call_id == other.asked[0].tool_call_id
        assert len(on.edge.facts_of(leg, ToolCalled)) == 1


@pytest.mark.parametrize("answer", [b"no answer", b'{"kind": "result", "tool_call_id": "another", "output": ""}'])
async def test_an_answer_that_makes_no_sense_is_told_to_the_model_as_a_failure(stage: Stages, answer: bytes) -> None:
    malformed = metric("trunkline_bus_rejects_total", kind="malformed")
    runner = Runner(lambda request: answer)
    async with stage() as on:
        await runner.start(on.edge)
        leg = await asked_for_tasks(on)
        await says(leg, ANSWER)
        (returned,) = on.edge.facts_of(leg, ToolReturned)
        assert (returned.output, returned.is_error) == (NO_TOOL_RESULT, True)
        assert metric("trunkline_bus_rejects_total", kind="malformed") == malformed + 1


async def test_a_call_that_ends_waits_for_no_tool(stage: Stages) -> None:
    async with stage() as on:
        await Runner(pending).start(on.edge)
        leg = await asked_for_tasks(on)
        await until(lambda: on.edge.facts_of(leg, ToolCalled))
        await on.edge.release(leg)
        await until(lambda: on.edge.heartbeats[-1].calls == 0, within_s=1.5)


async def test_a_tool_without_a_result_is_asked_for_again_by_the_next_talker(stage: Stages) -> None:
    asked = Turn(speaker="caller", item_id="item_b", text=CALLER.text, start_ms=2_500, end_ms=4_000)
    open_call = ToolTurn(
        item_id="item_t", tool_call_id="call_of_before", name="list_tasks", arguments='{"day": 1}', start_ms=4_100
    )
    runner = Runner(lambda request: pending(request) if len(runner.asked) < 3 else result()(request))
    async with stage() as on:
        await runner.start(on.edge)
        leg, _ = await on.edge.offer(
            profile=CLERK,
            reason=HandoverReason.TALKER_LOST,
            epoch=4,
            clock_ms=5_000,
            conversation=(asked, open_call),
        )
        await says(leg, ANSWER)
        assert {(each.tool_call_id, each.arguments, each.epoch) for each in runner.asked} == {
            ("call_of_before", '{"day": 1}', 4)
        }
        assert [each["status"] for each in await responses(on, 1)] == ["completed"]
        session = await on.session()
        assert session["refused"] == []
        assert on.edge.facts_of(leg, ToolCalled) == []
        assert [fact.tool_call_id for fact in on.edge.facts_of(leg, ToolReturned)] == ["call_of_before"]


# --- orders ---------------------------------------------------------------------------------------------------------

ENDER = CLERK.model_copy(update={"instructions": "You are a clerk who ends calls.", "tools": (END_CALL,)})


async def asked_to_end(on: Stage) -> Leg:
    leg, _ = await on.edge.offer(profile=ENDER)
    await until(lambda: leg.of(Kind.ITEM_END))
    await on.edge.be_silent(leg, leg.audio_ms(leg.items[0]), pace=100)
    await asks(on, leg)
    return leg


async def test_a_call_is_ended_after_the_goodbye_was_heard(stage: Stages) -> None:
    async with stage() as on:
        await Runner(result("ended", order=HangUpOrder())).start(on.edge, "end_call")
        leg = await asked_to_end(on)
        goodbye = await says(leg, "Goodbye.")
        await until(lambda: leg.hang_ups)
        assert time.monotonic() - leg.began[goodbye] >= leg.audio_ms(goodbye) / 1_000


async def test_a_caller_is_given_to_a_human_after_the_agent_has_said_so(stage: Stages) -> None:
    async with stage() as on:
        order = TransferOrder(to="front-desk", summary="A refund.")
        await Runner(result("done", order=order)).start(on.edge, "end_call")
        leg = await asked_to_end(on)
        await says(leg, "Goodbye.")
        await until(lambda: leg.transfers)
        assert (leg.transfers[0].to, leg.transfers[0].summary) == ("front-desk", "A refund.")
        assert leg.hang_ups == []


async def test_keys_are_sounds_among_the_agents_audio(stage: Stages) -> None:
    async with stage() as on:
        await Runner(result("sent", order=SendDigitsOrder(digits="42"))).start(on.edge, "end_call")
        leg = await asked_to_end(on)
        await says(leg, "Goodbye.")
        tones = leg.items[1]
        assert (leg.audio_ms(tones), leg.text_of(tones)) == (320, "")
        assert (await on.session())["refused"] == []
