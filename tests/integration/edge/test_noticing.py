"""The watch over the talkers on a real bus: who is killed or frozen is lost soon, who is only missed is not."""

import asyncio
import time
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.msg import Msg

from common import subjects
from common.messages.facts import EpochChanged, TurnEnded, TurnStarted
from common.messages.heartbeat import Heartbeat
from common.messages.offers import HandoverReason
from edge.core.clip import CLIP
from edge.core.evidence import Evidence
from fakes.nats import NatsBinary
from fakes.talker import talking
from fakes.talker_process import talker_process
from fakes.waiting import until
from integration.edge.running import Stage, counted, stage


class Losses:
    """What this process's counters tell from now on."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        return {evidence: counted("talkers_lost", evidence=evidence) for evidence in Evidence}

    @property
    def seen(self) -> dict[str, float]:
        """How many talkers were lost since, by evidence."""
        now = self._now()
        return {evidence: now[evidence] - count for evidence, count in self._before.items() if now[evidence] > count}


async def beats(url: str, talker_id: str, count: int) -> None:
    """Wait until a talker has shown that many signs of life from now on."""
    seen: list[Heartbeat] = []

    async def keep(message: Msg) -> None:
        seen.append(Heartbeat.decode(message.data))

    client = await nats.connect(url)
    await client.subscribe(subjects.heartbeat("realtime_worker", talker_id), cb=keep)
    await until(lambda: len(seen) >= count)
    await client.close()


async def talks(edge: Stage, call_sid: str, count: int) -> EpochChanged:
    """Wait until a call has had that many talkers. Returns how the last of them came."""
    changed = await edge.facts.wait_for(call_sid, "epoch_changed", count)
    assert isinstance(changed, EpochChanged)
    return changed


def epochs(edge: Stage, call_sid: str) -> int:
    """How many talkers a call has had."""
    return edge.facts.types(call_sid).count("epoch_changed")


@pytest.fixture
def _bus_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edge has just connected: trust what NATS says all the same."""
    monkeypatch.setattr("edge.core.suspicion.SETTLES_WITHIN_S", 0.0)


@pytest.mark.usefixtures("_bus_has_settled")
async def test_a_killed_talker_is_lost_because_nobody_takes_its_audio(edge: Stage) -> None:
    losses = Losses()
    async with talker_process(edge.nats_url, "a") as first, edge.phone.call() as stream:
        await talks(edge, stream.call_sid, 1)
        async with talking(edge.nats_url, talker_id="b"):
            await first.kill()
            changed = await talks(edge, stream.call_sid, 2)
            assert (changed.talker_id, changed.reason) == ("b", HandoverReason.TALKER_LOST)
            assert losses.seen == {Evidence.NO_RESPONDERS: 1}


@pytest.mark.usefixtures("_bus_has_settled")
async def test_a_killed_talker_without_calls_is_lost_when_it_is_asked(edge: Stage) -> None:
    losses = Losses()
    async with talker_process(edge.nats_url, "a") as talker:
        await until(lambda: edge.edge._talkers.free_slots("realtime") == 10)
        await talker.kill()
        await until(lambda: losses.seen)
    assert losses.seen == {Evidence.NO_RESPONDERS: 1}
    assert edge.edge._talkers.free_slots("realtime") == 0


@pytest.mark.usefixtures("_bus_has_settled")
async def test_a_frozen_talker_is_lost_and_counts_again_when_it_thaws(edge: Stage) -> None:
    losses = Losses()
    async with talker_process(edge.nats_url, "a") as first, edge.phone.call() as stream:
        await talks(edge, stream.call_sid, 1)
        async with talking(edge.nats_url, talker_id="b"):
            await until(lambda: edge.edge._talkers.free_slots("realtime") == 20)
            first.freeze()
            changed = await talks(edge, stream.call_sid, 2)
            assert (changed.talker_id, changed.reason) == ("b", HandoverReason.TALKER_LOST)
            assert losses.seen == {Evidence.SILENCE: 1}
            await until(lambda: edge.edge._talkers.free_slots("realtime") == 10)
            first.thaw()
            await until(lambda: edge.edge._talkers.free_slots("realtime") == 20)
            await beats(edge.nats_url, "a", 5)
        assert epochs(edge, stream.call_sid) == 2
    assert losses.seen[Evidence.SILENCE] == 1


@pytest.mark.usefixtures("_bus_has_settled")
async def test_who_waits_for_the_answer_of_a_talker_that_freezes_hears_the_clip_before_the_next_one_talks(
    edge: Stage,
) -> None:
    async with talker_process(edge.nats_url, "a") as first, edge.phone.call() as stream:
        await talks(edge, stream.call_sid, 1)
        await until(lambda: stream.frames_sent > 10)
        async with talking(edge.nats_url, talker_id="b") as second:
            await until(lambda: edge.edge._talkers.free_slots("realtime") == 20)
            call: dict[str, Any] = {"call_id": stream.call_sid, "epoch": 1}
            for fact in (
                TurnStarted(**call, speaker="caller", item_id="c-1"),
                TurnEnded(**call, item_id="c-1", end_ms=20 * stream.frames_sent),
            ):
                await second.client.publish(subjects.fact(stream.call_sid), fact.encode())
            await edge.facts.wait_for(stream.call_sid, "turn_ended")
            first.freeze()
            await stream.hears(len(CLIP))
            assert epochs(edge, stream.call_sid) == 1
            await talks(edge, stream.call_sid, 2)


@pytest.mark.usefixtures("_bus_has_settled")
async def test_a_talker_whose_loop_blocks_for_300_ms_keeps_its_calls(edge: Stage) -> None:
    losses = Losses()
    async with talker_process(edge.nats_url, "a") as talker, edge.phone.call() as stream:
        await talks(edge, stream.call_sid, 1)
        for _ in range(3):
            await talker.block(0.3)
            await beats(edge.nats_url, "a", 5)
        assert (losses.seen, epochs(edge, stream.call_sid)) == ({}, 1)


@pytest.mark.usefixtures("_bus_has_settled")
async def test_when_all_talkers_freeze_at_once_they_are_held_not_lost(edge: Stage) -> None:
    losses = Losses()
    holds = counted("talker_holds", why="mass_silence")
    url, watch = edge.nats_url, edge.edge._talkers
    async with talker_process(url, "a") as a, talker_process(url, "b") as b, edge.phone.call() as stream:
        changed = await talks(edge, stream.call_sid, 1)
        await until(lambda: watch.free_slots("realtime") == 20)
        a.freeze()
        b.freeze()
        await until(lambda: watch.is_held("a") and watch.is_held("b"))
        assert watch.is_holding
        assert watch.is_held(changed.talker_id)
        await stream.hears(len(CLIP))
        assert watch.free_slots("realtime") == 0
        assert counted("talker_holds", why="mass_silence") == holds + 1
        a.thaw()
        b.thaw()
        await until(lambda: not watch.is_holding)
        await beats(url, "a", 5)
        assert (losses.seen, epochs(edge, stream.call_sid)) == ({}, 1)


@pytest.mark.usefixtures("_bus_has_settled")
async def test_an_edge_whose_own_loop_was_blocked_accuses_nobody(edge: Stage) -> None:
    losses = Losses()
    async with talker_process(edge.nats_url, "a"), edge.phone.call() as stream:
        await talks(edge, stream.call_sid, 1)
        for blocked_s in (0.3, 1.0):
            time.sleep(blocked_s)  # noqa: ASYNC251 - the fault
            await beats(edge.nats_url, "a", 8)
        assert (losses.seen, epochs(edge, stream.call_sid)) == ({}, 1)


async def test_a_nats_server_that_restarts_costs_no_living_talker_its_calls(tmp_path: Path) -> None:
    server = NatsBinary()
    await server.start()
    losses = Losses()
    try:
        async with (
            stage(server.url, tmp_path) as edge,
            talker_process(server.url, "a"),
            talker_process(server.url, "b"),
            edge.phone.call() as stream,
        ):
            await talks(edge, stream.call_sid, 1)
            for _ in range(2):
                await server.stop()
                await until(lambda: edge.edge._talkers.is_holding)
                await server.start()
                await until(lambda: not edge.edge._talkers.is_holding)
                await asyncio.gather(beats(server.url, "a", 20), beats(server.url, "b", 20))
            assert (losses.seen, epochs(edge, stream.call_sid)) == ({}, 1)
            assert stream.is_open
    finally:
        await server.discard()


async def test_a_nats_server_that_freezes_is_not_blamed_on_the_only_talker(tmp_path: Path) -> None:
    server = NatsBinary()
    await server.start()
    losses = Losses()
    try:
        async with stage(server.url, tmp_path) as edge, talker_process(server.url, "a"), edge.phone.call() as stream:
            await talks(edge, stream.call_sid, 1)
            await server.freeze()
            await until(lambda: edge.edge._talkers.is_holding)
            await server.thaw()
            await until(lambda: not edge.edge._talkers.is_holding)
            await beats(server.url, "a", 20)
            assert (losses.seen, epochs(edge, stream.call_sid)) == ({}, 1)
    finally:
        await server.discard()
