"""Audio batches between two processes' connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from nats.aio.msg import Msg

from common import audio, metrics, subjects
from common.audio import Kind, RawRecord
from common.bus.batcher import Batcher
from common.bus.connection import Bus, has_no_responders
from common.ids import call_key
from fakes.nats import NatsServer
from fakes.waiting import until
from integration.common.conftest import NewBus

TALKER = "realtime_worker-1"
SUBJECT = subjects.caller_audio(TALKER)


def frame(call: int, sequence: int, payload: bytes = bytes(160)) -> RawRecord:
    return (call_key(f"CA{call}"), 1, sequence, sequence * 20, Kind.AUDIO, payload)


@contextlib.asynccontextmanager
async def batching(bus: Bus, direction: str) -> AsyncIterator[Batcher]:
    """A batcher with its `run` running, whose undelivered batches come back to edge-1."""
    batcher = Batcher(
        bus, direction, lambda: 0.001, lambda subject: subjects.undelivered("edge-1", subjects.last_token(subject))
    )
    running = asyncio.create_task(batcher.run())
    try:
        yield batcher
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def subscribed(sender: Bus, reader: Bus, subject: str) -> list[RawRecord]:
    """What arrives on `subject`, from when the server knows of the subscription."""
    records: list[RawRecord] = []
    known: list[Msg] = []

    def take(message: Msg) -> None:
        if message.data == b"known?":
            known.append(message)
        else:
            records.extend(audio.decode(message.data))

    await reader.subscribe(subject, take)
    async with asyncio.timeout(20):
        while not known:
            await sender.publish(subject, b"known?")
            await asyncio.sleep(0.01)
    return records


async def test_records_of_many_calls_arrive_complete_and_in_order(new_bus: NewBus) -> None:
    edge, talker = await new_bus(), await new_bus()
    arrived = await subscribed(edge, talker, SUBJECT)
    moved = metrics.AUDIO_FRAMES.labels("caller")._value.get()
    sent = [frame(call, sequence) for sequence in range(50) for call in range(20)]
    async with batching(edge, "caller") as batcher:
        for index, record in enumerate(sent):
            batcher.add(SUBJECT, record)
            if index % 20 == 19:
                await asyncio.sleep(0)
        await until(lambda: len(arrived) == len(sent))
    assert arrived == sent
    assert metrics.AUDIO_FRAMES.labels("caller")._value.get() == moved + len(sent)


async def test_a_burst_larger_than_one_message_arrives_complete_and_in_order(new_bus: NewBus) -> None:
    edge, talker = await new_bus(), await new_bus()
    arrived = await subscribed(edge, talker, SUBJECT)
    sent = [frame(1, sequence, bytes(8_000)) for sequence in range(100)]
    async with batching(edge, "caller") as batcher:
        for record in sent:
            batcher.add(SUBJECT, record)
        await until(lambda: len(arrived) == len(sent))
    assert arrived == sent


async def test_replays_of_many_calls_at_once_arrive_complete_though_the_socket_has_no_room_for_all(
    new_bus: NewBus,
) -> None:
    edge, talker = await new_bus(), await new_bus()
    records = await subscribed(edge, talker, SUBJECT)
    async with batching(edge, "caller") as batcher:
        sent = [frame(call, second, bytes(8_000)) for call in range(50) for second in range(20)]
        for record in sent:
            batcher.add(SUBJECT, record)
        await until(lambda: len(records) >= len(sent), within_s=60)
    assert records == sent


async def test_a_record_that_cannot_be_encoded_is_dropped_alone(new_bus: NewBus) -> None:
    edge, talker = await new_bus(), await new_bus()
    arrived = await subscribed(edge, talker, SUBJECT)
    dropped = metrics.AUDIO_DROPPED.labels("caller", "malformed")._value.get()
    async with batching(edge, "caller") as batcher:
        batcher.add(SUBJECT, frame(1, 1))
        batcher.add(SUBJECT, frame(2, -1))
        batcher.add(SUBJECT, frame(3, 1))
        await until(lambda: len(arrived) == 2)
        batcher.add(SUBJECT, frame(1, 2))
        await until(lambda: len(arrived) == 3)
    assert arrived == [frame(1, 1), frame(3, 1), frame(1, 2)]
    assert metrics.AUDIO_DROPPED.labels("caller", "malformed")._value.get() == dropped + 1


async def test_batches_for_a_talker_that_is_gone_come_back_naming_it(bus: Bus) -> None:
    returned: list[Msg] = []
    await bus.subscribe(subjects.undelivered_to_any("edge-1"), returned.append)
    async with batching(bus, "caller") as batcher:
        batcher.add(SUBJECT, frame(1, 1))
        await until(lambda: returned)
    assert has_no_responders(returned[0])
    assert subjects.last_token(returned[0].subject) == TALKER


async def test_records_that_meet_no_connection_are_counted_as_dropped(server: NatsServer, bus: Bus) -> None:
    await server.stop()
    await until(lambda: not bus.is_connected)
    dropped = metrics.AUDIO_DROPPED.labels("agent", "disconnected")._value
    before = dropped.get()
    async with batching(bus, "agent") as batcher:
        for sequence in range(5):
            batcher.add(SUBJECT, frame(1, sequence))
        await until(lambda: dropped.get() == before + 5)
