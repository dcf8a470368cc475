"""Streams and buckets: made if missing, left alone if right, and what they promise."""

import asyncio

import pytest
from nats.js.api import StreamConfig
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from common import subjects
from common.bus import topology
from common.bus.connection import Bus
from fakes.nats import NatsServer
from fakes.waiting import until
from integration.common.conftest import NewBus, NewServer


async def test_making_everything_twice_changes_nothing(bus: Bus) -> None:
    await topology.ensure(bus)
    await bus.publish(subjects.fact("CA1"), b"{}")
    await bus.jetstream.publish(subjects.fact("CA1"), b"{}", timeout=10)
    before = [await bus.jetstream.stream_info(stream.name or "") for stream in topology.streams(1)]
    await topology.ensure(bus)
    after = [await bus.jetstream.stream_info(stream.name or "") for stream in topology.streams(1)]
    assert [info.config for info in after] == [info.config for info in before]
    assert [info.state.messages for info in after] == [2, 0]


async def test_processes_may_make_everything_at_once(new_bus: NewBus) -> None:
    buses = [await new_bus() for _ in range(4)]
    await asyncio.gather(*(topology.ensure(bus) for bus in buses))
    names = {info.config.name for info in await buses[0].jetstream.streams_info()}
    assert names == {"FACTS", "INSTRUCTIONS", "KV_calls", "KV_nonces", "KV_control", "KV_flags", "KV_leases"}


async def test_a_stream_with_older_limits_gets_the_new_ones_and_keeps_its_messages(bus: Bus) -> None:
    older = StreamConfig(name=subjects.FACTS_STREAM, subjects=[subjects.ALL_FACTS], max_age=60.0)
    await bus.jetstream.add_stream(older)
    await bus.jetstream.publish(subjects.fact("CA1"), b"{}", timeout=10)
    await topology.ensure(bus)
    info = await bus.jetstream.stream_info(subjects.FACTS_STREAM)
    assert info.config.max_age == topology.streams(1)[0].max_age
    assert info.state.messages == 1


async def test_making_waits_for_jetstream(new_server: NewServer, new_bus: NewBus) -> None:
    server = await new_server()
    await server.start(jetstream=False)
    bus = await new_bus(server.url)
    making = asyncio.create_task(topology.ensure(bus))
    await server.stop()
    await server.start()
    await until(making.done)
    assert await bus.jetstream.stream_info(subjects.FACTS_STREAM)


async def test_instructions_keep_only_the_newest_revision_of_a_call(bus: Bus) -> None:
    await topology.ensure(bus)
    for revision in (b"1", b"2"):
        await bus.jetstream.publish(subjects.instructions("CA1"), revision, timeout=10)
    newest = await bus.jetstream.get_last_msg(subjects.INSTRUCTIONS_STREAM, subjects.instructions("CA1"))
    assert newest.data == b"2"
    assert (await bus.jetstream.stream_info(subjects.INSTRUCTIONS_STREAM)).state.messages == 1


async def test_a_nonce_is_spent_once_whoever_spends_it(new_bus: NewBus) -> None:
    first, second = await new_bus(), await new_bus()
    await topology.ensure(first)
    await (await first.jetstream.key_value(subjects.NONCES_BUCKET)).create("nonce-1", b"")
    bucket = await second.jetstream.key_value(subjects.NONCES_BUCKET)
    with pytest.raises(KeyWrongLastSequenceError):
        await bucket.create("nonce-1", b"")
    await bucket.create("nonce-2", b"")


async def test_a_nonce_is_kept_longer_than_a_token_lives(bus: Bus) -> None:
    await topology.ensure(bus)
    status = await (await bus.jetstream.key_value(subjects.NONCES_BUCKET)).status()
    assert status.ttl == 120


async def test_a_nonce_is_forgotten_in_the_end(bus: Bus) -> None:
    (nonces,) = (bucket for bucket in topology.buckets(1) if bucket.bucket == subjects.NONCES_BUCKET)
    bucket = await bus.jetstream.create_key_value(nonces.evolve(ttl=1.0))
    await bucket.create("nonce-1", b"")
    async with asyncio.timeout(20):
        while True:
            try:
                await bucket.create("nonce-1", b"")
                break
            except (KeyWrongLastSequenceError, KeyNotFoundError):  # the latter if it expires while nats-py looks why
                await asyncio.sleep(0.05)


async def test_the_registry_survives_a_restart_of_the_server(server: NatsServer, bus: Bus) -> None:
    await topology.ensure(bus)
    await (await bus.jetstream.key_value(subjects.CALLS_BUCKET)).put("CA1", b"edge-1")
    await server.stop()
    await until(lambda: not bus.is_connected)
    await server.start()
    await until(lambda: bus.is_connected)
    entry = await (await bus.jetstream.key_value(subjects.CALLS_BUCKET)).get("CA1")
    assert entry.value == b"edge-1"
