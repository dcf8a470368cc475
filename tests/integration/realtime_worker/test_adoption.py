"""An edge dies, another goes on with its call: the talker keeps its session and says what the dead one knew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from common import ids
from common.audio import Kind
from common.messages.commands import Release
from common.messages.facts import CallerSaid
from integration.realtime_worker.edge_stand_in import EdgeStandIn, Leg, stand_in, until
from integration.realtime_worker.stage import Stage, Stages, metric
from simulators.people.recordings import load

CALLER = load("caller-2")


@asynccontextmanager
async def mid_greeting(stage: Stages, **settings: Any) -> AsyncIterator[tuple[Stage, EdgeStandIn, Leg]]:
    """The agent has spoken for a second and a half when the edge dies; another edge is there."""
    async with stage(**settings) as on, stand_in(stage.nats_url) as other:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        await on.edge.be_silent(leg, 1_500)
        await on.edge.die()
        yield on, other, leg


async def test_a_turn_that_was_cut_short_is_told_as_heard_forgotten_and_gone_on_with(stage: Stages) -> None:
    async with mid_greeting(stage) as (on, other, leg):
        greeting = leg.items[0]
        answer = await other.adopt(leg, on.edge)
        assert answer.is_adopted
        (left,) = answer.left_over
        assert left.item_id == greeting
        assert 1_000 <= left.heard_ms < left.audio_ms
        assert load("agent-greeting").text.startswith(left.text)
        assert left.text
        assert answer.leg_clock_ms == 1_500
        await until(lambda: leg.of(Kind.ITEM_END))
        session = await on.session()
        assert leg.text_of(leg.items[0]) == load("agent-i-see").text
        assert session["truncations"][0]["audio_end_ms"] == left.heard_ms
        assert [response["status"] for response in session["responses"]] == ["completed", "completed"]
        assert session["refused"] == []
        assert {record[1] for record in leg.records} == {2}
        assert len(await on.openai.sessions()) == 1


async def test_an_answer_under_way_is_stopped_first(stage: Stages) -> None:
    async with stage() as on, stand_in(stage.nats_url) as other:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        await on.edge.speak(leg, load("caller-3").pcmu, pace=4)
        await on.edge.be_silent(leg, 700, pace=4)
        await until(lambda: len(leg.items) == 2 and leg.audio_ms(leg.items[1]) > 1_000)
        greeting, answered = leg.items
        await on.edge.die()
        answer = await other.adopt(leg, on.edge, known_items=(greeting,))
        assert [left.item_id for left in answer.left_over] in ([], [answered])
        await until(lambda: leg.of(Kind.ITEM_END))
        session = await on.session()
        assert [response["status"] for response in session["responses"]][1:] == ["cancelled", "completed"]
        assert session["refused"] == []


async def test_the_call_goes_on_as_if_nothing_had_been(stage: Stages) -> None:
    async with mid_greeting(stage) as (on, other, leg):
        await other.adopt(leg, on.edge, leg_clock_ms=4_000)
        await until(lambda: leg.of(Kind.ITEM_END))
        count = len(leg.items)
        await other.be_silent(leg, 300)
        await other.speak(leg, CALLER.pcmu)
        await other.be_silent(leg, 900)
        await until(lambda: other.facts_of(leg, CallerSaid))
        (said,) = other.facts_of(leg, CallerSaid)
        assert (said.text, said.epoch) == (CALLER.text, 2)
        assert said.start_ms == pytest.approx(4_300, abs=400)
        assert leg.clears[-1].epoch == 2
        await until(lambda: len(leg.items) == count + 1)
        await other.release(leg)
        await until(lambda: other.heartbeats[-1].calls == 0)


async def test_asked_again_the_talker_answers_the_same_and_does_it_once(stage: Stages) -> None:
    async with mid_greeting(stage) as (on, other, leg):
        first = await other.adopt(leg, on.edge)
        again = await other.adopt(leg, on.edge, epoch=1, new_epoch=2, leg_clock_ms=1_500)
        assert again == first
        await until(lambda: leg.of(Kind.ITEM_END))
        assert len((await on.session())["responses"]) == 2


async def test_the_epoch_before_is_over(stage: Stages) -> None:
    rejects = {"name": "trunkline_bus_rejects_total", "kind": "no_call"}
    dropped = {"name": "trunkline_audio_frames_dropped_total", "direction": "caller", "reason": "no_call"}
    async with mid_greeting(stage) as (on, other, leg):
        await other.adopt(leg, on.edge)
        refused, lost = metric(**rejects), metric(**dropped)
        await other.tell(Release(call_id=leg.call_id, epoch=1, reason="stale"))
        await other.send_frame(leg, b"\xff" * 160, epoch=1)
        await until(lambda: metric(**rejects) == refused + 1 and metric(**dropped) == lost + 1)
        assert other.heartbeats[-1].calls == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"epoch": 5, "new_epoch": 6},
        {"new_epoch": 2, "epoch": 2},
        {"new_epoch": 2**40},
        {"edge_id": "edge.>"},
        {"call_id": "another-call"},
    ],
)
async def test_a_forged_or_stale_adoption_changes_nothing(stage: Stages, changes: dict[str, Any]) -> None:
    async with mid_greeting(stage) as (on, other, leg):
        refused = metric("trunkline_adoptions_total", result="refused")
        assert not (await other.adopt(leg, on.edge, **changes)).is_adopted
        assert metric("trunkline_adoptions_total", result="refused") == refused + 1
        assert (await on.session())["truncations"] == []
        assert (await other.adopt(leg, on.edge)).is_adopted


async def test_a_candidate_cannot_be_adopted(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer(is_granted=False, may_wait=True)
        await on.edge.ready(leg)
        assert not (await on.edge.adopt(leg, on.edge)).is_adopted


async def test_the_call_keeps_its_one_slot(stage: Stages) -> None:
    async with mid_greeting(stage, capacity=1) as (on, other, leg):
        await other.adopt(leg, on.edge)
        assert metric("trunkline_calls_active", service="realtime_worker") == 1
        await other.release(leg)
        await until(lambda: metric("trunkline_calls_active", service="realtime_worker") == 0)


# --- nobody there ---------------------------------------------------------------------------------------------------


async def test_a_talker_that_hears_nothing_asks_and_stays_until_it_is_adopted(stage: Stages) -> None:
    async with stage() as on, stand_in(stage.nats_url) as other:
        leg, _ = await on.edge.offer()
        await until(lambda: len(leg.standings) == 2)
        assert on.edge.heartbeats[-1].calls == 1
        await on.edge.die()
        assert (await other.adopt(leg, on.edge)).is_adopted


async def test_a_talker_that_was_superseded_closes_its_session(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer()
        leg.is_current = False
        await until(lambda: on.edge.heartbeats[-1].calls == 1)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert len(leg.standings) == 1
        assert await on.closed_by() == {"client"}


async def test_a_talker_whose_edge_confirms_it_stays_without_audio(stage: Stages) -> None:
    async with stage(orphan_after_s=4.0) as on:
        leg, _ = await on.edge.offer()
        leg.is_current = True
        await until(lambda: len(leg.standings) == 2)
        assert on.edge.heartbeats[-1].calls == 1


async def test_whoever_talks_says_so_and_others_stay_silent(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        answer = await on.edge.who_talks(leg.call_id)
        assert answer is not None
        assert (answer.talker_id, answer.epoch) == (on.edge.talker_id, 1)
        assert await on.edge.who_talks(ids.new_id("call")) is None


async def test_an_edge_that_was_away_gets_again_what_it_missed(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        missed = list(leg.records)
        await on.edge.catch_up(30.0)
        await until(lambda: len(leg.records) == 2 * len(missed))
        assert leg.records[len(missed) :] == missed


async def test_a_ping_is_answered(stage: Stages) -> None:
    async with stage() as on:
        await on.edge.offer()
        async with asyncio.timeout(5):
            assert await on.edge.ping() == b"{}"
