"""Facts: published once, read live, kept by the stream, and not given up while JetStream is away."""

import pytest
from nats.aio.msg import Msg

from common import metrics, subjects
from common.bus import facts as writing
from common.bus import topology
from common.bus.connection import Bus
from common.messages.facts import AnyFact, CallerSaid, DigitsPressed, Fact
from fakes.nats import NatsServer
from fakes.waiting import until
from integration.common.conftest import NewBus, NewServer, writing_to

FACTS: list[AnyFact] = [
    CallerSaid(call_id="CA1", fact_id="fact-1", item_id="item-1", text="Hello?", start_ms=0, end_ms=400),
    DigitsPressed(call_id="CA1", fact_id="fact-2", digits="1"),
    DigitsPressed(call_id="CA2", fact_id="fact-3", digits="2"),
]


@pytest.fixture(autouse=True)
def _soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_RETRY_AFTER_S", 0.05)


async def stored(bus: Bus) -> list[AnyFact]:
    """Everything the stream `FACTS` holds, in its order."""
    state = (await bus.jetstream.stream_info(subjects.FACTS_STREAM)).state
    messages = [
        await bus.jetstream.get_msg(subjects.FACTS_STREAM, sequence)
        for sequence in range(state.first_seq, state.last_seq + 1)
    ]
    return [Fact.validate_json(message.data or b"") for message in messages]


async def test_a_fact_reaches_live_readers_and_the_stream_with_one_publish(bus: Bus) -> None:
    await topology.ensure(bus)
    live: list[Msg] = []
    await bus.subscribe(subjects.ALL_FACTS, live.append)
    async with writing_to(bus) as writer:
        for fact in FACTS:
            writer.write(fact)
        await until(lambda: writer.pending == 0)
    assert await stored(bus) == FACTS
    await until(lambda: len(live) >= len(FACTS))
    assert [Fact.validate_json(message.data) for message in live] == FACTS
    assert [message.subject for message in live] == [subjects.fact(fact.call_id) for fact in FACTS]


async def test_a_fact_sent_twice_is_stored_once(bus: Bus) -> None:
    await topology.ensure(bus)
    for _ in range(2):
        async with writing_to(bus) as writer:
            writer.write(FACTS[0])
            await until(lambda: writer.pending == 0)
    assert await stored(bus) == FACTS[:1]


async def test_facts_wait_for_a_jetstream_that_starts_later_and_are_then_stored_once_each(
    new_server: NewServer, new_bus: NewBus
) -> None:
    server = await new_server()
    await server.start(jetstream=False)
    bus = await new_bus(server.url)
    live: list[Msg] = []
    await bus.subscribe(subjects.ALL_FACTS, live.append)
    async with writing_to(bus) as writer:
        for fact in FACTS:
            writer.write(fact)
        await until(lambda: len(live) >= 3 * len(FACTS))
        assert writer.pending == len(FACTS)
        await server.stop()
        await server.start()
        await topology.ensure(bus)
        await until(lambda: writer.pending == 0)
    assert sorted(fact.fact_id for fact in await stored(bus)) == ["fact-1", "fact-2", "fact-3"]


async def test_facts_written_while_the_server_is_away_are_stored_after_its_restart(
    server: NatsServer, bus: Bus
) -> None:
    await topology.ensure(bus)
    async with writing_to(bus) as writer:
        writer.write(FACTS[0])
        await until(lambda: writer.pending == 0)
        await server.stop()
        await until(lambda: not bus.is_connected)
        writer.write(FACTS[1])
        writer.write(FACTS[2])
        await server.start()
        await until(lambda: writer.pending == 0)
    kept = await stored(bus)
    assert kept[0] == FACTS[0], "the store was lost with the restart"
    assert sorted(fact.fact_id for fact in kept) == ["fact-1", "fact-2", "fact-3"]


async def test_what_is_not_acknowledged_at_the_end_is_counted_as_lost(new_server: NewServer, new_bus: NewBus) -> None:
    server = await new_server()
    await server.start(jetstream=False)
    bus = await new_bus(server.url)
    lost = metrics.FACTS_LOST._value.get()
    async with writing_to(bus) as writer:
        for fact in FACTS:
            writer.write(fact)
        await writer.settle(0.05)
    assert metrics.FACTS_LOST._value.get() == lost + len(FACTS)


async def test_settling_returns_once_everything_is_acknowledged(bus: Bus) -> None:
    await topology.ensure(bus)
    async with writing_to(bus) as writer:
        for fact in FACTS:
            writer.write(fact)
        await writer.settle(20)
        assert writer.pending == 0
