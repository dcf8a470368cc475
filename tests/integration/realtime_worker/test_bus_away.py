"""The bus goes away in the middle of a call and comes back: the session stays, and what was missed is caught up."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from common import subjects
from common.audio import Kind
from common.messages.facts import InstructionsApplied
from fakes.nats import NatsBinary
from fakes.proxy import running_proxy
from integration.realtime_worker.edge_stand_in import until
from integration.realtime_worker.openai_process import Simulator
from integration.realtime_worker.stage import Stages
from integration.realtime_worker.steering import revision
from simulators.people.recordings import load

CALLER = load("caller-2")


@pytest.fixture
async def nats() -> AsyncIterator[NatsBinary]:
    """A server that a test may end and bring back."""
    server = NatsBinary()
    await server.start()
    try:
        yield server
    finally:
        await server.discard()


async def test_a_talker_outlives_a_bus_that_is_away_longer_than_an_orphan_would(
    openai: Simulator, nats: NatsBinary
) -> None:
    async with Stages(openai, nats.url)(orphan_after_s=4.0) as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        await nats.stop()
        await asyncio.sleep(5.0)  # how long it lasts is what is tested
        await nats.start()
        await until(lambda: on.edge.client.is_connected, within_s=15)
        leg.is_current = True
        await on.edge.speak(leg, CALLER.pcmu, pace=2)
        await on.edge.be_silent(leg, 700, pace=2)
        await until(lambda: len(leg.items) == 2)
        assert len(await on.openai.sessions()) == 1


async def test_what_the_model_said_meanwhile_arrives_afterwards_once_and_in_order(
    openai: Simulator, nats: NatsBinary
) -> None:
    async with Stages(openai, nats.url)() as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        await on.edge.speak(leg, load("caller-3").pcmu, pace=4)
        await on.edge.be_silent(leg, 700, pace=4)
        await until(lambda: len(leg.items) == 2 and leg.audio_ms(leg.items[1]) > 1_000)
        await nats.stop()
        await asyncio.sleep(1.0)
        await nats.start()
        await until(lambda: on.edge.client.is_connected, within_s=15)
        await on.edge.catch_up(30.0)
        await until(lambda: leg.of(Kind.ITEM_END)[-1][5].decode() == leg.items[1])
        sequences = {record[2] for record in leg.records}
        assert sequences == set(range(1, max(sequences) + 1))


async def test_what_callers_said_while_only_the_talker_was_away_is_asked_for_and_heard_in_its_order(
    openai: Simulator, nats: NatsBinary
) -> None:
    """As when its NATS server freezes: nobody else's connection is touched, and nobody says that it hears nothing."""
    async with running_proxy("127.0.0.1", nats.port) as proxy, Stages(openai, nats.url, proxy.url)() as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        speaking = asyncio.create_task(on.edge.speak(leg, CALLER.pcmu))
        await until(lambda: leg.clock_ms > 400)
        proxy.hole()
        await until(lambda: on.worker.missing() == "NATS is not connected", within_s=15)
        await proxy.cut()  # what was on its way is gone
        await proxy.mend()
        await until(lambda: on.edge.replays_asked, within_s=15)
        (asked,) = on.edge.replays_asked
        assert asked.talker_id == on.edge.talker_id
        since_ms = max(0, leg.clock_ms - round(asked.for_s * 1000))
        await on.edge.send_record(leg, since_ms, CALLER.pcmu[since_ms * 8 : leg.clock_ms * 8])
        await speaking
        await on.edge.be_silent(leg, 700)
        await until(lambda: len(set(leg.items)) == 2)
        (turn,) = [item for item in (await on.session())["items"] if item["role"] == "user"]
        assert turn["text"] == CALLER.text


async def test_a_revision_that_was_published_while_the_talker_was_away_is_in_force_afterwards(
    openai: Simulator, nats: NatsBinary
) -> None:
    async with running_proxy("127.0.0.1", nats.port) as proxy, Stages(openai, nats.url, proxy.url)() as on:
        leg, _ = await on.edge.offer()
        await until(lambda: leg.of(Kind.ITEM_END))
        proxy.hole()
        await until(lambda: on.worker.missing() == "NATS is not connected", within_s=15)
        told = revision(leg, 1)
        await on.edge.client.jetstream().publish(subjects.instructions(leg.call_id), told.encode())
        await proxy.cut()
        await proxy.mend()
        await until(lambda: on.edge.facts_of(leg, InstructionsApplied), within_s=15)
        assert (await on.session())["configuration"]["instructions"] == told.instructions
