"""The registry on a real bus: claims, notes written behind, conflicts, and KV that goes away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from common import metrics, subjects
from common.background import Background
from common.bus import topology
from common.bus.connection import Bus
from common.errors import SecurityError, UpstreamUnavailable
from common.messages.commands import EndReason
from edge.registry import CallEntry, Held, Registry
from fakes.nats import NatsBinary
from fakes.waiting import until


@dataclass
class Desk:
    """One edge's registry, running, and what it says."""

    edge_id: str
    bus: Bus
    carried: set[str] = field(default_factory=set)
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.registry = Registry(self.bus, self.edge_id, self.carried.__contains__, self.lost.append)

    def entry(self, **changes: Any) -> CallEntry:
        return CallEntry(**({"edge_id": self.edge_id, "state": "live", "profile": "desk"} | changes))

    def note(self, call_id: str, **changes: Any) -> CallEntry:
        entry = self.entry(**changes)
        self.registry.note(call_id, entry)
        return entry

    async def written(self) -> None:
        """Wait until nothing is left to write."""
        await self.registry.settle(20)
        await until(lambda: metrics.REGISTRY_UNWRITTEN._value.get() == 0)


@contextlib.asynccontextmanager
async def desk(url: str, edge_id: str) -> AsyncIterator[Desk]:
    bus = Bus([url], edge_id)
    await bus.connect()
    await topology.ensure(bus)
    running = Desk(edge_id, bus)
    background = Background()
    background.start("registry", running.registry.run())
    try:
        yield running
        assert background.failed() is None
    finally:
        await background.stop()
        await bus.close()


@contextlib.asynccontextmanager
async def two_desks(url: str) -> AsyncIterator[tuple[Desk, Desk]]:
    async with desk(url, "edge-a") as a, desk(url, "edge-b") as b:
        yield a, b


async def held(desk: Desk, call_id: str) -> Held:
    found = await desk.registry.read(call_id)
    assert found is not None
    return found


# --- claims -----------------------------------------------------------------------------------------------------------


async def test_a_call_nobody_has_is_ours(nats_url: str) -> None:
    async with two_desks(nats_url) as (a, b):
        assert await a.registry.claim("CA1", a.entry()) == "ours"
        claim = await b.registry.claim("CA1", b.entry())
        assert isinstance(claim, Held)
        assert claim.entry == a.entry()


async def test_of_edges_that_take_over_a_call_at_once_one_wins(nats_url: str) -> None:
    async with desk(nats_url, "edge-0") as first:
        await first.registry.claim("CA1", first.entry(epoch=3))
        before = await held(first, "CA1")
        async with two_desks(nats_url) as (a, b):
            claims = await asyncio.gather(*(each.registry.claim("CA1", each.entry(), before) for each in (a, b)))
            assert sorted(isinstance(claim, Held) for claim in claims) == [False, True]
            (loser,) = (claim for claim in claims if isinstance(claim, Held))
            assert loser.entry.edge_id in ("edge-a", "edge-b")


async def test_a_nonce_is_spent_once_at_all_edges_and_a_mark_set_once(nats_url: str) -> None:
    async with two_desks(nats_url) as (a, b):
        await a.registry.spend("nonce")
        for each in (a, b):
            with pytest.raises(SecurityError):
                await each.registry.spend("nonce")
        assert [await each.registry.is_first("rescue.CA1") for each in (a, b)] == [True, False]


# --- notes ------------------------------------------------------------------------------------------------------------


async def test_what_is_noted_is_written_soon_and_of_several_the_newest(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        a.carried.add("CA1")
        await a.registry.claim("CA1", a.entry())
        for epoch in range(1, 6):
            newest = a.note("CA1", epoch=epoch, talker_id="t")
        assert await a.registry.look_up("CA1") == newest
        await a.written()
        assert (await held(a, "CA1")).entry == newest


async def test_a_note_needs_no_claim(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        a.carried.add("CA1")
        newest = a.note("CA1", epoch=1)
        await a.written()
        assert (await held(a, "CA1")).entry == newest


async def test_a_stale_note_cannot_overwrite_a_newer_claim_and_the_edge_learns_that_it_lost_the_call(
    nats_url: str,
) -> None:
    conflicts = metrics.KV_CAS_CONFLICTS._value.get()
    async with two_desks(nats_url) as (a, b):
        a.carried.add("CA1")
        await a.registry.claim("CA1", a.entry())
        assert await b.registry.claim("CA1", b.entry(epoch=1), over=await held(b, "CA1")) == "ours"
        a.note("CA1", epoch=7)
        await until(lambda: a.lost == ["CA1"])
        await a.written()
        assert (await held(a, "CA1")).entry == b.entry(epoch=1)
        assert metrics.KV_CAS_CONFLICTS._value.get() == conflicts + 1


async def test_a_note_about_a_call_that_was_given_up_is_not_written(nats_url: str) -> None:
    async with two_desks(nats_url) as (a, b):
        await a.registry.claim("CA1", a.entry())
        before = await held(a, "CA1")
        a.note("CA1", epoch=2)
        await a.written()
        assert await held(a, "CA1") == before
        assert await b.registry.claim("CA1", b.entry(), over=before) == "ours"
        assert a.lost == []


async def test_the_end_of_a_call_that_goes_on_elsewhere_is_not_written(nats_url: str) -> None:
    async with two_desks(nats_url) as (a, b):
        await a.registry.claim("CA1", a.entry())
        await b.registry.claim("CA1", b.entry(), over=await held(b, "CA1"))
        a.note("CA1", state="ended", end_reason=EndReason.LEG_LOST)
        await a.written()
        assert (await held(a, "CA1")).entry == b.entry()
        assert a.lost == []


async def test_an_entry_that_was_closed_by_mistake_while_we_were_away_is_ours_again(nats_url: str) -> None:
    async with two_desks(nats_url) as (a, b):
        a.carried.add("CA1")
        await a.registry.claim("CA1", a.entry())
        closed = b.entry(state="ended", end_reason=EndReason.LEG_LOST)
        assert await b.registry.claim("CA1", closed, over=await held(b, "CA1")) == "ours"
        newest = a.note("CA1", epoch=2)
        await a.written()
        assert (await held(a, "CA1")).entry == newest


@pytest.mark.parametrize(("theirs", "ours", "is_lost"), [(3, 4, False), (4, 4, True), (5, 4, True)])
async def test_where_a_claim_never_reached_kv_epochs_tell_who_is_newer(
    nats_url: str, theirs: int, ours: int, is_lost: bool
) -> None:
    async with two_desks(nats_url) as (a, b):
        a.carried.add("CA1")
        await b.registry.claim("CA1", b.entry(epoch=theirs))
        a.note("CA1", epoch=ours)
        await a.written()
        assert (await held(a, "CA1")).entry.edge_id == ("edge-b" if is_lost else "edge-a")
        assert a.lost == (["CA1"] if is_lost else [])


async def test_what_nobody_can_read_is_overwritten(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        await a.bus.jetstream.publish(f"$KV.{subjects.CALLS_BUCKET}.CA1", b'{"version": 9}')
        a.carried.add("CA1")
        newest = a.note("CA1", epoch=1)
        await a.written()
        assert (await held(a, "CA1")).entry == newest


async def test_an_ended_call_is_marked_as_recorded(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        ended = a.note("CA1", state="ended", end_reason=EndReason.CALLER_HANGUP)
        a.note("CA2", state="ended", end_reason=EndReason.CALLER_HANGUP)
        a.registry.recorded("CA1")
        a.registry.recorded("unknown")
        await a.written()
        assert (await held(a, "CA1")).entry == ended.model_copy(update={"has_record": True})
        assert set(await a.registry.unfinished()) == {"CA2"}


# --- every call -------------------------------------------------------------------------------------------------------


async def test_one_pass_finds_every_call_without_a_record(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        assert await a.registry.unfinished() == {}
        live = {f"CA{number}" for number in range(300)}
        a.carried.update(live)
        for call_id in sorted(live):
            a.note(call_id, epoch=1)
        a.note("ended", state="ended", end_reason=EndReason.LEG_LOST)
        a.note("recorded", state="ended", end_reason=EndReason.LEG_LOST, has_record=True)
        await a.written()
        await a.bus.jetstream.publish(f"$KV.{subjects.CALLS_BUCKET}.broken", b"nonsense")
        found = await a.registry.unfinished()
        assert set(found) == live | {"ended"}
        assert found["CA7"] == await held(a, "CA7")


# --- KV away ----------------------------------------------------------------------------------------------------------


async def test_while_kv_is_away_notes_wait_and_are_known_here_and_are_written_once_it_is_back() -> None:
    server = NatsBinary()
    try:
        await server.start()
        async with desk(server.url, "edge-a") as a:
            a.carried.add("CA1")
            await a.registry.claim("CA1", a.entry())
            await server.stop()
            await server.start(jetstream=False)
            await until(lambda: a.bus.is_connected)
            newest = a.note("CA1", epoch=2)
            ended = a.note("CA2", state="ended", end_reason=EndReason.LEG_LOST)
            assert await a.registry.claim("CA3", a.entry()) == "away"
            assert await a.registry.is_first("mark") is None
            assert await a.registry.look_up("CA1") == newest
            with pytest.raises(UpstreamUnavailable):
                await a.registry.look_up("CA4")
            with pytest.raises(UpstreamUnavailable):
                await a.registry.unfinished()
            assert metrics.REGISTRY_UNWRITTEN._value.get() == 2
            await server.stop()
            await server.start()
            await a.written()
            await until(lambda: a.bus.is_connected)
            assert [(await held(a, call_id)).entry for call_id in ("CA1", "CA2")] == [newest, ended]
    finally:
        await server.discard()


async def test_notes_survive_the_bus_being_away_altogether() -> None:
    server = NatsBinary()
    try:
        await server.start()
        async with desk(server.url, "edge-a") as a:
            a.carried.add("CA1")
            await server.stop()
            await until(lambda: not a.bus.is_connected)
            newest = a.note("CA1", epoch=2)
            assert await a.registry.claim("CA3", a.entry()) == "away"
            await server.start()
            await a.written()
            assert (await held(a, "CA1")).entry == newest
    finally:
        await server.discard()


async def test_a_write_whose_receipt_was_lost_is_recognised_as_ours(nats_url: str) -> None:
    async with desk(nats_url, "edge-a") as a:
        a.carried.add("CA1")
        await a.registry.claim("CA1", a.entry())
        await a.bus.jetstream.publish(f"$KV.{subjects.CALLS_BUCKET}.CA1", a.entry(epoch=1).encode())
        newest = a.note("CA1", epoch=2)
        await a.written()
        assert (await held(a, "CA1")).entry == newest
        assert a.lost == []
