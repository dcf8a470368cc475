"""Call records on a real bus and real databases: nothing lost, nothing doubled, whatever dies."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY

from common import subjects
from common.bus import topology
from common.bus.connection import Bus
from common.ending import end_tasks
from common.messages import facts
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState
from common.messages.commands import EndReason
from common.messages.facts import FLEET, AnyFact, LevelCause
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from fakes.nats import running_nats
from fakes.postgres import PostgresServer
from fakes.waiting import until
from orchestrator import pulling
from orchestrator.records import price_file, reading
from orchestrator.records.answers import CallRecord
from orchestrator.records.reading import Filter
from orchestrator.records.recorder import DURABLE, Recorder
from orchestrator.stores import migrating
from orchestrator.stores.database import Database

CALL = "CA" + "1" * 32
NUMBER = "+15550100123"


def started(call_id: str = CALL, **fields: Any) -> facts.CallStarted:
    given = {"leg": "twilio", "edge_id": "edge-1", "profile": "desk", "caller_number": NUMBER}
    return facts.CallStarted(call_id=call_id, started_at="2026-11-30T12:00:00+00:00", **{**given, **fields})


def ended(call_id: str = CALL, reason: EndReason = EndReason.CALLER_HANGUP) -> facts.CallEnded:
    return facts.CallEnded(call_id=call_id, epoch=2, at_ms=60_000, reason=reason, duration_ms=60_000)


def a_whole_call(call_id: str = CALL) -> tuple[AnyFact, ...]:
    """With everything that can happen in one."""

    def of(kind: type[Any], at_ms: int, epoch: int = 1, **fields: Any) -> AnyFact:
        fact: AnyFact = kind(call_id=call_id, epoch=epoch, at_ms=at_ms, **fields)
        return fact

    said = {"start_ms": 1_000, "end_ms": 2_000}
    tokens = {"input_text_tokens": 1_000, "cached_text_tokens": 600, "output_audio_tokens": 100}
    return (
        started(call_id),
        of(
            facts.EpochChanged,
            100,
            talker_id="worker-a",
            reason=HandoverReason.START,
            realtime_session_id="sess_a",
            ready_after_ms=90,
        ),
        of(facts.CallerSaid, 2_000, item_id="item_1", text="My bill is wrong.\x00", **said),
        of(facts.TurnStarted, 2_800, speaker="agent", item_id="item_2", response_ms=800),
        of(facts.ToolCalled, 2_900, item_id="item_3", tool_call_id="tool_1", name="get_task", arguments='{"id": 7}'),
        of(facts.ToolReturned, 3_100, tool_call_id="tool_1", output='{"title": "call back"}'),
        of(facts.AgentSaid, 3_500, item_id="item_2", text="I see", heard_ms=400, audio_ms=900, **said),
        of(facts.BargedIn, 3_400, item_id="item_2", onset_ms=3_400, heard_ms=400),
        of(facts.UsageReported, 3_500, response_id="resp_1", model="gpt-realtime-2.1", **tokens),
        of(facts.AgentChanged, 3_600, agent="billing", before="front", revision=1, answers="fact-0"),
        of(facts.InstructionsApplied, 3_700, revision=1, agent="billing"),
        of(
            facts.EpochChanged,
            9_000,
            epoch=2,
            talker_id="fallback-b",
            reason=HandoverReason.UPSTREAM_FAILED,
            realtime_session_id="attended-1",
            ready_after_ms=20,
        ),
        of(facts.ServiceLevelChanged, 9_000, epoch=2, level=2, before=0, cause=LevelCause.PROVIDER_FAILED),
        of(facts.DigitsPressed, 9_500, epoch=2, digits="1234#"),
        of(facts.MessageLeft, 20_000, epoch=2, message_id="message-1", profile="desk", duration_ms=4_000),
        of(facts.LegReattached, 21_000, epoch=2, leg="twilio", edge_id="edge-2"),
        ended(call_id),
    )


class Desk:
    """A bus with streams, and whoever writes records of it."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self.bus, self.database = bus, database

    async def tell(self, *told: AnyFact) -> None:
        """Into the stream, each once."""
        for fact in told:
            await self.bus.jetstream.publish(subjects.fact(fact.call_id), fact.encode())

    async def info(self, stream: str = subjects.FACTS_STREAM) -> ConsumerInfo:
        about: ConsumerInfo = await self.bus.jetstream.consumer_info(stream, DURABLE)
        return about

    async def is_done(self) -> bool:
        """True once nothing of the stream is unacknowledged."""
        try:
            about = await self.info()
        except NotFoundError:
            return False  # it is made by whoever receives first
        return not (about.num_pending or about.num_ack_pending)

    async def done(self) -> None:
        async with asyncio.timeout(20):
            while not await self.is_done():
                await asyncio.sleep(0.02)

    async def record(self, call_id: str = CALL) -> CallRecord | None:
        return await reading.record(self.database, call_id)

    async def has_ended(self, call_id: str = CALL) -> CallRecord:
        async with asyncio.timeout(20):
            while (found := await self.record(call_id)) is None or found.end_reason is None:
                await asyncio.sleep(0.02)
        return found

    @contextlib.asynccontextmanager
    async def recorder(self) -> AsyncIterator[Recorder]:
        part = Recorder(self.bus, self.database, price_file.load(None))
        await part.start()
        running = asyncio.create_task(part.run())
        try:
            yield part
        finally:
            await end_tasks([running])
            await part.close()


@contextlib.asynccontextmanager
async def desk_at(nats_url: str, database: Database) -> AsyncIterator[Desk]:
    bus = Bus([nats_url], "records")
    await bus.connect()
    await topology.ensure(bus)
    try:
        yield Desk(bus, database)
    finally:
        await bus.close()


@pytest.fixture
async def desk(nats_url: str, database: Database) -> AsyncIterator[Desk]:
    async with desk_at(nats_url, database) as made:
        yield made


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def shown(found: CallRecord) -> dict[str, Any]:
    """What does not depend on when it was written."""
    return found.model_dump(exclude={"first_seen_at"})


async def test_a_call_is_recorded_with_everything_that_happened(desk: Desk) -> None:
    async with desk.recorder():
        await desk.tell(*a_whole_call())
        told = Instructions(call_id=CALL, revision=1, instructions="You do billing.", agent="billing")
        await desk.bus.jetstream.publish(subjects.instructions(CALL), told.encode())
        await desk.has_ended()
        await desk.done()
        async with asyncio.timeout(10):
            while not (found := await desk.has_ended()).instruction_revisions[0].instructions:
                await asyncio.sleep(0.02)
    assert (found.profile, found.caller_number, found.agent) == ("desk", NUMBER, "billing")
    assert (found.realtime_mode, found.service_level, found.is_live) == ("fallback", 2, False)
    assert found.started_at is not None
    assert found.ended_at is not None
    assert (found.ended_at - found.started_at).total_seconds() == 60
    assert [each.realtime_session_id for each in found.sessions] == ["sess_a", "attended-1"]
    assert [(each.speaker, each.kind, each.text) for each in found.turns] == [
        ("caller", "speech", "My bill is wrong.\ufffd"),
        ("agent", "speech", "I see"),
        ("caller", "keys", "1234#"),
    ]
    assert [each.response_ms for each in found.turns] == [None, 800, None]
    assert (found.metrics.barge_ins, found.metrics.response_ms_p95) == (1, 800)
    (tool,) = found.tool_calls
    assert (tool.name, tool.arguments, tool.output) == ("get_task", '{"id": 7}', '{"title": "call back"}')
    assert [each.kind for each in found.fallback_events] == ["handover", "level", "message_left"]
    assert [each.kind for each in found.incidents] == ["leg_reattached"]
    (revision,) = found.instruction_revisions
    assert (revision.agent, revision.agent_before, revision.is_applied) == ("billing", "front", True)
    assert revision.instructions == "You do billing."
    assert found.cost.microdollars == 400 * 4 + 240 + 100 * 64
    assert found.cost.price_versions == [price_file.load(None).version]


async def test_facts_in_any_order_make_the_same_record(desk: Desk, nats_url: str) -> None:
    """As when two replicas write at the same time. The stream's order decides, not the order of writing."""
    whole = a_whole_call()
    await desk.tell(*whole)
    await desk.tell(*a_whole_call("CAbackwards"))
    async with desk.recorder():
        await desk.has_ended()
        await desk.has_ended("CAbackwards")
    forwards = await desk.record()
    assert forwards is not None
    messages = [await desk.bus.jetstream.get_msg(subjects.FACTS_STREAM, number) for number in range(1, len(whole) + 1)]
    await forget_everything(desk.database)
    for message in reversed(messages):
        await write_alone(desk, message.data or b"", message.seq or 0)
    backwards = await desk.record()
    assert backwards is not None
    assert shown(backwards) == shown(forwards)


async def forget_everything(database: Database) -> None:
    from orchestrator.records.tables import Call

    async with database.transaction() as connection:
        await connection.execute(Call.__table__.delete())  # type: ignore[attr-defined]


async def write_alone(desk: Desk, data: bytes, sequence: int) -> None:
    from datetime import UTC, datetime

    from common.messages.base import decode_as
    from orchestrator.core.record_entries import entries_of
    from orchestrator.core.record_vocabulary import Stamp
    from orchestrator.records import writing

    fact = decode_as(facts.Fact, data)
    at = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)
    entries = entries_of(fact, Stamp(sequence, at), price_file.load(None))
    await writing.write(desk.database, [(fact.call_id, at)], entries)


async def test_a_crash_between_writing_and_acknowledging_doubles_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The acknowledgements are lost; the stream gives everything again."""
    monkeypatch.setattr(pulling, "ACK_WAIT_S", 0.3)
    lost: list[object] = []

    async def lose(_: pulling.Pull, message: object) -> None:
        lost.append(message)

    with monkeypatch.context() as patched:
        patched.setattr(pulling.Pull, "acknowledge", lose)
        async with desk.recorder():
            await desk.tell(*a_whole_call())
            await until(lambda: len(lost) >= len(a_whole_call()))
    before = await desk.has_ended()
    async with desk.recorder():
        await desk.done()
    assert await desk.has_ended() == before
    listed = await reading.page(desk.database, Filter(), None, 50)
    assert [each.call_id for each in listed.calls] == [CALL]


async def test_a_fact_that_the_stream_has_twice_is_one_row(desk: Desk) -> None:
    """Its writer sent it again long after the stream had forgotten its id."""
    async with desk.recorder():
        whole = a_whole_call()
        await desk.tell(*whole, *whole)
        await desk.done()
        found = await desk.has_ended()
    assert (len(found.turns), len(found.sessions), len(found.usage), found.metrics.barge_ins) == (3, 2, 1, 1)


async def test_a_call_whose_start_was_lost_has_one_record_too(desk: Desk) -> None:
    async with desk.recorder():
        await desk.tell(*a_whole_call()[1:])
        found = await desk.has_ended()
    assert (found.profile, found.caller_number, found.started_at) == (None, None, None)
    assert found.ended_at is not None
    assert len(found.turns) == 3
    listed = await reading.page(desk.database, Filter(), None, 50)
    assert len(listed.calls) == 1


async def test_to_whom_a_call_was_transferred_is_shown_unless_it_came_back(desk: Desk) -> None:
    begun = [facts.TransferBegun(call_id=call_id, to="reception") for call_id in ("CAgone", "CAback")]
    failed = facts.TransferFailed(call_id="CAback", to="reception", why="busy")
    async with desk.recorder():
        await desk.tell(*begun, ended("CAgone", EndReason.TRANSFERRED), failed, ended("CAback"))
        found = [await desk.has_ended(call_id) for call_id in ("CAgone", "CAback")]
        await desk.done()
    assert [each.transferred_to for each in found] == ["reception", None]


async def test_a_call_that_runs_is_live_and_shows_how_it_is_served(desk: Desk) -> None:
    async with desk.recorder():
        await desk.tell(*a_whole_call()[:2])
        await desk.done()
    found = await desk.record()
    assert found is not None
    assert (found.is_live, found.realtime_mode, found.service_level) == (True, "realtime", 0)
    live = await reading.page(desk.database, Filter(is_live=True), None, 50)
    assert [each.call_id for each in live.calls] == [CALL]
    assert (await reading.page(desk.database, Filter(is_live=False), None, 50)).calls == []


async def test_what_cannot_be_read_is_put_aside_and_stops_nothing(desk: Desk) -> None:
    before = counted("trunkline_records_refused_total", why="malformed")
    of_another = facts.DigitsPressed(call_id="CAother", digits="1")
    rubbish: Sequence[bytes] = (
        b"",
        b"\xff\xfe",
        b"{}",
        b'{"type": "call_started", "version": 2}',
        b'{"type": "unheard_of", "call_id": "x"}',
        of_another.encode(),
    )
    async with desk.recorder():
        for data in rubbish:
            await desk.bus.jetstream.publish(subjects.fact(CALL), data)
        await desk.tell(started(), ended())
        await desk.has_ended()
        await desk.done()
    assert counted("trunkline_records_refused_total", why="malformed") - before == len(rubbish)
    assert await desk.record("CAother") is None


async def test_numbers_no_column_can_hold_do_not_stop_the_others(desk: Desk) -> None:
    monstrous = facts.TurnStarted(
        call_id=CALL, at_ms=10**30, speaker="agent", item_id="i\x00" * 1_000, response_ms=10**25
    )
    minus = facts.TurnStarted(call_id=CALL, speaker="agent", item_id="i", response_ms=-(10**30))
    async with desk.recorder():
        await desk.tell(monstrous, minus, started(), ended())
        await desk.has_ended()
        await desk.done()


async def test_the_fleets_own_facts_are_audited(desk: Desk) -> None:
    standing = BreakerStanding(
        provider="openai", model="m", state=BreakerState.RAMPING, mode=BreakerMode.AUTO, share=0.25
    )
    flag = facts.FlagChanged(call_id=FLEET, name="realtime.enabled", value="false", changed_at="2026-11-30T12:00:00Z")
    async with desk.recorder():
        await desk.tell(flag, facts.BreakerChanged(call_id=FLEET, standing=standing))
        await desk.done()
    async with desk.database.transaction() as connection:
        from sqlalchemy import text

        flags = (await connection.execute(text("SELECT name, value FROM flags_audit"))).all()
        breakers = (await connection.execute(text("SELECT state, share_percent FROM breaker_events"))).all()
    assert [tuple(row) for row in flags] == [("realtime.enabled", "false")]
    assert [tuple(row) for row in breakers] == [("ramping", 25)]
    assert (await reading.page(desk.database, Filter(), None, 50)).calls == []


async def test_a_model_nobody_has_a_price_for_costs_an_unknown_sum(desk: Desk) -> None:
    before = counted("trunkline_cost_unknown_total")
    known, unknown = (
        facts.UsageReported(call_id=CALL, response_id=f"r-{model}", model=model, output_text_tokens=1_000)
        for model in ("gpt-realtime-2.1", "somebody-elses")
    )
    async with desk.recorder():
        await desk.tell(known, unknown, ended())
        found = await desk.has_ended()
        await desk.done()
    assert (found.cost.microdollars, found.cost.known_microdollars) == (None, 24_000)
    assert found.cost.unpriced_responses == 1
    assert counted("trunkline_cost_unknown_total") - before == 1


async def test_while_the_database_is_away_facts_wait_in_the_stream(nats_url: str, postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    await migrating.upgrade(database)
    before = counted("trunkline_records_deferred_total")
    async with desk_at(nats_url, database) as desk, desk.recorder():
        await desk.tell(started())
        await desk.done()
        postgres.stop()
        try:
            await desk.tell(*a_whole_call()[1:])
            await until(lambda: counted("trunkline_records_deferred_total") > before)
            assert not await desk.is_done()
        finally:
            postgres.start()
        found = await desk.has_ended()
        await desk.done()
    assert (found.profile, len(found.turns), len(found.sessions)) == ("desk", 3, 2)
    await database.close()


async def test_a_recorder_that_drains_leaves_nothing_half_done(desk: Desk) -> None:
    async with desk.recorder() as part:
        await desk.tell(*a_whole_call())
        await desk.has_ended()
        async with asyncio.timeout(4):  # less than the stream is asked to wait for news
            await part.drain()
    about = await desk.info()
    assert about.num_ack_pending == 0


async def test_the_records_go_on_after_the_bus_was_away(database: Database) -> None:
    async with running_nats() as url, desk_at(url, database) as desk, desk.recorder():
        await desk.tell(started())
        await desk.done()
        await desk.bus._client.force_reconnect()
        await until(lambda: desk.bus.is_connected)
        await desk.bus.jetstream.delete_consumer(subjects.FACTS_STREAM, DURABLE)
        await desk.tell(ended())
        await desk.has_ended()


REPLICA = """
import asyncio, sys
from common.bus.connection import Bus
from orchestrator.records import price_file
from orchestrator.records.recorder import Recorder
from orchestrator.stores.database import Database

async def main():
    bus = Bus([sys.argv[1]], "replica")
    await bus.connect()
    part = Recorder(bus, Database(sys.argv[2]), price_file.load(None))
    await part.start()
    print("ready", flush=True)
    await part.run()

asyncio.run(main())
"""


@contextlib.asynccontextmanager
async def replica(nats_url: str, database_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", REPLICA, nats_url, database_url, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_a_replica_that_is_killed_leaves_its_facts_to_another(
    nats_url: str, database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes write; one dies in the middle of it. Every call has one record, complete."""
    monkeypatch.setattr(pulling, "ACK_WAIT_S", 1.0)
    calls = [f"CA{number:03}" for number in range(40)]
    async with desk_at(nats_url, database) as desk:
        await pulling.Pull(desk.bus, subjects.FACTS_STREAM, DURABLE).prepare()
        async with replica(nats_url, database_url) as doomed:
            for call_id in calls[:20]:
                await desk.tell(*a_whole_call(call_id))
            doomed.send_signal(signal.SIGKILL)
            await doomed.wait()
        async with desk.recorder():
            for call_id in calls[20:]:
                await desk.tell(*a_whole_call(call_id))
            await desk.done()
            records = [await desk.has_ended(call_id) for call_id in calls]
    assert {(len(each.turns), len(each.sessions), len(each.usage)) for each in records} == {(3, 2, 1)}
    listed = await reading.page(database, Filter(), None, 200)
    assert sorted(each.call_id for each in listed.calls) == calls
