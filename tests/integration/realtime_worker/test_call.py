"""A call from offer to release, over a real bus and with a real speech socket."""

import asyncio

import pytest

from common import ids
from common.audio import Kind
from common.conversation import Turn
from common.messages.facts import CallerSaid, TurnStarted, UsageReported
from common.messages.offers import Accepted, HandoverReason, Refused
from integration.realtime_worker.edge_stand_in import PROFILE, EdgeStandIn, Leg, until
from integration.realtime_worker.stage import Stages, metric
from simulators.people.recordings import load

CALLER = load("caller-2")


async def greeted(edge: EdgeStandIn) -> Leg:
    """A call whose greeting has come."""
    leg, answer = await edge.offer()
    assert isinstance(answer, Accepted)
    await edge.ready(leg)
    await until(lambda: leg.of(Kind.ITEM_END))
    return leg


async def test_a_call_is_greeted_understood_answered_and_can_be_interrupted(stage: Stages) -> None:
    async with stage() as on:
        edge = on.edge
        leg = await greeted(edge)
        greeting = leg.items[0]
        assert leg.text_of(greeting) == PROFILE.greeting
        assert leg.audio_ms(greeting) == pytest.approx(load("agent-greeting").duration_ms, abs=40)

        await edge.be_silent(leg, 5_000, pace=1.2)
        await edge.speak(leg, CALLER.pcmu)
        await edge.be_silent(leg, 900)
        await until(lambda: edge.facts_of(leg, CallerSaid))
        (said,) = edge.facts_of(leg, CallerSaid)
        assert said.text == CALLER.text
        assert said.start_ms == pytest.approx(5_000, abs=400)
        assert said.end_ms == pytest.approx(5_000 + CALLER.duration_ms, abs=500)
        assert edge.facts_of(leg, TurnStarted)[0].item_id == said.item_id

        await until(lambda: len(leg.items) == 2)
        assert leg.of(Kind.ITEM)[1][3] == said.end_ms
        await edge.be_silent(leg, 1_500)
        answered = leg.items[1]
        await edge.speak(leg, load("caller-5").pcmu)
        await edge.be_silent(leg, 900)
        (cut,) = (each for each in leg.cleared if each.item_id == answered)
        session = await on.session()
        assert {"item_id": answered, "audio_end_ms": cut.heard_ms}.items() <= session["truncations"][-1].items()
        assert session["refused"] == []

        await until(lambda: len(leg.items) == 3)
        last = leg.items[2]
        await until(lambda: leg.of(Kind.ITEM_END)[-1][5].decode() == last)
        assert leg.text_of(last) == load("agent-i-see").text
        assert [record[2] for record in leg.records] == list(range(1, len(leg.records) + 1))
        assert {record[1] for record in leg.records} == {1}

        await until(lambda: len(edge.facts_of(leg, UsageReported)) == 3)
        assert all(outcome.is_ok for outcome in edge.outcomes)
        assert {outcome.attempt for outcome in edge.outcomes} == {"connect", "response"}
        await edge.release(leg)
        await until(lambda: edge.heartbeats[-1].calls == 0)
        assert await on.closed_by() == {"client"}


async def test_every_frame_reaches_the_model_once_and_in_order(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on.edge)
        await on.edge.speak(leg, CALLER.pcmu, pace=4)
        await on.edge.be_silent(leg, 600, pace=4)
        heard = (await on.session())["caller_audio"]
        assert heard["count"] == leg.clock_ms // 20
        assert heard["recognition"]["missing_frames"] == 0
        assert heard["recognition"]["in_order"]


async def test_frames_of_another_epoch_or_call_are_dropped_and_counted(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on.edge)
        dropped = {"name": "trunkline_audio_frames_dropped_total", "direction": "caller", "reason": "no_call"}
        before = metric(**dropped)
        await on.edge.send_frame(leg, b"\xff" * 160, epoch=7)
        await on.edge.send_frame(Leg("another-call"), b"\xff" * 160)
        await until(lambda: metric(**dropped) == before + 2)
        assert (await on.session())["caller_audio"]["count"] == 0


async def test_a_malformed_batch_harms_nobody(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on.edge)
        for batch in (b"", b"TA", b"\x00" * 40):
            await on.edge.client.publish(f"trunk.v1.audio.caller.{on.edge.talker_id}", batch)
        await on.edge.client.publish(f"trunk.v1.talker.{on.edge.talker_id}", b'{"type":"release"}')
        await on.edge.be_silent(leg, 200, pace=4)
        await asyncio.sleep(0.1)
        assert (await on.session())["caller_audio"]["count"] == 10


async def test_an_edge_that_changed_its_mind_gets_its_slot_back(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer(is_granted=False)
        await on.edge.ready(leg)
        await until(lambda: on.edge.heartbeats and on.edge.heartbeats[-1].calls == 0)
        assert leg.records == []
        assert (await on.session())["client_events"].get("response.create") is None


async def test_a_running_call_is_taken_over_without_another_greeting(stage: Stages) -> None:
    said = (
        Turn(speaker="agent", item_id="item_a", text="Hello, how can I help?", start_ms=0, end_ms=2_000),
        Turn(speaker="caller", item_id="x" * 40, text="When do you open?", start_ms=2_500, end_ms=4_000),
    )
    async with stage() as on:
        leg, _ = await on.edge.offer(reason=HandoverReason.TALKER_LOST, epoch=4, conversation=said)
        await on.edge.ready(leg)
        await until(lambda: leg.of(Kind.ITEM_END))
        items = (await on.session())["items"]
        assert [(item["role"], item["text"]) for item in items[:2]] == [
            ("assistant", "Hello, how can I help?"),
            ("user", "When do you open?"),
        ]
        assert items[2]["role"] == "system"
        assert leg.text_of(leg.items[0]).startswith("The reading room")
        assert {record[1] for record in leg.records} == {4}


async def test_a_full_worker_refuses_and_the_same_offer_again_is_the_same_call(stage: Stages) -> None:
    async with stage(capacity=1) as on:
        leg = await greeted(on.edge)
        _, again = await on.edge.offer(call_id=leg.call_id)
        assert isinstance(again, Accepted)
        _, other = await on.edge.offer()
        assert isinstance(other, Refused)
        assert other.reason == "full"
        assert len(await on.openai.sessions()) == 1


@pytest.mark.parametrize("offer", [b"", b"{}", b'{"call_id":"a.b","edge_id":">"}'])
async def test_a_malformed_offer_is_refused(stage: Stages, offer: bytes) -> None:
    async with stage() as on:
        answer = Refused.decode((await on.edge.request(offer)).data)
        assert answer.reason == "malformed"


async def test_an_offer_with_ids_that_would_leave_their_subject_is_refused(stage: Stages) -> None:
    async with stage() as on:
        _, answer = await on.edge.offer(call_id="call.>")
        assert isinstance(answer, Refused)
        assert answer.reason == "malformed"


async def test_a_leg_that_went_silent_for_good_frees_its_slot(stage: Stages) -> None:
    async with stage(orphan_after_s=1.5) as on:
        await greeted(on.edge)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert await on.closed_by() == {"client"}


async def test_draining_waits_for_calls_and_takes_no_more(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on.edge)
        draining = asyncio.create_task(on.worker.drain())
        await until(lambda: on.edge.heartbeats[-1].is_draining)
        assert on.edge.heartbeats[-1].capacity == 0
        await asyncio.sleep(0.2)
        assert not draining.done()
        await on.edge.release(leg)
        await asyncio.wait_for(draining, 2)


async def test_the_drain_deadline_ends_the_wait(stage: Stages) -> None:
    async with stage(drain_deadline_s=0.2) as on:
        await greeted(on.edge)
        await asyncio.wait_for(on.worker.drain(), 2)
        await on.worker.stop()
        await until(lambda: on.edge.heartbeats[-1].is_farewell)
        assert await on.closed_by() == {"client"}


async def test_nothing_is_left_behind(stage: Stages) -> None:
    before = asyncio.all_tasks()
    async with stage() as on:
        legs = [await greeted(on.edge) for _ in range(3)]
        assert len({ids.call_key(leg.call_id) for leg in legs}) == 3
        for leg in legs:
            await on.edge.release(leg)
        await until(lambda: on.edge.heartbeats[-1].calls == 0)
        assert metric("trunkline_calls_active", service="realtime_worker") == 0
        assert await on.closed_by() == {"client"}
    await asyncio.sleep(0.05)
    assert asyncio.all_tasks() <= before
