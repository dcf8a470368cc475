"""A running call whose edge or stream was lost comes back with another stream, and goes on."""

import asyncio
from pathlib import Path

import pytest

from common import subjects
from common.messages.commands import EndReason
from common.messages.facts import CallStarted, EpochChanged, LegReattached
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason, Offer
from edge.registry import CallEntry
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.phone import Phone, new_call_sid
from integration.edge.running import edge_process
from integration.edge.two_edges import (
    PUBLIC,
    caller_said,
    gone,
    lets_itself_be_adopted,
    pair_of_edges,
    resumed,
    tell,
    tells_what_it_holds,
)

CLOCK_MS = 7_000


async def test_when_an_edge_is_killed_the_call_goes_on_at_another_with_the_same_talker_and_session(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        async with pair.at_one.call() as stream:
            offer = await talker.cut_over_to()
            await talker.say(offer, "hello", 200, "Hello there.")
            await stream.hears(1_600)
            await stream.play()
            await pair.facts.wait_for(stream.call_sid, "agent_said")
            await tell(talker, caller_said(offer, "wish", "A loan, please.", 100, CLOCK_MS))
            adoptions = lets_itself_be_adopted(talker, CLOCK_MS)
            await pair.kill(pair.one)
            await gone(stream)
        async with resumed(pair.at_other, stream.call_sid) as again:
            changed = await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert isinstance(changed, EpochChanged)
            assert (changed.talker_id, changed.reason) == (talker.talker_id, HandoverReason.REATTACHED)
            assert changed.realtime_session_id == "sess-kept"
            (adoption,) = adoptions
            assert (adoption.epoch, adoption.new_epoch) == (offer.epoch, changed.epoch)
            assert adoption.known_items == ("hello",)
            assert adoption.leg_clock_ms >= CLOCK_MS
            await talker.say(talker.offers[-1], "again", 40)
            await again.hears(320)
            await again.play()
            await again.hang_up()
            await gone(again)
        record = await pair.only_record(stream.call_sid)
        assert [turn["text"] for turn in record["turns"]][:2] == ["Hello there.", "A loan, please."]
        assert [epoch["epoch"] for epoch in record["epochs"]] == [offer.epoch, changed.epoch]
        assert record["end_reason"] == EndReason.CALLER_HANGUP
        assert record["duration_ms"] >= CLOCK_MS
        await pair.facts.wait_for(stream.call_sid, "call_ended")
        kinds = pair.facts.types(stream.call_sid)
        assert (kinds.count("call_started"), kinds.count("leg_reattached"), kinds.count("call_ended")) == (1, 1, 1)
        (began,) = (fact for fact in pair.facts.of(stream.call_sid) if isinstance(fact, CallStarted))
        assert record["started_at"] == began.started_at
        assert len({fact.edge_id for fact in pair.facts.of(stream.call_sid) if isinstance(fact, LegReattached)}) == 1


async def test_when_the_talker_died_with_the_edge_the_next_one_is_told_everything_from_the_facts(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair:
        async with talking(nats_url) as first, pair.at_one.call() as stream:
            offer = await first.cut_over_to()
            await tell(first, caller_said(offer, "wish", "A loan, please.", 100, CLOCK_MS))
            newest = Instructions(call_id=stream.call_sid, revision=2, instructions="Speak slowly.")
            await first.client.jetstream().publish(subjects.instructions(stream.call_sid), newest.encode())
            await pair.kill(pair.one)
            await gone(stream)
            await first.die()
        async with talking(nats_url) as second, resumed(pair.at_other, stream.call_sid) as again:
            following = await second.cut_over_to()
            assert (following.call_id, following.reason) == (stream.call_sid, HandoverReason.TALKER_LOST)
            assert following.epoch > offer.epoch
            (cut,) = second.cuts
            assert [turn.text for turn in cut.conversation if turn.kind == "turn"] == ["A loan, please."]
            assert cut.instructions == newest
            assert cut.leg_clock_ms >= CLOCK_MS
            await again.hang_up()
            await gone(again)
        assert len((await pair.only_record(stream.call_sid))["turns"]) == 1


async def test_a_broken_stream_may_come_back_at_another_edge_which_is_given_the_call(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            stream.socket.transport.abort()
        async with resumed(pair.at_other, stream.call_sid) as again:
            await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert len(adoptions) == 1
            await pair.one.counts(0, "calls_active", service="edge")
            await again.hang_up()
            await gone(again)
        assert (await pair.only_record(stream.call_sid))["end_reason"] == EndReason.CALLER_HANGUP
        assert len(talker.offers) == 2  # the one offer, and the adoption


async def test_a_broken_stream_that_comes_back_to_its_edge_goes_on_there(nats_url: str, tmp_path: Path) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            stream.socket.transport.abort()
        async with resumed(pair.at_one, stream.call_sid) as again:
            await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert len(adoptions) == 1
            await again.hang_up()
            await gone(again)
        await pair.only_record(stream.call_sid)


async def test_of_streams_that_come_at_once_for_a_call_of_a_dead_edge_one_goes_on(
    nats_url: str, tmp_path: Path
) -> None:
    async with (
        pair_of_edges(nats_url, tmp_path) as pair,
        edge_process(nats_url, tmp_path, environ={"PUBLIC_BASE_URL": PUBLIC}) as third,
        talking(nats_url) as talker,
    ):
        adoptions = lets_itself_be_adopted(talker)
        async with Phone(PUBLIC, third.reached_at).call() as stream:
            await talker.cut_over_to()
            await pair.kill(third)
            await gone(stream)
        phones = pair.at_one, pair.at_other
        tokens = [(await phone.webhook("resume", stream.call_sid)).parameters for phone in phones]
        async with phones[0].socket(stream.call_sid) as one, phones[1].socket(stream.call_sid) as other:
            await asyncio.gather(one.start(tokens[0]), other.start(tokens[1]))
            await until(lambda: one.is_open != other.is_open)
            await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            survivor = one if one.is_open else other
            await survivor.hang_up()
            await gone(survivor)
        assert len(adoptions) == 1
        await pair.only_record(stream.call_sid)
        assert pair.facts.types(stream.call_sid).count("leg_reattached") == 1


async def test_without_the_registry_the_talkers_are_asked(nats_url: str, tmp_path: Path) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            epochs = {stream.call_sid: 5}
            await tells_what_it_holds(talker.client, talker.talker_id, epochs.get)
            await tells_what_it_holds(talker.client, "talker-stale", lambda _: 3)
            await talker.client.jetstream().delete_stream(f"KV_{subjects.CALLS_BUCKET}")
            await pair.kill(pair.one)
            await gone(stream)
        async with resumed(pair.at_other, stream.call_sid) as again:
            changed = await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            (adoption,) = adoptions
            assert (adoption.epoch, adoption.new_epoch, changed.epoch) == (5, 6, 6)
            await again.hang_up()
            await gone(again)
        await pair.only_record(stream.call_sid)


async def test_without_the_registry_a_second_stream_is_refused_while_the_first_lives(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            await talker.client.jetstream().delete_stream(f"KV_{subjects.CALLS_BUCKET}")
            token = (await pair.at_other.webhook("resume", stream.call_sid)).parameters
            async with pair.at_other.socket(stream.call_sid) as second:
                await second.start(token)
                assert await second.closed() == 1008
            assert stream.is_open
        assert len(talker.offers) == 1


async def test_without_facts_the_call_goes_on_with_its_talker_and_the_past_is_found_later(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        jetstream = talker.client.jetstream()
        adoptions = lets_itself_be_adopted(talker, CLOCK_MS)
        async with pair.at_one.call() as stream:
            offer = await talker.cut_over_to()
            await tell(talker, caller_said(offer, "wish", "A loan, please.", 100, CLOCK_MS))
            readable = (await jetstream.stream_info(subjects.FACTS_STREAM)).config
            await jetstream.update_stream(readable.evolve(allow_direct=False))
            await pair.kill(pair.one)
            await gone(stream)
        async with resumed(pair.at_other, stream.call_sid) as again:
            await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert adoptions[0].known_items == ()
            await jetstream.update_stream(readable)
            async with asyncio.timeout(20):
                while not await knows(talker, talker.offers[-1]):
                    pass
            await again.hang_up()
            await gone(again)
        record = await pair.only_record(stream.call_sid)
        assert [turn["text"] for turn in record["turns"]] == ["A loan, please."]


async def knows(talker: Talker, offer: Offer) -> bool:
    """True if the edge would tell a new talker what was said: asked through a talker that says it is ready again."""
    return bool((await talker.ready(offer)).conversation)


async def test_an_edge_that_finds_out_that_it_lost_a_call_falls_silent_and_writes_no_record(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        async with pair.at_one.call() as stream:
            offer = await talker.cut_over_to()
            taken = CallEntry(edge_id="edge-elsewhere", state="live", profile="desk", epoch=9)
            await talker.client.jetstream().publish(f"$KV.calls.{stream.call_sid}", taken.encode())
            await talker.please(offer, HandoverReason.UPSTREAM_FAILED)
            await talker.cut_over_to(2)  # which the edge notes, and so meets the other's entry
            assert await stream.closed() == 1000
        assert "call_ended" not in pair.facts.types(stream.call_sid)
        assert pair.records(stream.call_sid) == []


@pytest.mark.parametrize("reason", [EndReason.LEG_LOST, EndReason.SHUTDOWN])
async def test_a_caller_who_comes_back_after_the_call_was_given_up_is_not_turned_away(
    nats_url: str, tmp_path: Path, reason: EndReason
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        call_sid = new_call_sid()
        await pair.at_other.connected(new_call_sid())
        entry = CallEntry(edge_id="gone", state="ended", profile="desk", epoch=4, end_reason=reason, has_record=True)
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", entry.encode())
        async with resumed(pair.at_other, call_sid):
            assert (await talker.cut_over_to()).epoch > 4
