"""The bus contract: what `Bus` promises, on a real server."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from nats.aio.msg import Msg
from nats.errors import ConnectionReconnectingError

from common import metrics
from common.bus import connection
from common.bus.client import BusClient
from common.bus.connection import Bus, has_no_responders
from common.errors import DeadlineExceeded, RemoteProtocolError, UpstreamUnavailable
from fakes.nats import NatsBinary, NatsServer
from fakes.waiting import until
from integration.common.conftest import NewBus, NewServer


class Inbox:
    """A handler that keeps what it is given."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.messages: list[Msg] = []
        self._answer = answer

    def __call__(self, message: Msg) -> bytes | None:
        self.messages.append(message)
        return self._answer

    @property
    def payloads(self) -> list[bytes]:
        """What the messages held, in order."""
        return [message.data for message in self.messages]


async def heard(bus: Bus, subject: str, inbox: Inbox, payload: bytes) -> None:
    """Publish until `inbox` has it: the way to wait for a subscription that a server learns of in its own time."""
    async with asyncio.timeout(20):
        while payload not in inbox.payloads:
            await bus.publish(subject, payload)
            await asyncio.sleep(0.01)


def server_of(bus: Bus) -> str:
    """Which server the bus is connected to."""
    url = bus._client.connected_url
    assert url is not None
    return f"nats://{url.netloc}"


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_a_published_message_reaches_every_subscriber(new_bus: NewBus) -> None:
    sender, reader = await new_bus(), await new_bus()
    first, second = Inbox(), Inbox()
    await reader.subscribe("news.*", first)
    await reader.subscribe("news.>", second)
    await heard(sender, "news.a", first, b"ready?")
    first.messages.clear()
    second.messages.clear()
    assert await sender.publish("news.a", b"hello", headers={"Kind": "test"})
    await until(lambda: first.messages and second.messages)
    assert first.payloads == second.payloads == [b"hello"]
    assert first.messages[0].subject == "news.a"
    assert first.messages[0].headers == {"Kind": "test"}


async def test_messages_of_one_publisher_arrive_in_order(bus: Bus) -> None:
    inbox = Inbox()
    await bus.subscribe("numbers", inbox)
    for number in range(500):
        assert await bus.publish("numbers", b"%d" % number)
    await until(lambda: len(inbox.messages) == 500)
    assert inbox.payloads == [b"%d" % number for number in range(500)]


async def test_a_queue_group_gives_each_message_to_one_member(bus: Bus) -> None:
    members = [Inbox(), Inbox(), Inbox()]
    for member in members:
        await bus.subscribe("work", member, queue="workers")
    for number in range(60):
        await bus.publish("work", b"%d" % number)
    await until(lambda: sum(len(member.messages) for member in members) == 60)
    given = Counter(payload for member in members for payload in member.payloads)
    assert set(given.values()) == {1}


async def test_a_subscription_that_was_stopped_hears_nothing_more(bus: Bus) -> None:
    stopped, running = Inbox(), Inbox()
    stop = await bus.subscribe("news", stopped)
    await bus.subscribe("news", running)
    await heard(bus, "news", running, b"one")
    await stop()
    stopped.messages.clear()
    await heard(bus, "news", running, b"two")
    assert stopped.messages == []


async def test_a_handler_that_fails_is_counted_and_keeps_its_subscription(bus: Bus) -> None:
    seen: list[bytes] = []

    def handler(message: Msg) -> None:
        seen.append(message.data)
        if message.data == b"malformed":
            raise RemoteProtocolError("malformed message: body")
        if message.data == b"bug":
            raise KeyError("a bug of ours")
        if message.data == b"late":
            raise DeadlineExceeded("step", 1)

    before = {kind: _rejects(kind) for kind in ("malformed", "bug", "deadline")}
    await bus.subscribe("news", handler)
    for payload in (b"malformed", b"bug", b"late", b"good"):
        await bus.publish("news", payload)
    await until(lambda: len(seen) == 4)
    assert {kind: _rejects(kind) - count for kind, count in before.items()} == {"malformed": 1, "bug": 1, "deadline": 1}


def _rejects(kind: str) -> float:
    return float(metrics.BUS_REJECTS.labels(kind)._value.get())


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_request_brings_back_what_the_handler_returns(new_bus: NewBus) -> None:
    asker, answerer = await new_bus(), await new_bus()
    ready = Inbox()
    await answerer.subscribe("question", lambda message: message.data.upper(), queue="any")
    await answerer.subscribe("ready", ready)
    await heard(asker, "ready", ready, b"?")
    assert await asker.request("question", b"word", timeout_s=10) == b"WORD"


async def test_a_request_that_nobody_listens_to_fails_as_unavailable_without_naming_the_receiver(bus: Bus) -> None:
    with pytest.raises(UpstreamUnavailable, match=r"^nobody listens on trunk\.v1\.talker$"):
        await bus.request("trunk.v1.talker.worker-1", b"", timeout_s=10)


async def test_a_request_that_nobody_answers_fails_by_its_deadline(bus: Bus) -> None:
    await bus.subscribe("question", Inbox())
    with pytest.raises(DeadlineExceeded, match="bus request"):
        await bus.request("question", b"", timeout_s=0.05)


async def test_a_request_that_is_cancelled_as_its_answer_comes_is_cancelled(bus: Bus) -> None:
    """nats-py would return the answer, and whoever cancelled would wait for the task for ever."""
    asking: list[asyncio.Task[bytes]] = []

    def as_the_answer_comes(message: Msg) -> None:
        asking[-1].cancel()

    await bus.subscribe("question", lambda message: b"answer")
    await bus.subscribe(f"{bus.new_inbox().rsplit('.', 1)[0]}.>", as_the_answer_comes)
    for _ in range(20):
        asking.append(asyncio.create_task(bus.request("question", b"", timeout_s=20)))
        await asyncio.wait({asking[-1]})
    assert all(task.cancelled() for task in asking)


async def test_a_message_to_nobody_comes_back_to_its_reply_subject_as_no_responders(bus: Bus) -> None:
    returned = Inbox()
    await bus.subscribe("undelivered.*", returned)
    assert await bus.publish("nobody.there", b"audio", reply="undelivered.worker-1")
    await until(lambda: returned.messages)
    assert has_no_responders(returned.messages[0])
    assert returned.messages[0].subject == "undelivered.worker-1"


async def test_a_message_to_somebody_does_not_come_back(bus: Bus) -> None:
    returned, received = Inbox(), Inbox()
    await bus.subscribe("undelivered.*", returned)
    await bus.subscribe("somebody", received)
    await bus.publish("somebody", b"audio", reply="undelivered.worker-1")
    await bus.publish("nobody", b"audio", reply="undelivered.worker-2")
    await until(lambda: returned.messages and received.messages)
    assert [message.subject for message in returned.messages] == ["undelivered.worker-2"]
    assert not has_no_responders(received.messages[0])


# --- a server that goes away ------------------------------------------------------------------------------------------


async def test_connecting_waits_for_a_server_that_starts_later_and_says_so(
    new_server: NewServer, caplog: pytest.LogCaptureFixture
) -> None:
    late = await new_server()
    bus = Bus([late.url], "test")
    with caplog.at_level(logging.WARNING, "trunkline.bus"):
        connecting = asyncio.create_task(bus.connect())
        await until(lambda: "NATS is not reachable, trying again" in caplog.messages)
    assert not bus.is_connected
    await late.start(jetstream=False)
    await connecting
    assert bus.is_connected
    await bus.close()


async def test_a_bus_that_never_found_a_server_can_be_closed(new_server: NewServer) -> None:
    bus = Bus([(await new_server()).url], "test")
    connecting = asyncio.create_task(bus.connect())
    await asyncio.sleep(0)
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await bus.close()
    await Bus(["nats://127.0.0.1:1"], "never even tried").close()


async def test_connecting_that_is_cancelled_as_it_succeeds_is_cancelled(
    server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nats-py may take the cancellation for an answer: `trunkline up` would never end."""
    connect = BusClient.connect
    is_connected = asyncio.Event()

    async def loses_it(client: BusClient, **options: Any) -> None:
        await connect(client, **options)
        is_connected.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    monkeypatch.setattr(BusClient, "connect", loses_it)
    bus = Bus([server.url], "test")
    connecting = asyncio.create_task(bus.connect())
    await is_connected.wait()
    connecting.cancel()
    await asyncio.wait({connecting})
    assert connecting.cancelled()
    await bus.close()


async def test_a_wrong_password_is_said_and_tried_again(
    new_server: NewServer, caplog: pytest.LogCaptureFixture
) -> None:
    guarded = await new_server()
    await guarded.start("--user", "edge", "--pass", "right", jetstream=False)
    bus = Bus([guarded.url.replace("//", "//edge:wrong@")], "test")
    with caplog.at_level(logging.WARNING, "trunkline.bus"):
        connecting = asyncio.create_task(bus.connect())
        await until(lambda: any("Authorization" in str(record.__dict__["fields"]) for record in caplog.records))
    assert "wrong" not in caplog.text
    assert not connecting.done()
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    await bus.close()


async def test_a_restarted_server_finds_every_subscription_again(server: NatsServer, bus: Bus) -> None:
    inbox = Inbox()
    await bus.subscribe("news", inbox)
    reconnects, lost_at = metrics.NATS_RECONNECTS._value.get(), bus.last_event_at
    await server.stop()
    await until(lambda: not bus.is_connected)
    assert await bus.publish("news", b"into the void") is False
    with pytest.raises(UpstreamUnavailable):
        await bus.request("news", b"", timeout_s=1_000)
    await server.start()
    await until(lambda: bus.is_connected)
    await heard(bus, "news", inbox, b"back")
    assert b"into the void" not in inbox.payloads
    await until(lambda: metrics.NATS_RECONNECTS._value.get() == reconnects + 1)
    assert bus.last_event_at > lost_at


async def test_a_frozen_server_is_left_for_the_next_of_the_list(
    server: NatsServer, new_server: NewServer, new_bus: NewBus
) -> None:
    other = await new_server()
    await other.start()
    bus = await new_bus(server.url, other.url)
    inbox = Inbox()
    await bus.subscribe("news", inbox)
    frozen, healthy = (server, other) if server_of(bus) == server.url else (other, server)
    aborts = metrics.NATS_WATCHDOG_ABORTS._value.get()
    await frozen.freeze()
    await until(lambda: bus.is_connected and server_of(bus) == healthy.url)
    assert metrics.NATS_WATCHDOG_ABORTS._value.get() > aborts
    await heard(bus, "news", inbox, b"still here")


async def test_a_server_that_only_hesitates_does_not_leave_the_bus_deaf(
    server: NatsServer, new_bus: NewBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late answer to a probe that was given up ends nats-py's read loop, unless that is prevented."""
    monkeypatch.setattr(connection, "_PROBE_PERIOD_S", 0.01)
    monkeypatch.setattr(connection, "_SILENT_AFTER_S", 1_000)
    monkeypatch.setattr(connection, "_DEAF_AFTER_S", 1_000)
    bus = await new_bus()
    inbox = Inbox()
    await bus.subscribe("news", inbox)
    event_at = bus.last_event_at
    await server.freeze()
    await until(lambda: bus.away_since is not None)
    assert bus.is_connected, "only suspected"
    await server.thaw()
    await until(lambda: bus.away_since is None)
    await heard(bus, "news", inbox, b"still here")
    assert bus.last_event_at == event_at, "the connection was lost"


async def test_publishing_to_a_frozen_server_never_waits_and_says_what_was_not_sent(
    server: NatsServer, new_bus: NewBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_SILENT_AFTER_S", 1_000)
    monkeypatch.setattr(connection, "_DEAF_AFTER_S", 1_000)
    bus = await new_bus()
    await server.freeze()
    async with asyncio.timeout(20):
        while await bus.publish("news", bytes(100_000)):
            await asyncio.sleep(0)
        with pytest.raises(UpstreamUnavailable):
            await bus.request("news", b"", timeout_s=10)


async def test_a_bus_whose_server_froze_can_be_closed(server: NatsServer, bus: Bus) -> None:
    await server.freeze()
    async with asyncio.timeout(20):
        while await bus.publish("news", bytes(100_000)):
            await asyncio.sleep(0)
        await bus.close()


async def test_a_bus_whose_server_is_gone_can_be_closed(server: NatsServer, bus: Bus) -> None:
    await server.stop()
    await until(lambda: not bus.is_connected)
    async with asyncio.timeout(20):
        await bus.close()


# --- coming and going -------------------------------------------------------------------------------------------------


async def test_listeners_hear_of_the_connections_going_and_coming_until_they_have_enough(
    server: NatsServer, bus: Bus
) -> None:
    heard: list[str | float] = []
    bus.on_away(lambda: heard.append("away"))
    bus.on_back(heard.append)
    enough = bus.on_back(lambda _: heard.append("never called"))
    enough()
    before = time.monotonic()
    await server.stop()
    await until(lambda: heard == ["away"])
    assert bus.away_since is not None
    assert bus.away_since <= time.monotonic()
    await server.start()
    await until(lambda: len(heard) == 2)
    assert bus.away_since is None
    assert isinstance(heard[1], float)
    assert 0 < heard[1] < time.monotonic() - before + 60


async def test_listeners_hear_of_the_return_before_anything_is_published(server: NatsServer, bus: Bus) -> None:
    heard: list[str] = []
    bus.on_back(lambda _: heard.append("back"))
    await server.stop()
    await until(lambda: not bus.is_connected)
    await server.start()
    while not await bus.publish("news", b""):
        await asyncio.sleep(0)
    assert heard == ["back"]


async def test_a_listener_that_fails_is_counted_and_does_not_end_the_reconnecting(server: NatsServer, bus: Bus) -> None:
    def fail(*_: float) -> None:
        raise KeyError("a bug of ours")

    before = _rejects("bug")
    bus.on_away(fail)
    bus.on_back(fail)
    await server.stop()
    await until(lambda: not bus.is_connected)
    await server.start()
    await until(lambda: bus.is_connected and _rejects("bug") == before + 2)


async def test_the_registry_fails_at_once_while_the_bus_is_away(server: NatsServer, bus: Bus) -> None:
    jetstream = bus.jetstream
    await server.stop()
    await until(lambda: not bus.is_connected)
    with pytest.raises(ConnectionReconnectingError):
        await jetstream.stream_info("FACTS")


@pytest.mark.parametrize("babble", [b"x" * 1_000_000, b"INFO 5\r\n", b"INFO {\r\n", b"\r\n", b""])
async def test_what_answers_in_a_servers_place_does_not_end_the_reconnecting(
    server: NatsServer, new_bus: NewBus, babble: bytes
) -> None:
    visits: list[bytes] = []

    async def visited(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visits.append(babble)
        writer.write(babble)
        writer.close()

    babbler = await asyncio.start_server(visited, "127.0.0.1", 0)
    try:
        bus = await new_bus(f"nats://127.0.0.1:{babbler.sockets[0].getsockname()[1]}", server.url)
        inbox = Inbox()
        await bus.subscribe("news", inbox)
        await server.stop()
        visits.clear()
        await until(lambda: len(visits) >= 2)
        await server.start()
        await until(lambda: bus.is_connected)
        await heard(bus, "news", inbox, b"back")
    finally:
        babbler.close()
        await babbler.wait_closed()


async def test_credentials_that_are_taken_away_and_given_back_only_interrupt_the_bus(tmp_path: Path) -> None:
    config, server = tmp_path / "nats.conf", NatsBinary()
    config.write_text(_users("edge", "probe"))
    await server.start("-c", str(config), jetstream=False)
    bus = Bus([server.url.replace("//", "//edge:secret@")], "test")
    try:
        await bus.connect()
        inbox = Inbox()
        await bus.subscribe("news", inbox)
        config.write_text(_users("probe"))
        server.reload()
        await until(lambda: not bus.is_connected)
        refused = bus._attempts._made
        await until(lambda: bus._attempts._made > refused + 2)
        config.write_text(_users("edge", "probe"))
        server.reload()
        await until(lambda: bus.is_connected)
        await heard(bus, "news", inbox, b"back")
    finally:
        await bus.close()
        await server.discard()


def _users(*names: str) -> str:
    users = ", ".join(f"{{user: {name}, password: secret}}" for name in names)
    return f"authorization {{ users: [{users}] }}"
