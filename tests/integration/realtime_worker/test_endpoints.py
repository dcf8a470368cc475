"""A worker with two endpoints, each a simulated OpenAI of its own: which one a call's session is opened at."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import cast

import pytest

from common import subjects
from common.audio import Kind
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerStandings, BreakerState, TripReason
from common.messages.offers import Accepted, HandoverReason, Refused
from integration.fallback.replicas import QUICK, fleet, replica
from integration.realtime_worker.edge_stand_in import PROFILE, until
from integration.realtime_worker.openai_process import Simulator, running
from integration.realtime_worker.stage import SCRIPT, Stage, Stages, metric
from realtime_worker.endpoints import Endpoints
from talker.core.place import place_of

MODEL = "gpt-realtime-2.1"


@pytest.fixture(scope="module")
def other_simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    script = tmp_path_factory.mktemp("other") / "script.yaml"
    script.write_text(SCRIPT)
    with running(script) as openai:
        yield openai


@pytest.fixture
async def other(other_simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """The second endpoint, without memory of other tests; its key is in the environment."""
    monkeypatch.setenv("OPENAI_API_KEY_OTHER", "sk-other-key")
    await other_simulator.forget()
    yield other_simulator
    await other_simulator.sim("DELETE", "faults")


def second(other: Simulator, **fields: str) -> str:
    return json.dumps([{"name": "other", "base_url": other.base_url, "key_name": "OPENAI_API_KEY_OTHER", **fields}])


async def counts(on: Stage, other: Simulator) -> tuple[int, int]:
    """Sessions that were opened at each."""
    return len(await on.openai.sessions()), len(await other.sessions())


async def says(on: Stage, state: BreakerState, share: float) -> None:
    """The fallback service tells of the first endpoint's breaker; the worker has heard it when this returns."""
    standing = BreakerStanding(provider="openai", model=MODEL, state=state, mode=BreakerMode.AUTO, share=share)
    said = BreakerStandings(replica_id="fallback-1", standings=(standing,))
    await on.edge.client.publish(subjects.ALL_BREAKERS, said.encode())
    endpoints = cast(Endpoints, on.worker._beside["endpoints"])
    await until(lambda: endpoints._shares.get(("openai", MODEL)) == share)


async def test_a_call_belongs_to_the_first_endpoint(stage: Stages, other: Simulator) -> None:
    async with stage(other_endpoints=second(other)) as on:
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        assert await counts(on, other) == (1, 0)
        assert metric("trunkline_service_level_calls", level="L0") == 1
    assert metric("trunkline_service_level_calls", level="L0") == 0


async def test_when_the_first_refuses_the_second_answers_the_same_offer(stage: Stages, other: Simulator) -> None:
    await stage.openai.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503, "times": 5})
    async with stage(other_endpoints=second(other, model="gpt-realtime-2.1-mini")) as on:
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        (session,) = await other.sessions()
        assert session["model"] == "gpt-realtime-2.1-mini"
        assert metric("trunkline_service_level_calls", level="L1") == 1
        await until(lambda: len(on.edge.outcomes) >= 2)
        assert [(each.model, each.error_code) for each in on.edge.outcomes[:2]] == [
            (MODEL, "unavailable"),
            ("gpt-realtime-2.1-mini", ""),
        ]
    assert metric("trunkline_service_level_calls", level="L1") == 0


async def test_while_its_breaker_is_open_the_first_is_not_even_tried(stage: Stages, other: Simulator) -> None:
    async with stage(other_endpoints=second(other)) as on:
        await says(on, BreakerState.OPEN, 0.0)
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        assert await counts(on, other) == (0, 1)
        await says(on, BreakerState.CLOSED, 1.0)
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        assert await counts(on, other) == (1, 1)


async def test_a_call_that_no_endpoint_may_be_given_is_refused_at_once_and_as_a_last_resort_tried(
    stage: Stages,
) -> None:
    async with stage() as on:
        await says(on, BreakerState.OPEN, 0.0)
        _, answer = await on.edge.offer()
        assert isinstance(answer, Refused)
        assert answer.reason == "provider_down"
        assert not await on.openai.sessions()
        leg, _ = await on.edge.offer(is_last_resort=True)
        assert (await on.edge.ready(leg)).realtime_session_id


async def test_on_the_way_back_a_share_of_the_calls_is_admitted_and_another_model_is_another_matter(
    stage: Stages,
) -> None:
    async with stage() as on:
        await says(on, BreakerState.RAMPING, 0.5)
        calls = [f"call-{number}" for number in range(12)]
        for call_id in calls:
            leg, answer = await on.edge.offer(call_id=call_id)
            assert isinstance(answer, Accepted) == (place_of(call_id) < 0.5)
            if isinstance(answer, Accepted):
                await on.edge.ready(leg)
                await on.edge.release(leg)
        refused = next(call_id for call_id in calls if place_of(call_id) >= 0.5)
        mini = PROFILE.model_copy(update={"model": "gpt-realtime-2.1-mini"})
        _, answer = await on.edge.offer(call_id=refused, profile=mini)
        assert isinstance(answer, Accepted)


async def test_a_call_that_lost_its_session_upstream_goes_to_the_other_endpoint(
    stage: Stages, other: Simulator
) -> None:
    async with stage(other_endpoints=second(other)) as on:
        leg, _ = await on.edge.offer(reason=HandoverReason.UPSTREAM_FAILED, epoch=2)
        await on.edge.ready(leg)
        assert await counts(on, other) == (0, 1)


async def test_when_both_refuse_the_edge_is_told_what_the_last_one_said(stage: Stages, other: Simulator) -> None:
    await stage.openai.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503, "times": 5})
    await other.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 429, "times": 5})
    async with stage(other_endpoints=second(other)) as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.wishes)
        assert (leg.wishes[0].reason, leg.wishes[0].error_code) == (HandoverReason.UPSTREAM_FAILED, "throttled")


async def test_an_outage_is_learned_by_the_fleet_and_when_it_is_over_calls_come_back(
    stage: Stages, other: Simulator
) -> None:
    await stage.openai.sim("POST", "faults", {"kind": "refuse_upgrade", "status": 503})
    async with (
        stage(other_endpoints=second(other)) as on,
        fleet(stage.nats_url) as told,
        replica(stage.nats_url, **QUICK),
    ):
        await told.ask()
        for count in range(1, 6):
            leg, _ = await on.edge.offer()
            await on.edge.ready(leg)
            assert await counts(on, other) == (0, count)
        standing = await told.stands("open")
        assert (standing.provider, standing.reason) == ("openai", TripReason.CONNECTS)
        endpoints = cast(Endpoints, on.worker._beside["endpoints"])
        await until(lambda: endpoints._shares.get(("openai", MODEL)) == 0)
        await stage.openai.sim("DELETE", "faults")
        await told.stands("closed")
        await until(lambda: endpoints._shares.get(("openai", MODEL)) == 1)
        before = await counts(on, other)
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        assert await counts(on, other) == (before[0] + 1, before[1])


async def test_a_call_comes_back_at_a_quiet_moment_once_its_endpoint_works_again(
    stage: Stages, other: Simulator
) -> None:
    async with stage(other_endpoints=second(other), lowered_at_least_s=0.0) as on:
        await says(on, BreakerState.OPEN, 0.0)
        leg, _ = await on.edge.offer()
        await on.edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        await says(on, BreakerState.HALF_OPEN, 0.0)
        await says(on, BreakerState.RAMPING, place_of(leg.call_id) / 2)
        assert leg.wishes == []
        await says(on, BreakerState.CLOSED, 1.0)
        await until(lambda: leg.wishes)
        await says(on, BreakerState.CLOSED, 1.0)
        assert [wish.reason for wish in leg.wishes] == [HandoverReason.BREAKER_CLOSED], "told once is enough"
        again, _ = await on.edge.offer(call_id=leg.call_id, epoch=2, reason=HandoverReason.BREAKER_CLOSED)
        await on.edge.ready(again)
        assert await counts(on, other) == (1, 1)


async def test_a_call_that_has_just_gone_elsewhere_is_not_brought_back_at_once(stage: Stages, other: Simulator) -> None:
    async with stage(other_endpoints=second(other)) as on:
        lowered, _ = await on.edge.offer(reason=HandoverReason.UPSTREAM_FAILED, epoch=2)
        await on.edge.ready(lowered)
        usual, _ = await on.edge.offer()
        await on.edge.ready(usual)
        for share in (0.5, 1.0):
            await says(on, BreakerState.RAMPING, share)
        assert (lowered.wishes, usual.wishes) == ([], [])
