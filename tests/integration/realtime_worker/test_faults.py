"""What the provider does wrong, and what becomes of the call."""

import asyncio
import time
from typing import Any

import pytest

from common.audio import Kind
from common.messages.commands import HandoverPlease
from common.messages.facts import CallerSaid
from integration.realtime_worker.edge_stand_in import EdgeStandIn, Leg, until
from integration.realtime_worker.stage import Stage, Stages, metric
from simulators.people.recordings import load

CALLER = load("caller-2")


async def running_call(on: Stage) -> Leg:
    """A greeted call."""
    leg, _ = await on.edge.offer()
    await on.edge.ready(leg)
    await until(lambda: leg.of(Kind.ITEM_END))
    return leg


async def asked(edge: EdgeStandIn, leg: Leg) -> None:
    """The caller has said something and waits."""
    await edge.speak(leg, CALLER.pcmu, pace=4)
    await edge.be_silent(leg, 700, pace=4)


async def wish(leg: Leg, within_s: float = 8.0) -> HandoverPlease:
    await until(lambda: leg.wishes, within_s)
    return leg.wishes[0]


@pytest.mark.parametrize(
    ("code", "label", "error_code", "is_retryable"),
    [
        (1001, "1001", "unavailable", True),
        (1006, "1006", "unavailable", True),
        (1011, "1011", "unavailable", True),
        (3000, "3000", "rejected", False),
        (4999, "other", "unavailable", True),
    ],
)
async def test_a_closed_socket_asks_for_another_talker_at_once(
    stage: Stages, code: int, label: str, error_code: str, is_retryable: bool
) -> None:
    async with stage() as on:
        leg = await running_call(on)
        closes = {"name": "trunkline_provider_ws_closes_total", "provider": "openai", "code": label}
        before = metric(**closes)
        await on.fault("close", code=code)
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable, wanted.reason) == (error_code, is_retryable, "upstream_failed")
        assert metric(**closes) == before + 1
        await until(lambda: on.edge.heartbeats[-1].calls == 0)


async def test_a_bad_key_is_told_as_such_although_the_upgrade_succeeded(stage: Stages) -> None:
    async with stage(openai_api_key="sk-bad-key") as on:
        leg, _ = await on.edge.offer()
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable) == ("rejected", False)
        assert leg.readies == []
        await until(lambda: on.edge.outcomes)
        assert (on.edge.outcomes[0].attempt, on.edge.outcomes[0].error_code) == ("connect", "rejected")


@pytest.mark.parametrize(
    ("status", "error_code"),
    [(401, "rejected"), (403, "rejected"), (429, "throttled"), (500, "unavailable"), (503, "unavailable")],
)
async def test_a_refused_upgrade_is_classed_by_its_status(stage: Stages, status: int, error_code: str) -> None:
    async with stage() as on:
        await on.fault("refuse_upgrade", status=status)
        leg, _ = await on.edge.offer()
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable) == (error_code, error_code != "rejected")
        await until(lambda: on.edge.heartbeats[-1].calls == 0)


@pytest.mark.parametrize("stage_of_connect", ["handshake", "session"])
async def test_a_black_hole_is_given_up_in_time(stage: Stages, stage_of_connect: str) -> None:
    async with stage(open_timeout_s=0.5) as on:
        await on.fault("black_hole", stage=stage_of_connect)
        started = time.monotonic()
        leg, _ = await on.edge.offer()
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable) == ("deadline", True)
        assert time.monotonic() - started > 0.4
        await until(lambda: on.edge.heartbeats[-1].calls == 0)


async def test_nobody_listening_is_an_outage(stage: Stages) -> None:
    async with stage(openai_base_url="http://127.0.0.1:9/v1") as on:
        leg, _ = await on.edge.offer()
        assert (await wish(leg)).error_code == "unavailable"


@pytest.mark.parametrize(
    ("fault", "error_code"),
    [
        ({"kind": "failed_response"}, "unavailable"),
        ({"kind": "rate_limit"}, "throttled"),
    ],
)
async def test_a_response_that_fails_once_is_asked_for_again(
    stage: Stages, fault: dict[str, Any], error_code: str
) -> None:
    async with stage() as on:
        leg = await running_call(on)
        await on.fault(**fault, times=1)
        await asked(on.edge, leg)
        await until(lambda: len(leg.items) == 2)
        assert leg.wishes == []
        bad = [outcome for outcome in on.edge.outcomes if not outcome.is_ok]
        assert [(outcome.attempt, outcome.error_code) for outcome in bad] == [("response", error_code)]


async def test_responses_that_keep_failing_ask_for_another_talker(stage: Stages) -> None:
    async with stage() as on:
        leg = await running_call(on)
        await on.fault("failed_response")
        await asked(on.edge, leg)
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable) == ("unavailable", True)
        statuses = [response["status"] for response in (await on.session())["responses"]]
        assert statuses == ["completed", "failed", "failed"]


async def test_no_credit_is_not_tried_again(stage: Stages) -> None:
    async with stage() as on:
        leg = await running_call(on)
        await on.fault("failed_response", code="insufficient_quota")
        await asked(on.edge, leg)
        wanted = await wish(leg)
        assert (wanted.error_code, wanted.is_retryable) == ("rejected", False)
        assert len((await on.session())["responses"]) == 2


async def test_silence_after_the_callers_turn_asks_for_another_talker(stage: Stages) -> None:
    async with stage(answer_timeout_s=0.8) as on:
        leg = await running_call(on)
        await on.fault("no_response")
        await asked(on.edge, leg)
        assert (await wish(leg)).error_code == "deadline"
        assert on.edge.heartbeats[-1].calls == 1


async def test_a_slow_answer_within_patience_is_just_slow(stage: Stages) -> None:
    async with stage() as on:
        leg = await running_call(on)
        await on.fault("slow_first_audio", ms=1_500)
        await asked(on.edge, leg)
        await until(lambda: len(leg.items) == 2)
        assert leg.wishes == []


@pytest.mark.parametrize(
    ("what", "label"),
    [
        ("invalid_json", "malformed"),
        ("unknown_type", "unknown_type"),
        ("missing_fields", "malformed"),
        ("binary", "binary"),
        ("huge", "oversized"),
    ],
)
async def test_garbage_is_counted_and_the_call_goes_on(stage: Stages, what: str, label: str) -> None:
    async with stage() as on:
        leg = await running_call(on)
        garbage = {"name": "trunkline_provider_errors_total", "provider": "openai", "code": label}
        before = metric(**garbage)
        await on.fault("garbage_event", what=what)
        await until(lambda: metric(**garbage) > before)
        await asked(on.edge, leg)
        await until(lambda: on.edge.facts_of(leg, CallerSaid))
        await until(lambda: len(leg.items) == 2)
        assert leg.wishes == []


async def test_the_session_cap_hands_the_call_over(stage: Stages) -> None:
    async with stage() as on:
        leg = await running_call(on)
        await on.fault("session_cap", seconds=0.1)
        assert (await wish(leg)).error_code == "unavailable"
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert len(leg.wishes) == 1


async def test_a_truncation_beyond_the_audio_cannot_be_asked_for(stage: Stages) -> None:
    """An edge that claims too much: clamped, no error, the agent still speaks."""
    async with stage() as on:
        leg = await running_call(on)
        leg.began[leg.current_item] = -1_000_000.0
        await asked(on.edge, leg)
        await until(lambda: len(leg.items) == 2)
        assert (await on.session())["refused"] == []


async def test_an_edge_that_does_not_answer_a_clear_does_not_stop_the_call(stage: Stages) -> None:
    async with stage() as on:
        leg = await running_call(on)
        leg.is_deaf = True
        await asked(on.edge, leg)
        await until(lambda: len(leg.items) == 2)
        assert len(leg.clears) == 2
        assert leg.clears[0] == leg.clears[1]


async def test_a_dead_edge_holds_no_slot_for_ever(stage: Stages) -> None:
    async with stage() as on:
        on.edge.edge_id = "edge-nobody"
        await on.edge.offer()
        await asyncio.sleep(0)
        await until(lambda: on.edge.heartbeats[-1].calls == 1)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert await on.closed_by() == {"client"}
