"""Facts read back: complete, in order, and without believing everything the stream holds."""

import asyncio

import pytest
from nats.aio.msg import Msg

from common import metrics, subjects
from common.bus import history, topology
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.messages.facts import AnyFact, CallerSaid, DigitsPressed
from fakes.nats import NatsServer
from fakes.waiting import until
from integration.common.conftest import NewBus, writing_to

MANY = 3_000


def said(call: str, number: int) -> AnyFact:
    return CallerSaid(
        call_id=call, fact_id=f"{call}-{number}", item_id=f"item-{number}", text="x", start_ms=0, end_ms=1
    )


async def store(bus: Bus, facts: list[AnyFact]) -> None:
    """Write them and wait for the stream."""
    async with writing_to(bus) as writer:
        for fact in facts:
            writer.write(fact)
        await until(lambda: writer.pending == 0)


async def store_raw(bus: Bus, call: str, data: bytes) -> None:
    await bus.jetstream.publish(subjects.fact(call), data, timeout=10)


async def test_three_thousand_facts_are_read_in_their_order_and_leave_no_consumer(new_bus: NewBus) -> None:
    writer, reader = await new_bus(), await new_bus()
    await topology.ensure(writer)
    facts = [said("CA1", number) for number in range(MANY)]
    await store(writer, [fact for each in facts for fact in (each, said("CA2", int(each.fact_id[4:])))])
    read, is_complete = await facts_of(reader, "CA1", timeout_s=60)
    assert is_complete
    assert read == facts
    assert (await reader.jetstream.stream_info(subjects.FACTS_STREAM)).state.consumer_count == 0


async def test_many_calls_are_read_at_once(new_bus: NewBus) -> None:
    writer, reader = await new_bus(), await new_bus()
    await topology.ensure(writer)
    calls = [f"CA{number}" for number in range(50)]
    await store(writer, [said(call, number) for number in range(20) for call in calls])
    histories = await asyncio.gather(*(facts_of(reader, call, timeout_s=60) for call in calls))
    for call, (facts, is_complete) in zip(calls, histories, strict=True):
        assert is_complete
        assert facts == [said(call, number) for number in range(20)]


async def test_a_call_nobody_wrote_about_has_no_facts(bus: Bus) -> None:
    await topology.ensure(bus)
    assert await facts_of(bus, "CA1", timeout_s=60) == ([], True)


async def test_corrupt_forged_and_repeated_facts_are_left_out_and_counted(bus: Bus) -> None:
    await topology.ensure(bus)
    refused = metrics.BUS_REJECTS.labels("malformed")._value
    before = refused.get()
    await store_raw(bus, "CA1", said("CA1", 1).encode())
    await store_raw(bus, "CA1", b'{"type": "caller_said", "call_id": "CA1"')
    await store_raw(bus, "CA1", b"")
    await store_raw(bus, "CA1", b'{"type": "never_heard_of", "call_id": "CA1"}')
    await store_raw(bus, "CA1", DigitsPressed(call_id="CA2", digits="666").encode())
    await store_raw(bus, "CA1", said("CA1", 1).encode())
    await store_raw(bus, "CA1", said("CA1", 2).encode())
    assert await facts_of(bus, "CA1", timeout_s=60) == ([said("CA1", 1), said("CA1", 2)], True)
    assert refused.get() == before + 4


async def test_without_a_stream_the_history_is_not_complete(bus: Bus) -> None:
    assert await facts_of(bus, "CA1", timeout_s=0.2) == ([], False)


async def test_without_a_connection_the_history_is_not_complete(server: NatsServer, bus: Bus) -> None:
    await topology.ensure(bus)
    await server.stop()
    await until(lambda: not bus.is_connected)
    assert await facts_of(bus, "CA1", timeout_s=0.2) == ([], False)


async def test_a_history_is_read_on_when_the_server_is_back(server: NatsServer, bus: Bus) -> None:
    await topology.ensure(bus)
    await store(bus, [said("CA1", number) for number in range(3)])
    await server.stop()
    await until(lambda: not bus.is_connected)
    reading = asyncio.create_task(facts_of(bus, "CA1", timeout_s=60))
    await asyncio.sleep(0)
    await server.start()
    assert await reading == ([said("CA1", number) for number in range(3)], True)


async def test_what_is_lost_on_the_way_is_asked_for_again(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    await topology.ensure(bus)
    await store(bus, [said("CA1", number) for number in range(10)])
    take, taken = history._Reading.take, []

    def forgetful(self: history._Reading, message: Msg) -> None:
        taken.append(message)
        if len(taken) != 4:
            take(self, message)

    monkeypatch.setattr(history._Reading, "take", forgetful)
    assert await facts_of(bus, "CA1", timeout_s=60) == ([said("CA1", number) for number in range(10)], True)
    assert len(taken) > 11
