"""The bus over a network that is cut, half-open, slow or narrow, and the proxy that makes it so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from nats.aio.msg import Msg

from common import audio, metrics
from common.audio import Kind
from common.bus import connection
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from fakes.nats import NatsBinary
from fakes.proxy import DOWN, UP, Proxy, running_proxy
from fakes.waiting import until


@pytest.fixture
async def server() -> AsyncIterator[NatsBinary]:
    """The network is what these tests break, so one kind of server is enough."""
    server = NatsBinary()
    await server.start()
    yield server
    await server.discard()


@pytest.fixture
async def proxy(server: NatsBinary) -> AsyncIterator[Proxy]:
    """Between the bus and its server."""
    async with running_proxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture
async def bus(proxy: Proxy) -> AsyncIterator[Bus]:
    """Over the proxy."""
    bus = Bus([proxy.url], "far")
    await bus.connect()
    yield bus
    await bus.close()


@pytest.fixture
async def near(server: NatsBinary) -> AsyncIterator[Bus]:
    """Beside the server."""
    near = Bus([server.url], "near")
    await near.connect()
    yield near
    await near.close()


@contextlib.asynccontextmanager
async def talking(bus: Bus, subject: str) -> AsyncIterator[Batcher]:
    """A batcher that keeps what it sends, sending 100 numbered records a second."""
    batcher = Batcher(bus, "agent", lambda: 0.0, keep_s=30)

    async def talk() -> None:
        sequence = 0
        while True:
            batcher.add(subject, (1, 1, sequence, 0, Kind.AUDIO, bytes(160)))
            sequence += 1
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(batcher.run()), asyncio.create_task(talk())]
    try:
        yield batcher
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def heard_by(bus: Bus, subject: str) -> list[int]:
    """The sequences that arrive, from when the server knows of the subscription."""
    sequences: list[int] = []
    known: list[Msg] = []
    await bus.subscribe(subject, lambda message: sequences.extend(record[2] for record in audio.decode(message.data)))
    await bus.subscribe("known", known.append)
    async with asyncio.timeout(20):
        while not known:
            await bus.publish("known", b"")
            await asyncio.sleep(0.01)
    return sequences


def unbroken(sequences: list[int]) -> bool:
    """Complete and in order, if repeats are dropped."""
    return list(dict.fromkeys(sequences)) == list(range(len(set(sequences))))


# --- the bus ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("directions", [(UP,), (DOWN,), (UP, DOWN)], ids=["up", "down", "both"])
async def test_a_half_open_connection_is_suspected_then_given_up_and_nothing_kept_is_lost(
    proxy: Proxy, bus: Bus, near: Bus, directions: tuple[str, ...]
) -> None:
    arrived = await heard_by(near, "speech")
    aborts = metrics.NATS_WATCHDOG_ABORTS._value.get()
    suspected: list[bool] = []
    gaps: list[float] = []
    bus.on_back(gaps.append)
    async with talking(bus, "speech"):
        await until(lambda: len(arrived) > 20)
        proxy.hole(*directions)
        await until(lambda: bus.away_since is not None)
        suspected.append(bus.is_connected)
        await until(lambda: not bus.is_connected)
        await proxy.mend()
        await until(lambda: gaps)
        latest = max(arrived)
        await until(lambda: max(arrived) > latest + 20)
    assert suspected == [True]
    assert metrics.NATS_WATCHDOG_ABORTS._value.get() > aborts
    assert unbroken(arrived)


async def test_a_server_that_does_not_hear_us_is_given_up_although_it_talks(proxy: Proxy, bus: Bus, near: Bus) -> None:
    arrived = await heard_by(bus, "speech")
    async with talking(near, "speech"):
        await until(lambda: len(arrived) > 5)
        proxy.hole(UP)
        await until(lambda: not bus.is_connected)


async def test_a_cut_connection_is_back_when_the_network_is_and_nothing_kept_is_lost(
    proxy: Proxy, bus: Bus, near: Bus
) -> None:
    arrived = await heard_by(near, "speech")
    async with talking(bus, "speech"):
        await until(lambda: len(arrived) > 20)
        await proxy.cut()
        await until(lambda: not bus.is_connected)
        seen = len(arrived)
        await proxy.mend()
        await until(lambda: len(arrived) > seen + 50)
    assert unbroken(arrived)


async def test_a_slow_and_narrow_network_is_no_reason_to_give_the_connection_up(
    proxy: Proxy, bus: Bus, near: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_PROBE_PERIOD_S", 0.01)
    arrived = await heard_by(near, "speech")
    probes = _probes_answered()
    aborts = metrics.NATS_WATCHDOG_ABORTS._value.get()
    proxy.slow(delay_s=0.1, jitter_s=0.05, bytes_per_s=256_000)
    async with talking(bus, "speech"):
        await until(lambda: _probes_answered() > probes + 5)
        await until(lambda: len(arrived) > 50)
    assert metrics.NATS_WATCHDOG_ABORTS._value.get() == aborts
    assert unbroken(arrived)


def _probes_answered() -> float:
    return float(next(s.value for m in metrics.NATS_RTT.collect() for s in m.samples if s.name.endswith("_count")))


async def test_speech_beyond_the_sockets_room_is_kept_and_arrives_in_order(
    proxy: Proxy, bus: Bus, near: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SILENT_AFTER_S", 1_000)
    monkeypatch.setattr(connection, "_DEAF_AFTER_S", 1_000)
    arrived = await heard_by(near, "speech")
    batcher = Batcher(bus, "agent", lambda: 0.0, keep_s=30)
    running = asyncio.create_task(batcher.run())
    proxy.hole()
    sent = 0
    while bus.takes_messages:
        for sequence in range(sent, sent + 10):
            batcher.add("speech", (1, 1, sequence, 0, Kind.AUDIO, bytes(16_000)))
        sent += 10
        await asyncio.sleep(0)
    for sequence in range(sent, sent + 20):
        batcher.add("speech", (1, 1, sequence, 0, Kind.AUDIO, bytes(16_000)))
        await asyncio.sleep(0)
    await proxy.mend()
    await until(lambda: len(arrived) == sent + 20)
    assert unbroken(arrived)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --- the proxy --------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def echoing() -> AsyncIterator[int]:
    """The port of a server that says everything back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def test_the_proxy_carries_everything_unchanged_and_ends_halves_apart() -> None:
    payload = bytes(range(256)) * 20_000
    async with echoing() as port, running_proxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(payload)
        writer.write_eof()
        assert await reader.read(-1) == payload
        writer.close()
        await until(lambda: proxy.connections == 0)


async def test_the_proxy_keeps_order_through_every_weather_and_loses_nothing() -> None:
    async with echoing() as port, running_proxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        for number in range(200):
            match number % 50:
                case 0:
                    proxy.slow(delay_s=0.02, jitter_s=0.02)
                case 15:
                    proxy.hole(UP)
                case 20:
                    proxy.hole(DOWN)
                case 30:
                    proxy.slow(bytes_per_s=50_000)
                case 40:
                    await proxy.mend()
            writer.write(number.to_bytes(4, "big") * 10)
            await asyncio.sleep(0.001)
        await proxy.mend()
        expected = b"".join(number.to_bytes(4, "big") * 10 for number in range(200))
        assert await reader.readexactly(len(expected)) == expected
        writer.close()


async def test_a_cut_resets_both_sides_and_refuses_until_it_is_mended() -> None:
    async with echoing() as port, running_proxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"x")
        await reader.readexactly(1)
        await proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.mend()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()


async def test_a_proxy_without_a_server_behind_it_resets() -> None:
    async with running_proxy("127.0.0.1", 1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await reader.readexactly(1)
        writer.close()
