"""The call log on a real stream and a real table: a line for every turn, once, whatever is away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY

from common import subjects
from common.bus import topology
from common.bus.connection import Bus
from common.messages.commands import EndReason
from common.messages.facts import AgentSaid, AnyFact, CallEnded, CallerSaid, CallStarted, DigitsPressed
from fakes.dynamo import DynamoServer, create_table
from orchestrator.dynamo import call_log
from orchestrator.dynamo.call_log import CallLog
from orchestrator.dynamo.call_log_table import CallLogTable
from orchestrator.dynamo.client import Dynamo

NUMBER = "+14155550100"


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    connected = Bus([nats_url], "test")
    await connected.connect()
    await topology.ensure(connected)
    yield connected
    await connected.close()


@dataclass
class Desk:
    """A stream and a table, and call logs between them."""

    bus: Bus
    dynamo: Dynamo
    table: str
    published: int = field(default=0)

    def new_log(self) -> CallLog:
        """Of one replica."""
        return CallLog(self.bus, CallLogTable(self.dynamo, self.table, keep_days=30), lambda profile: "JP")

    async def tell(self, *facts: AnyFact) -> None:
        """Into the stream; the same fact may be told twice."""
        for fact in facts:
            self.published += 1
            headers = {"Nats-Msg-Id": f"message-{self.published}"}
            await self.bus.jetstream.publish(subjects.fact(fact.call_id), fact.encode(), headers=headers)

    async def lines(self) -> list[dict[str, str]]:
        """What is in the table, by number and time."""
        items: list[dict[str, dict[str, Any]]] = (await self.dynamo._client.scan(TableName=self.table))["Items"]
        plain = [{name: next(iter(value.values())) for name, value in item.items()} for item in items]
        return sorted(plain, key=lambda item: (item["phone_number"], item["ts"]))

    async def has(self, count: int) -> list[dict[str, str]]:
        """Wait for so many lines."""
        async with asyncio.timeout(30):
            while len(lines := await self.lines()) < count:
                await asyncio.sleep(0.02)
        return lines

    async def unwritten(self) -> int:
        """Messages nobody has acknowledged."""
        try:
            info = await self.bus.jetstream.consumer_info(subjects.FACTS_STREAM, call_log.DURABLE)
        except NotFoundError:
            return self.published
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def has_settled(self) -> None:
        """Wait until everything is acknowledged."""
        async with asyncio.timeout(30):
            while await self.unwritten():
                await asyncio.sleep(0.02)


@pytest.fixture
async def desk(bus: Bus, dynamo: Dynamo) -> Desk:
    return Desk(bus, dynamo, await create_table(dynamo, "phone_number", "ts"))


@contextlib.asynccontextmanager
async def running(log: CallLog) -> AsyncIterator[CallLog]:
    """Ended as the service ends its parts."""
    await log.start()
    work = asyncio.create_task(log.run())
    try:
        yield log
    finally:
        work.cancel()
        await asyncio.wait([work])
        await log.close()
    assert work.cancelled() or work.exception() is None


def began(call: str = "CA1", number: str = NUMBER) -> CallStarted:
    return CallStarted(
        call_id=call,
        leg="twilio",
        edge_id="edge-1",
        profile="desk",
        caller_number=number,
        started_at="2026-11-20T12:30:00.000+00:00",
    )


def caller(number: int, call: str = "CA1", start_ms: int | None = None) -> CallerSaid:
    return CallerSaid(
        call_id=call,
        fact_id=f"{call}-caller-{number}",
        item_id=f"item-{number}",
        text=f"Question {number}.",
        start_ms=number * 1_000 if start_ms is None else start_ms,
        end_ms=number * 1_000 + 500,
    )


def agent(number: int, call: str = "CA1", start_ms: int | None = None) -> AgentSaid:
    return AgentSaid(
        call_id=call,
        fact_id=f"{call}-agent-{number}",
        item_id=f"answer-{number}",
        text=f"Answer {number}.",
        start_ms=number * 1_000 + 600 if start_ms is None else start_ms,
        end_ms=number * 1_000 + 900,
        heard_ms=300,
        audio_ms=300,
    )


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("trunkline_call_log_lines_total", {"result": result}) or 0.0


async def test_every_turn_is_a_line_under_the_callers_number_and_its_moment(desk: Desk) -> None:
    digits = DigitsPressed(call_id="CA1", digits="1")
    ended = CallEnded(call_id="CA1", reason=EndReason.CALLER_HANGUP, duration_ms=3_000)
    await desk.tell(began(), agent(0), caller(1), digits)
    async with running(desk.new_log()):
        await desk.tell(agent(1), ended)
        lines = await desk.has(3)
        await desk.has_settled()
    after_30_days = datetime(2026, 12, 20, 12, 30, tzinfo=UTC).timestamp()
    assert [int(line.pop("expires_at")) - after_30_days for line in lines] == [0, 1, 1]
    assert lines == [
        {
            "phone_number": NUMBER,
            "ts": "2026-11-20T12:30:00.600000+00:00",
            "assistant_text": "Answer 0.",
            "call_sid": "CA1",
            "fact_id": "CA1-agent-0",
        },
        {
            "phone_number": NUMBER,
            "ts": "2026-11-20T12:30:01.000000+00:00",
            "user_text": "Question 1.",
            "call_sid": "CA1",
            "fact_id": "CA1-caller-1",
        },
        {
            "phone_number": NUMBER,
            "ts": "2026-11-20T12:30:01.600000+00:00",
            "assistant_text": "Answer 1.",
            "call_sid": "CA1",
            "fact_id": "CA1-agent-1",
        },
    ]


async def test_a_fact_that_is_told_twice_is_one_line(desk: Desk) -> None:
    turns: list[AnyFact] = [*map(caller, range(10)), *map(agent, range(10))]
    await desk.tell(began(), *turns, *turns)
    async with running(desk.new_log()), running(desk.new_log()):
        await desk.has(20)
        await desk.tell(*turns)
        await desk.has_settled()
    assert len(await desk.lines()) == 20


async def test_turns_of_one_moment_are_lines_a_microsecond_apart_also_when_they_are_told_again(desk: Desk) -> None:
    turns: list[AnyFact] = [caller(1, start_ms=500), agent(1, start_ms=500), caller(2, start_ms=500)]
    await desk.tell(began(), *turns)
    async with running(desk.new_log()):
        first = await desk.has(3)
        await desk.tell(*reversed(turns))
        await desk.has_settled()
    assert await desk.lines() == first
    assert [line["ts"] for line in first] == [f"2026-11-20T12:30:00.50000{bump}+00:00" for bump in range(3)]


async def test_callers_without_a_number_share_a_word_and_nobodys_turn_is_lost(desk: Desk) -> None:
    calls = [f"CA{number}" for number in range(20)]
    await desk.tell(*(began(call, "anonymous") for call in calls), *(caller(1, call) for call in calls))
    async with running(desk.new_log()):
        lines = await desk.has(20)
    assert {line["phone_number"] for line in lines} == {"anonymous"}
    assert {line["call_sid"] for line in lines} == set(calls)


async def test_another_replica_learns_from_the_stream_how_the_call_began(desk: Desk) -> None:
    await desk.tell(began(number="090-1234-5678"))
    async with running(desk.new_log()):
        await desk.has_settled()
    await desk.tell(caller(1))
    async with running(desk.new_log()):
        (line,) = await desk.has(1)
    assert line["phone_number"] == "+819012345678"
    assert line["ts"] == "2026-11-20T12:30:01.000000+00:00"


async def test_nothing_is_lost_while_the_table_is_away(desk: Desk, dynamo_server: DynamoServer) -> None:
    dynamo_server.stop()
    before = counted("put_off")
    try:
        await desk.tell(began(), *(caller(number) for number in range(30)))
        async with running(desk.new_log()):
            async with asyncio.timeout(20):
                while counted("put_off") - before < 30:
                    await asyncio.sleep(0.01)
    finally:
        dynamo_server.start()
    async with running(desk.new_log()):
        await desk.has(30)
        await desk.has_settled()
    assert len(await desk.lines()) == 30


async def test_a_table_that_is_made_later_gets_everything(bus: Bus, dynamo: Dynamo) -> None:
    desk = Desk(bus, dynamo, "calls-later")
    before = counted("put_off")
    await desk.tell(began(), caller(1), agent(1))
    async with running(desk.new_log()):
        async with asyncio.timeout(20):
            while counted("put_off") - before < 2:
                await asyncio.sleep(0.01)
        await create_table(dynamo, "phone_number", "ts", name="calls-later")
        await desk.has(2)


async def test_what_is_no_fact_is_counted_and_stops_nothing(desk: Desk) -> None:
    before = REGISTRY.get_sample_value("trunkline_bus_rejects_total", {"kind": "malformed"}) or 0.0
    await desk.tell(began())
    for data in (b"", b"\xff", b"{}", b'{"type": "caller_said"}', caller(1, "CA2").encode()):
        await desk.bus.jetstream.publish(subjects.fact("CA1"), data)
    await desk.tell(caller(2))
    async with running(desk.new_log()):
        (line,) = await desk.has(1)
        await desk.has_settled()
    assert line["fact_id"] == "CA1-caller-2"
    after = REGISTRY.get_sample_value("trunkline_bus_rejects_total", {"kind": "malformed"}) or 0.0
    assert after - before >= 5


async def test_a_turn_of_a_call_without_a_beginning_waits_for_it_and_is_kept_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "_WAIT_FOR_BEGINNING_S", 0.05)
    await desk.tell(caller(1, "CA-lost"))
    before = counted("unknown_caller")
    async with running(desk.new_log()):
        (line,) = await desk.has(1)
        await desk.has_settled()
    assert (line["phone_number"], line["user_text"]) == ("unknown", "Question 1.")
    assert counted("unknown_caller") - before == 1


async def test_a_beginning_that_comes_late_is_waited_for(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_log, "_WAIT_FOR_BEGINNING_S", 0.2)
    before = counted("put_off")
    await desk.tell(caller(1))
    async with running(desk.new_log()):
        async with asyncio.timeout(20):
            while counted("put_off") - before < 1:
                await asyncio.sleep(0.005)
        await desk.tell(began())
        (line,) = await desk.has(1)
    assert line["phone_number"] == NUMBER


async def test_a_drained_log_finishes_what_it_has_and_leaves_the_rest_to_others(desk: Desk) -> None:
    await desk.tell(began(), caller(1))
    log = desk.new_log()
    await log.start()
    work = asyncio.create_task(log.run())
    await desk.has(1)
    await log.drain()
    work.cancel()
    await asyncio.wait([work])
    await log.close()
    await desk.has_settled()
    await desk.tell(caller(2))
    async with running(desk.new_log()):
        await desk.has(2)


async def test_a_caller_is_forgotten_with_every_line_and_nobody_else(desk: Desk) -> None:
    await desk.tell(began(), began("CA2", "+14155550199"), caller(1), agent(1), caller(1, "CA2"))
    async with running(desk.new_log()):
        await desk.has(3)
    table = CallLogTable(desk.dynamo, desk.table, keep_days=30)
    assert [await table.forget_caller(NUMBER) for _ in range(2)] == [2, 0]
    assert [line["phone_number"] for line in await desk.lines()] == ["+14155550199"]
