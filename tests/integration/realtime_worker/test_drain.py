"""A worker that ends gives its calls away; a session that grows old does the same with its one."""

import asyncio

import pytest
from nats.errors import NoRespondersError

from common.audio import Kind
from common.messages.offers import HandoverReason
from integration.realtime_worker.edge_stand_in import EdgeStandIn, Leg, until
from integration.realtime_worker.stage import Stages, metric
from realtime_worker.warm_sessions import WarmSessions
from simulators.people.recordings import load

CALLER = load("caller-2")


async def greeted(edge: EdgeStandIn) -> Leg:
    leg, _ = await edge.offer()
    await until(lambda: leg.of(Kind.ITEM_END))
    return leg


async def test_every_call_asks_for_another_talker_and_the_drain_ends_with_the_last(stage: Stages) -> None:
    async with stage() as on:
        legs = [await greeted(on.edge) for _ in range(3)]
        draining = asyncio.create_task(on.worker.drain())
        await until(lambda: all(leg.wishes for leg in legs))
        assert {leg.wishes[0].reason for leg in legs} == {HandoverReason.DRAIN}
        assert all(leg.wishes[0].is_retryable for leg in legs)
        with pytest.raises(NoRespondersError):
            await on.edge.offer()
        for leg in legs:
            assert not draining.done()
            await on.edge.release(leg)
        async with asyncio.timeout(5):
            await draining


async def test_a_call_that_leaves_does_not_take_the_others_with_it(stage: Stages) -> None:
    """livekit/agents#4268: a draining worker killed its other calls when the first one ended."""
    async with stage() as on:
        first, second = [await greeted(on.edge) for _ in range(2)]
        draining = asyncio.create_task(on.worker.drain())
        await until(lambda: first.wishes and second.wishes)
        await on.edge.release(first)
        await until(lambda: on.edge.heartbeats[-1].calls == 1)
        await on.edge.speak(second, CALLER.pcmu, pace=2)
        await on.edge.be_silent(second, 700, pace=2)
        await until(lambda: len(second.items) == 2)
        await until(lambda: second.of(Kind.ITEM_END)[-1][5].decode() == second.items[1])
        await on.edge.release(second)
        async with asyncio.timeout(5):
            await draining


async def test_a_call_nobody_takes_is_asked_for_again(stage: Stages) -> None:
    async with stage() as on:
        leg = await greeted(on.edge)
        draining = asyncio.create_task(on.worker.drain())
        await until(lambda: len(leg.wishes) == 2)
        await on.edge.release(leg)
        async with asyncio.timeout(5):
            await draining


async def test_a_candidate_tells_its_edge_to_look_elsewhere(stage: Stages) -> None:
    async with stage() as on:
        leg, _ = await on.edge.offer(epoch=4, reason=HandoverReason.OPERATOR, is_granted=False, may_wait=True)
        await on.edge.ready(leg)
        draining = asyncio.create_task(on.worker.drain())
        await until(lambda: leg.wishes)
        assert (leg.wishes[0].reason, leg.wishes[0].epoch) == (HandoverReason.DRAIN, 4)
        await on.edge.release(leg)
        async with asyncio.timeout(5):
            await draining


async def test_at_the_deadline_the_edges_hear_a_farewell(stage: Stages) -> None:
    async with stage(drain_deadline_s=0.3) as on:
        await greeted(on.edge)
        await on.worker.drain()
        assert on.edge.heartbeats[-1].calls == 1
        await on.worker.stop()
        await until(lambda: on.edge.heartbeats[-1].is_farewell)
        assert await on.closed_by() == {"client"}


async def test_warm_sessions_are_closed_but_not_the_one_a_call_has_taken(stage: Stages) -> None:
    async with stage(warm_sessions=1) as on:
        await until(lambda: metric("trunkline_warm_sessions") == 1)
        leg, _ = await on.edge.offer()
        draining = asyncio.create_task(on.worker.drain())
        assert (await on.edge.ready(leg)).is_warm
        await until(lambda: leg.of(Kind.ITEM_END))
        await on.edge.release(leg)
        async with asyncio.timeout(5):
            await draining
        assert await on.closed_by() == {"client"}


async def test_an_old_session_asks_to_be_replaced_and_talks_on_until_it_is(stage: Stages) -> None:
    wished = {"name": "trunkline_handovers_wished_total", "reason": "session_age"}
    async with stage(session_max_age_s=1.0) as on:
        before = metric(**wished)
        leg = await greeted(on.edge)
        await until(lambda: leg.wishes)
        assert (leg.wishes[0].reason, leg.wishes[0].is_retryable) == (HandoverReason.SESSION_AGE, True)
        assert metric(**wished) == before + 1
        await on.edge.speak(leg, CALLER.pcmu, pace=4)
        await on.edge.be_silent(leg, 700, pace=4)
        await until(lambda: len(leg.items) == 2)


async def test_a_warm_session_brings_its_age_along(stage: Stages) -> None:
    async with stage(warm_sessions=1) as on:
        await until(lambda: metric("trunkline_warm_sessions") == 1)
        warm = on.worker._beside["warm sessions"]
        assert isinstance(warm, WarmSessions)
        (speech,) = warm._pool._idle
        speech.opened_at -= 3_300
        leg = await greeted(on.edge)
        await until(lambda: leg.wishes)
        assert leg.wishes[0].reason == HandoverReason.SESSION_AGE
