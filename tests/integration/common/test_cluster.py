"""A cluster of three that loses nodes: the bus goes on, and what was kept is delivered."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import StreamInfo

from common import audio, subjects
from common.audio import Kind, RawRecord
from common.bus import topology
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.messages.facts import AnyFact, DigitsPressed
from fakes.cluster import Cluster, Node
from fakes.waiting import until
from integration.common.conftest import writing_to

SUBJECT = subjects.agent_audio("edge-1")
WANTED = "test.wanted"
KEEP_S = 30.0
OUTAGE_S = 10.0

NewBus = Callable[[Node], Awaitable[Bus]]


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[Cluster]:
    """One for the module; its tests put it together again."""
    cluster = Cluster()
    yield cluster
    cluster.discard()


@pytest.fixture
async def cluster(shared_cluster: Cluster) -> Cluster:
    """All three nodes up and agreed."""
    await shared_cluster.heal()
    return shared_cluster


@pytest.fixture
async def new_bus(cluster: Cluster) -> AsyncIterator[NewBus]:
    """Makes connections that know all nodes and begin at the one given; all are closed with the test."""
    made: list[Bus] = []

    async def new(node: Node) -> Bus:
        while True:
            made.append(Bus(cluster.urls, "test"))
            await made[-1].connect()
            if node_of(cluster, made[-1]) is node:
                return made[-1]
            await made.pop().close()

    yield new
    for bus in made:
        await bus.close()


def node_of(cluster: Cluster, bus: Bus) -> Node:
    """Where the bus is connected, or was last."""
    return cluster.node_of(f"nats://{bus._client.server}")


class Speech:
    """Records sent at a steady 50 a second from one bus to another, with what production does to lose none of them."""

    def __init__(self, sender: Bus, receiver: Bus) -> None:
        self.arrived: list[int] = []
        self._sender = sender
        self._receiver = receiver
        self._batcher = Batcher(sender, "agent", lambda: 0.0, keep_s=KEEP_S)
        self._sent = 0
        self._missed: asyncio.Queue[float] = asyncio.Queue()
        self._wanted: asyncio.Queue[float] = asyncio.Queue()
        receiver.on_back(self._missed.put_nowait)

    @contextlib.asynccontextmanager
    async def going_on(self) -> AsyncIterator["Speech"]:
        """From when the receiver hears it until the context ends, and then until everything has arrived."""
        await self._receiver.subscribe(SUBJECT, self._take)
        await self._sender.subscribe(WANTED, lambda message: self._wanted.put_nowait(float(message.data)))
        works = (self._say(), self._batcher.run(), self._ask(), self._catch_up())
        running = [asyncio.create_task(work) for work in works]
        try:
            await self.goes_on()
            self.arrived.clear()
            yield self
            running[0].cancel()
            await until(lambda: self.missing() == 0)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def goes_on(self) -> None:
        """Wait for a record that is sent from now on."""
        now = self._sent
        await until(lambda: self.arrived and self.arrived[-1] > now, within_s=60)

    def missing(self) -> int:
        """How many never arrived, of those from the first on; what is sent again may begin before it."""
        first = self.arrived[0] if self.arrived else 0
        return len(set(range(first, self._sent)).difference(self.arrived))

    def news(self) -> list[int]:
        """What is left when everything is dropped that is not newer than all before it."""
        newest = itertools.accumulate(self.arrived, max, initial=-1)
        return [record for record, before in zip(self.arrived, newest, strict=False) if record > before]

    def runs(self) -> list[list[int]]:
        """What arrived, cut wherever it went back: each cut is the beginning of what was sent again."""
        cuts = [at for at, (one, two) in enumerate(itertools.pairwise(self.arrived), 1) if two <= one]
        return [self.arrived[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(self.arrived)])]

    async def _say(self) -> None:
        while True:
            record: RawRecord = (1, 1, self._sent, 0, Kind.AUDIO, bytes(160))
            self._sent += 1
            self._batcher.add(SUBJECT, record)
            await asyncio.sleep(0.02)

    async def _ask(self) -> None:
        """Over the bus: asked any other way, the sender's server might not know yet where the receiver is now."""
        while True:
            missed_s = await self._missed.get()
            await self._receiver.publish(WANTED, str(missed_s).encode())

    async def _catch_up(self) -> None:
        while True:
            await self._batcher.resend(SUBJECT, await self._wanted.get())

    def _take(self, message: Msg) -> None:
        self.arrived += [record[2] for record in audio.decode(message.data)]


def whole(run: list[int]) -> bool:
    """Nothing is missing within it."""
    return run == list(range(run[0], run[-1] + 1))


FAULTS = [Node.kill, Node.freeze, Node.lame_duck]


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_said_is_lost_with_the_senders_node(
    cluster: Cluster, new_bus: NewBus, fault: Callable[[Node], None]
) -> None:
    one, other, _ = cluster.nodes
    sender, receiver = await new_bus(one), await new_bus(other)
    gaps: list[float] = []
    sender.on_back(gaps.append)
    async with Speech(sender, receiver).going_on() as speech:
        fault(one)
        await until(lambda: gaps)
        await speech.goes_on()
    assert node_of(cluster, sender) is not one
    assert whole(speech.news()), "in order, if repeats are dropped"


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_said_is_lost_with_the_receivers_node(
    cluster: Cluster, new_bus: NewBus, fault: Callable[[Node], None]
) -> None:
    one, other, _ = cluster.nodes
    sender, receiver = await new_bus(one), await new_bus(other)
    away: list[float | None] = []
    receiver.on_away(lambda: away.append(receiver.away_since))
    async with Speech(sender, receiver).going_on() as speech:
        fault(other)
        await until(lambda: away and receiver.is_connected)
        await speech.goes_on()
    assert node_of(cluster, receiver) is not other
    assert None not in away
    assert all(map(whole, speech.runs()[1:])), "what is sent again has no holes"


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_said_is_lost_with_the_node_of_both(
    cluster: Cluster, new_bus: NewBus, fault: Callable[[Node], None]
) -> None:
    one, *_ = cluster.nodes
    sender, receiver = await new_bus(one), await new_bus(one)
    gaps: list[float] = []
    sender.on_back(gaps.append)
    receiver.on_back(gaps.append)
    async with Speech(sender, receiver).going_on() as speech:
        fault(one)
        await until(lambda: len(gaps) == 2)
        await speech.goes_on()
    assert one not in {node_of(cluster, sender), node_of(cluster, receiver)}


async def test_nothing_said_is_lost_while_every_node_is_away(cluster: Cluster, new_bus: NewBus) -> None:
    one, other, _ = cluster.nodes
    sender, receiver = await new_bus(one), await new_bus(other)
    gaps: list[float] = []
    sender.on_back(gaps.append)
    async with Speech(sender, receiver).going_on() as speech:
        outage = asyncio.create_task(cluster.all_down(OUTAGE_S))
        await until(lambda: sender.away_since is not None and not receiver.is_connected)
        await until(lambda: sender.is_connected and receiver.is_connected, within_s=60)
        await speech.goes_on()
        await outage
    assert gaps[0] >= OUTAGE_S
    assert sender.away_since is None


async def test_a_node_that_dies_elsewhere_is_an_event_of_the_bus(cluster: Cluster, new_bus: NewBus) -> None:
    bus = await new_bus(cluster.nodes[0])
    settled = bus.last_event_at
    cluster.nodes[1].kill()
    await until(lambda: bus.last_event_at > settled)
    assert bus.is_connected
    died = bus.last_event_at
    await cluster.start()
    await until(lambda: bus.last_event_at > died)


async def test_a_node_that_leaves_elsewhere_is_an_event_before_its_clients_have_gone(
    cluster: Cluster, new_bus: NewBus
) -> None:
    bus, leaver = await new_bus(cluster.nodes[0]), await new_bus(cluster.nodes[1])
    events: list[float] = []
    leaver.on_away(lambda: events.append(bus.last_event_at))
    settled = bus.last_event_at
    cluster.nodes[1].lame_duck()
    await until(lambda: events)
    assert events[0] > settled


async def test_without_a_leader_writes_to_the_registry_fail_facts_are_live_and_all_comes_back(
    cluster: Cluster, new_bus: NewBus
) -> None:
    await topology.ensure(await new_bus(cluster.nodes[0]), replicas=3)
    leader = await cluster.leader_of(f"KV_{subjects.CALLS_BUCKET}")
    others = [node for node in cluster.nodes if node is not leader]
    bus, reader = await new_bus(others[0]), await new_bus(others[1])
    live: list[Msg] = []
    await reader.subscribe(subjects.ALL_FACTS, live.append)
    bucket = await bus.jetstream.key_value(subjects.CALLS_BUCKET)
    await put(bus, "CA1", b"before")
    facts: list[AnyFact] = [DigitsPressed(call_id="CA1", fact_id=f"fact-{n}", digits="1") for n in range(10)]
    async with writing_to(bus) as writer:
        for fact in facts[:5]:
            writer.write(fact)
        await until(lambda: writer.pending == 0, within_s=60)
        leader.kill()
        with pytest.raises((NatsError, TimeoutError)):
            await bucket.put("CA1", b"lost")
        for fact in facts[5:]:
            writer.write(fact)
        await until(lambda: len(live) >= 10)
        read, _ = await facts_of(reader, "CA1", timeout_s=60)
        assert read[:5] == facts[:5]
        await put(bus, "CA1", b"after")
        await until(lambda: writer.pending == 0, within_s=60)
    assert (await bucket.get("CA1")).value == b"after"
    assert await facts_of(reader, "CA1", timeout_s=60) == (facts, True)


async def test_streams_and_buckets_get_the_replicas_the_setting_says(cluster: Cluster, new_bus: NewBus) -> None:
    bus = await new_bus(cluster.nodes[0])
    for replicas in (1, 3):
        await topology.ensure(bus, replicas)
        infos = await listed(bus)
        assert {info.config.num_replicas for info in infos} == {replicas}
        assert len(infos) == len(topology.streams(replicas)) + len(topology.buckets(replicas))


async def listed(bus: Bus) -> list[StreamInfo]:
    """Every stream. The cluster answers late while one that has just got replicas elects a leader."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NatsError):
                return await bus.jetstream.streams_info()


async def put(bus: Bus, key: str, value: bytes) -> None:
    """Write to the registry as soon as it takes it."""
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(NatsError, TimeoutError):
                await (await bus.jetstream.key_value(subjects.CALLS_BUCKET)).put(key, value)
                return
            await asyncio.sleep(0.05)
