"""Calls that an edge leaves behind: they come back in time, or exactly one edge ends them with their one record."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common import subjects
from common.messages.commands import EndReason
from common.messages.facts import CallEnded, CallStarted
from edge import orphans
from edge.registry import CallEntry
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.phone import CALLER, DIALLED, Phone, Stream, new_call_sid
from integration.edge.running import EdgeProcess, Stage, counted, edge_process, stage
from integration.edge.two_edges import all_known, caller_said, gone, lets_itself_be_adopted, resumed, tell

PROFILE = "desk"


@pytest.fixture(autouse=True)
def _short_graces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "AFTER_REATTACHING_S", 0.5)
    monkeypatch.setattr(orphans, "BUS_AWAY_AT_MOST_S", 1.0)
    monkeypatch.setattr(orphans, "SWEEP_EVERY_S", 2.0)
    monkeypatch.setattr(orphans, "STALE_AFTER_S", 0.5)


@contextlib.asynccontextmanager
async def watchers(nats_url: str, directory: Path, count: int) -> AsyncIterator[list[Stage]]:
    """Edges in this process, which share one record file."""
    async with contextlib.AsyncExitStack() as stack:
        stages = []
        for _ in range(count):
            stages.append(await stack.enter_async_context(stage(nats_url, directory, edge_reattach_within_s=1)))
        yield stages


@contextlib.asynccontextmanager
async def left_behind(
    nats_url: str, directory: Path, talker: Talker, public_base_url: str
) -> AsyncIterator[tuple[EdgeProcess, Stream]]:
    """An edge process that carries one call."""
    environ = {"PUBLIC_BASE_URL": public_base_url, "EDGE_REATTACH_WITHIN_S": "1"}
    async with (
        edge_process(nats_url, directory, environ=environ) as edge,
        Phone(public_base_url, edge.reached_at).call() as stream,
    ):
        await talker.cut_over_to()
        yield edge, stream


async def entry_of(talker: Talker, call_id: str) -> CallEntry:
    bucket = await talker.client.jetstream().key_value(subjects.CALLS_BUCKET)
    return CallEntry.decode((await bucket.get(call_id)).value or b"")


async def recorded(talker: Talker, call_id: str) -> CallEntry:
    """Wait until the registry says that the call has its record."""
    async with asyncio.timeout(30):
        while not (entry := await entry_of(talker, call_id)).has_record:
            await asyncio.sleep(0.02)
    return entry


async def test_a_call_nobody_comes_back_for_is_ended_by_one_of_three_edges_with_one_record_from_the_facts(
    nats_url: str, tmp_path: Path
) -> None:
    closed = counted("orphans_closed")
    async with watchers(nats_url, tmp_path, 3) as stages, talking(nats_url) as talker:
        (first, *_) = stages
        async with left_behind(nats_url, tmp_path, talker, first.phone.public_base_url) as (edge, stream):
            offer = talker.offers[0]
            await tell(talker, caller_said(offer, "wish", "A loan, please.", 100, 7_000))
            edge.process.kill()
            await edge.process.wait()
            await gone(stream)
        entry = await recorded(talker, stream.call_sid)
        assert (entry.state, entry.end_reason) == ("ended", EndReason.LEG_LOST)
        record = await first.record(stream.call_sid)
        assert [turn["text"] for turn in record["turns"]] == ["A loan, please."]
        assert (record["caller"], record["dialled"], record["profile"]) == (CALLER, DIALLED, PROFILE)
        assert (record["end_reason"], record["duration_ms"]) == (EndReason.LEG_LOST, 7_000)
        ended = await first.facts.wait_for(stream.call_sid, "call_ended")
        assert isinstance(ended, CallEnded)
        assert (ended.reason, ended.duration_ms) == (EndReason.LEG_LOST, 7_000)
        async with first.phone.call() as another:
            await talker.cut_over_to(2)
            await another.hang_up()
            await gone(another)
        assert set(record) == set(await first.record(another.call_sid))
        await two_more_sweeps(stages)
        assert first.facts.types(stream.call_sid).count("call_ended") == 1
        assert len([each for each in first.records() if each["call_id"] == stream.call_sid]) == 1
        assert counted("orphans_closed") == closed + 1


async def test_a_call_that_comes_back_in_time_is_nobodys_orphan(nats_url: str, tmp_path: Path) -> None:
    closed = counted("orphans_closed")
    async with watchers(nats_url, tmp_path, 2) as stages, talking(nats_url) as talker:
        (first, *_) = stages
        lets_itself_be_adopted(talker)
        async with left_behind(nats_url, tmp_path, talker, first.phone.public_base_url) as (edge, stream):
            edge.process.kill()
            await edge.process.wait()
            await gone(stream)
        async with resumed(first.phone, stream.call_sid) as again:
            await two_more_sweeps(stages)
            await two_more_sweeps(stages)
            assert again.is_open
            assert first.records() == []
            await again.hang_up()
            await gone(again)
        assert (await first.record(stream.call_sid))["end_reason"] == EndReason.CALLER_HANGUP
        assert counted("orphans_closed") == closed


async def test_calls_of_an_edge_that_ends_while_others_live_are_left_to_them(nats_url: str, tmp_path: Path) -> None:
    async with watchers(nats_url, tmp_path, 1) as (first,), talking(nats_url) as talker:
        lets_itself_be_adopted(talker)
        async with left_behind(nats_url, tmp_path, talker, first.phone.public_base_url) as (edge, stream):
            await all_known(nats_url, 2)
            assert await edge.stop() == 0
            await gone(stream)
        assert (await entry_of(talker, stream.call_sid)).state == "live"
        async with resumed(first.phone, stream.call_sid) as again:
            await first.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            await again.hang_up()
            await gone(again)
        await first.record(stream.call_sid)
        await first.facts.wait_for(stream.call_sid, "call_ended")
        assert len(talker.offers) == 2  # the one offer, and the adoption


async def test_a_call_from_before_this_edge_was_started_is_ended_too(nats_url: str, tmp_path: Path) -> None:
    async with watchers(nats_url, tmp_path, 1) as (first,), talking(nats_url) as talker:
        call_id = await leave(talker, CallEntry(edge_id="long-gone", state="live", profile=PROFILE, epoch=2))
        record = await first.record(call_id)
        assert (record["profile"], record["turns"], record["end_reason"]) == (PROFILE, [], EndReason.LEG_LOST)


async def test_a_call_that_had_ended_but_for_its_record_gets_it_with_its_own_reason(
    nats_url: str, tmp_path: Path
) -> None:
    ended = CallEntry(edge_id="long-gone", state="ended", profile=PROFILE, end_reason=EndReason.AGENT_HANGUP)
    async with watchers(nats_url, tmp_path, 2) as (first, *_), talking(nats_url) as talker:
        call_id = await leave(talker, ended)
        assert (await first.record(call_id))["end_reason"] == EndReason.AGENT_HANGUP
        assert (await recorded(talker, call_id)).end_reason == EndReason.AGENT_HANGUP


async def test_a_record_that_was_written_is_not_written_again_though_nobody_had_noted_it(
    nats_url: str, tmp_path: Path
) -> None:
    async with watchers(nats_url, tmp_path, 2) as (first, *_), talking(nats_url) as talker:
        call_id = new_call_sid()
        await tell(talker, started(call_id), CallEnded(call_id=call_id, reason=EndReason.AGENT_HANGUP, duration_ms=9))
        with first.records_file.open("a") as file:
            file.write(f'{{"call_id": "{call_id}", "end_reason": "agent_hangup"}}\n')
        await leave(talker, CallEntry(edge_id="long-gone", state="live", profile=PROFILE), call_id)
        assert (await recorded(talker, call_id)).end_reason == EndReason.AGENT_HANGUP
        assert len(first.records()) == 1
        assert first.facts.types(call_id).count("call_ended") == 1


async def test_a_call_whose_facts_cannot_be_read_waits_for_them(nats_url: str, tmp_path: Path) -> None:
    async with watchers(nats_url, tmp_path, 1) as (first,), talking(nats_url) as talker:
        jetstream = talker.client.jetstream()
        readable = (await jetstream.stream_info(subjects.FACTS_STREAM)).config
        call_id = new_call_sid()
        await tell(talker, started(call_id))
        await jetstream.update_stream(readable.evolve(allow_direct=False))
        await leave(talker, CallEntry(edge_id="long-gone", state="live", profile=PROFILE), call_id)
        await until(lambda: first.edge._orphans._orphanage.has_any)
        await until(lambda: not first.edge._orphans._orphanage.has_any)
        assert first.records() == []
        await jetstream.update_stream(readable)
        assert (await first.record(call_id))["caller"] == CALLER


async def test_a_call_of_ours_that_we_do_not_carry_is_nobodys(nats_url: str, tmp_path: Path) -> None:
    async with watchers(nats_url, tmp_path, 2) as (first, *_), talking(nats_url) as talker:
        call_id = await leave(talker, CallEntry(edge_id=first.edge.edge_id, state="live", profile=PROFILE))
        await first.record(call_id)


# ----------------------------------------------------------------------------------------------------------------------


def started(call_id: str) -> CallStarted:
    return CallStarted(
        call_id=call_id,
        leg="twilio",
        edge_id="long-gone",
        profile=PROFILE,
        caller_number=CALLER,
        started_at="2026-11-20T00:00:00Z",
    )


async def leave(talker: Talker, entry: CallEntry, call_id: str = "") -> str:
    """Put an entry into the registry."""
    call_id = call_id or new_call_sid()
    await talker.client.jetstream().publish(f"$KV.{subjects.CALLS_BUCKET}.{call_id}", entry.encode())
    return call_id


async def two_more_sweeps(stages: list[Stage]) -> None:
    """Wait until every edge has looked through the registry twice more."""
    for _ in range(2):
        await asyncio.gather(*map(one_more_sweep, stages))


async def one_more_sweep(running: Stage) -> None:
    watcher = running.edge._orphans
    due = watcher._sweep_at
    await until(lambda: watcher._sweep_at > due)
