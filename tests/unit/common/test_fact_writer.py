"""The fact writer's own logic, on a bus of paper: what is kept, sent again and given up."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from common import metrics
from common.bus import facts as writing
from common.bus.connection import Bus, Handler
from common.bus.facts import FactWriter
from common.messages.facts import AnyFact, DigitsPressed, Fact
from fakes.waiting import until


class PaperBus(Bus):
    """Notes what is published; the test answers by hand."""

    def __init__(self) -> None:
        super().__init__([], "paper")
        self.sent: list[tuple[str, AnyFact, str, dict[str, str]]] = []
        self._on_answer: Handler | None = None
        self.is_up = True

    @property
    def takes_messages(self) -> bool:
        """As the test has it."""
        return self.is_up

    def come_back(self, gap_s: float) -> None:
        """The connection was lost and is back."""
        self.is_up = True
        for callback in self._when_back:
            callback(gap_s)

    def new_inbox(self) -> str:
        """Always the same."""
        return "_INBOX.me"

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Only the writer's own subscription is expected."""
        assert (subject, queue) == ("_INBOX.me.*", "")
        self._on_answer = handler
        return _nothing_to_stop

    async def publish(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        """Note it."""
        if self.is_up:
            self.sent.append((subject, Fact.validate_json(payload), reply, headers or {}))
        return self.is_up

    def answer(self, fact_id: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        """What the stream (or NATS itself) says about one fact."""
        assert self._on_answer is not None
        self._on_answer(Msg(Client(), f"_INBOX.me.{fact_id}", "", data, headers))

    @property
    def ids(self) -> list[str]:
        """The facts that were sent, in order."""
        return [fact.fact_id for _, fact, _, _ in self.sent]


async def _nothing_to_stop() -> None:
    pass


def fact(number: int) -> AnyFact:
    return DigitsPressed(call_id="CA1", fact_id=f"fact-{number}", digits=str(number))


@contextlib.asynccontextmanager
async def running(bus: PaperBus) -> AsyncIterator[FactWriter]:
    writer = FactWriter(bus)
    await writer.start()
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def bus() -> PaperBus:
    return PaperBus()


@pytest.fixture
def _again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_RETRY_AFTER_S", 0.001)


async def test_a_fact_is_published_on_its_calls_subject_with_its_id_for_deduplication(bus: PaperBus) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        await until(lambda: bus.sent)
    assert bus.sent == [("trunk.v1.fact.CA1", fact(1), "_INBOX.me.fact-1", {"Nats-Msg-Id": "fact-1"})]


async def test_facts_are_published_in_the_order_they_were_written(bus: PaperBus) -> None:
    async with running(bus) as writer:
        for number in range(20):
            writer.write(fact(number))
        await until(lambda: len(bus.sent) == 20)
    assert bus.ids == [f"fact-{number}" for number in range(20)]


@pytest.mark.usefixtures("_again_at_once")
async def test_a_fact_is_published_again_until_the_stream_has_it(bus: PaperBus) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        writer.write(fact(2))
        await until(lambda: bus.ids.count("fact-1") >= 3)
        bus.answer("fact-1", b'{"stream":"FACTS","seq":1}')
        assert writer.pending == 1
        bus.sent.clear()
        await until(lambda: len(bus.sent) >= 3)
        assert set(bus.ids) == {"fact-2"}


@pytest.mark.parametrize(
    ("data", "headers"),
    [(b'{"error":{"code":503,"description":"no responders"}}', None), (b"", {"Status": "503"})],
)
async def test_a_refusal_and_nobody_there_are_no_acknowledgements(
    bus: PaperBus, data: bytes, headers: dict[str, str] | None
) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        bus.answer("fact-1", data, headers)
        assert writer.pending == 1


async def test_an_acknowledgement_of_something_unknown_does_no_harm(bus: PaperBus) -> None:
    async with running(bus) as writer:
        bus.answer("fact-9", b'{"stream":"FACTS","seq":1,"duplicate":true}')
        assert writer.pending == 0


@pytest.mark.usefixtures("_again_at_once")
async def test_facts_written_without_a_connection_are_sent_when_it_is_back(bus: PaperBus) -> None:
    bus.is_up = False
    async with running(bus) as writer:
        writer.write(fact(1))
        await asyncio.sleep(0)
        bus.is_up = True
        await until(lambda: bus.sent)
    assert bus.ids[0] == "fact-1"


async def test_after_an_outage_what_may_be_lost_goes_first_and_what_was_written_meanwhile_follows(
    bus: PaperBus,
) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        writer.write(fact(2))
        await until(lambda: len(bus.sent) == 2)
        bus.is_up = False
        writer.write(fact(3))
        writer.write(fact(4))
        bus.answer("fact-1", b'{"stream":"FACTS","seq":1}')
        bus.sent.clear()
        bus.come_back(60)
        await until(lambda: len(bus.sent) == 3)
    assert bus.ids == ["fact-2", "fact-3", "fact-4"]


async def test_after_an_outage_what_was_sent_long_before_it_waits_its_time(bus: PaperBus) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        await until(lambda: bus.sent)
        bus.is_up = False
        bus.come_back(0)
        writer.write(fact(2))
        await until(lambda: len(bus.sent) == 2)
    assert bus.ids == ["fact-1", "fact-2"]


async def test_a_backlog_is_sent_again_at_the_pace_of_the_acknowledgements(
    bus: PaperBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_RETRY_AT_ONCE", 5)
    async with running(bus) as writer:
        for number in range(100):
            writer.write(fact(number))
        await until(lambda: len(bus.sent) == 100)
        bus.sent.clear()
        monkeypatch.setattr(writing, "_RETRY_AFTER_S", 0.0)
        writer._unpaced_from = 0
        for answered in range(100):
            await _sent(bus, answered + 1)
            bus.answer(bus.ids[answered], b'{"stream":"FACTS","seq":1}')
        assert writer.pending == 0


async def _sent(bus: PaperBus, count: int) -> None:
    await until(lambda: len(bus.sent) >= count)


async def test_settling_asks_for_acknowledgements_again(bus: PaperBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_SETTLING_RETRY_AFTER_S", 0.001)
    async with running(bus) as writer:
        writer.write(fact(1))
        await _sent(bus, 1)
        settling = asyncio.create_task(writer.settle(20))
        await _sent(bus, 2)
        bus.answer("fact-1", b'{"stream":"FACTS","seq":1}')
        await settling


@pytest.mark.usefixtures("_again_at_once")
async def test_a_fact_the_bus_refuses_does_not_hold_up_the_others(
    bus: PaperBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = bus.publish

    async def refusing(subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None) -> bool:
        return "fact-1" not in reply and await publish(subject, payload, reply=reply, headers=headers)

    monkeypatch.setattr(bus, "publish", refusing)
    async with running(bus) as writer:
        writer.write(fact(1))
        writer.write(fact(2))
        await until(lambda: bus.ids.count("fact-2") >= 2)
        assert writer.pending == 2


async def test_beyond_its_memory_the_writer_gives_up_the_oldest_and_counts_it(
    bus: PaperBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_KEEP_AT_MOST", 3)
    lost = metrics.FACTS_LOST._value.get()
    writer = FactWriter(bus)
    for number in range(5):
        writer.write(fact(number))
    assert writer.pending == 3
    assert metrics.FACTS_LOST._value.get() == lost + 2
    assert metrics.FACTS_PENDING._value.get() == 3


async def test_settling_waits_for_the_last_acknowledgement(bus: PaperBus) -> None:
    async with running(bus) as writer:
        writer.write(fact(1))
        settling = asyncio.create_task(writer.settle(20))
        await until(lambda: bus.sent)
        assert not settling.done()
        bus.answer("fact-1", b'{"stream":"FACTS","seq":1}')
        await settling


async def test_settling_with_nothing_open_returns_at_once(bus: PaperBus) -> None:
    lost = metrics.FACTS_LOST._value.get()
    await FactWriter(bus).settle(20)
    assert metrics.FACTS_LOST._value.get() == lost
