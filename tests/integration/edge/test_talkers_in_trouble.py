"""Talkers that refuse, stay silent, fail or die: the call goes on with another, or the caller hears a sentence."""

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from common.messages.commands import Ready
from common.messages.facts import CallerSaid, EpochChanged
from common.messages.offers import HandoverReason
from edge.bootstrap import Edge
from edge.core.clip import CLIP
from edge.legs.twilio.token import StreamToken, TokenMint
from fakes.nats import NatsBinary, free_port
from fakes.talker import Manners, spoken, talking
from fakes.waiting import until
from integration.edge.phone import AUTH_TOKEN, CALLER, DIALLED, Phone, new_call_sid
from integration.edge.running import INTERRUPTED, UNAVAILABLE, Stage, counted, settings_for, stage


async def test_without_any_worker_the_caller_hears_the_sentence_of_the_profile(edge: Stage) -> None:
    before = counted("calls_rejected", direction="inbound", carrier="twilio", reason="no_talker")
    answer = await edge.phone.webhook("voice", new_call_sid())
    assert (answer.status, answer.verbs, answer.said) == (200, ["Say", "Hangup"], UNAVAILABLE)
    assert counted("calls_rejected", direction="inbound", carrier="twilio", reason="no_talker") == before + 1


async def test_workers_that_are_full_take_no_call(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        talker.capacity = 0
        async with talking(edge.nats_url, capacity=0):
            while (await edge.phone.webhook("voice", new_call_sid())).said != UNAVAILABLE:
                pass


@pytest.mark.parametrize("manners", ["refuses", "never answers", "answers nonsense"])
async def test_an_offer_nobody_takes_goes_to_another_talker(edge: Stage, manners: Manners) -> None:
    async with talking(edge.nats_url, manners, talker_id="a") as bad, talking(edge.nats_url, talker_id="b") as good:
        taken = 0
        while not bad.offers:
            async with edge.phone.call():
                taken += 1
                await good.cut_over_to(taken)
        assert good.offers[-1].epoch > bad.offers[-1].epoch
        assert good.cuts[-1].is_granted


async def test_a_talker_that_says_it_has_no_room_is_not_offered_a_call(edge: Stage) -> None:
    async with talking(edge.nats_url, capacity=0) as full, talking(edge.nats_url) as free:
        for count in range(1, 11):
            async with edge.phone.call():
                await free.cut_over_to(count)
        assert not full.offers


async def test_a_talker_that_does_not_answer_is_not_asked_again_for_the_same_call(edge: Stage) -> None:
    async with talking(edge.nats_url, "never answers") as mute, talking(edge.nats_url) as good:
        for count in range(1, 11):
            async with edge.phone.call():
                await good.cut_over_to(count)
        assert mute.offers
        assert set(Counter(offer.call_id for offer in mute.offers).values()) == {1}


async def test_a_candidate_that_never_gets_ready_is_released_and_another_gets_the_call(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.core.arbiter.READY_WITHIN_S", 0.2)
    async with talking(edge.nats_url, "never gets ready", talker_id="slow") as slow, edge.phone.call() as stream:
        offer = await slow.offered()
        async with talking(edge.nats_url, talker_id="good") as good:
            assert (await slow.released()).epoch == offer.epoch
            slow.manners = "refuses"
            following = await good.cut_over_to()
            assert following.epoch > offer.epoch
            # Ready at last, but too late: it is told so, and nobody hears it.
            cut = await slow.ready(offer)
            assert not cut.is_granted
            await good.say(following, "item", 40)
            await until(lambda: stream.agent_audio)


async def test_with_nobody_to_talk_the_call_is_given_back_with_a_sentence(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.core.arbiter.TALKER_WITHIN_S", 0.8)
    async with talking(edge.nats_url, "never answers"), edge.phone.call() as stream:
        assert await stream.closed() == 1000
        assert (await edge.record(stream.call_sid))["end_reason"] == "no_talker"
        answer = await edge.phone.webhook("resume", stream.call_sid)
    assert (answer.verbs, answer.said) == (["Say", "Hangup"], INTERRUPTED)


async def test_a_talker_that_dies_is_replaced_by_one_that_knows_the_conversation(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="first") as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.say(offer, "item-1", 100, "Hello, how can I help?")
        await until(lambda: "mark" in stream.events())
        await stream.play()
        await edge.facts.wait_for(stream.call_sid, "agent_said")
        said = CallerSaid(call_id=stream.call_sid, epoch=1, item_id="c-1", text="My train.", start_ms=150, end_ms=200)
        await first.client.publish(f"trunk.v1.fact.{stream.call_sid}", said.encode())
        await edge.facts.wait_for(stream.call_sid, "caller_said")
        await until(lambda: stream.frames_sent > 30)
        async with talking(edge.nats_url, talker_id="second") as second:
            second.capacity = 10
            await first.die()
            following = await second.cut_over_to()
            assert (following.reason, following.epoch > offer.epoch) == (HandoverReason.TALKER_LOST, True)
            assert [turn.text for turn in spoken(second.cuts[-1])] == ["Hello, how can I help?", "My train."]
            await until(lambda: second.caller_audio)
            assert second.caller_audio[0][3] == 200
            assert second.caller_audio[0][1:3] == (following.epoch, 1)
            changed = await edge.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            await second.say(following, "item-2", 40)
            await until(lambda: stream.agent_audio.replace(CLIP, b"") == b"\xff" * 1_120)
        assert stream.is_open
    assert isinstance(changed, EpochChanged)
    assert (changed.epoch, changed.talker_id, changed.reason) == (following.epoch, "second", HandoverReason.TALKER_LOST)
    record = await edge.record(stream.call_sid)
    assert [epoch["talker_id"] for epoch in record["epochs"]] == ["first", "second"]


async def test_a_talker_that_says_farewell_is_replaced_at_once(edge: Stage) -> None:
    async with talking(edge.nats_url, talker_id="b") as second:
        second.manners = "refuses"
        async with talking(edge.nats_url, talker_id="a") as first, edge.phone.call() as stream:
            await first.cut_over_to()
            second.manners = "talks"
            await first.leave()
            assert (await second.cut_over_to()).reason is HandoverReason.TALKER_LOST
            assert stream.is_open


async def test_a_talker_whose_provider_failed_is_replaced(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.please(offer, HandoverReason.UPSTREAM_FAILED)
        following = await talker.cut_over_to(2)
        assert (following.epoch, following.reason) == (2, HandoverReason.UPSTREAM_FAILED)
        assert (await talker.released()).epoch == 1
        assert stream.is_open


async def test_talkers_that_spoke_may_fail_again_and_again(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        for count in range(1, 10):
            offer = await talker.cut_over_to(count)
            await talker.say(offer, f"item-{count}", 20)
            await stream.hears(160 * count)
            await talker.please(offer, HandoverReason.UPSTREAM_FAILED)
        await talker.cut_over_to(10)
        assert stream.is_open


async def test_a_failure_every_talker_would_share_ends_the_call_with_a_sentence(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.please(offer, HandoverReason.UPSTREAM_FAILED, retryable=False)
        assert await stream.closed() == 1000
        await talker.released()
        await edge.record(stream.call_sid)
        assert (await edge.phone.webhook("resume", stream.call_sid)).said == INTERRUPTED


async def test_ready_for_a_call_that_is_over_is_denied(edge: Stage) -> None:
    async with talking(edge.nats_url, "never gets ready") as talker:
        async with edge.phone.call() as stream:
            offer = await talker.offered()
            await stream.hang_up()
            assert (await talker.released()).epoch == offer.epoch
        await edge.record(stream.call_sid)
        assert not (await talker.ready(offer)).is_granted


async def test_ready_may_be_asked_twice_and_is_granted_twice(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call():
        offer = await talker.cut_over_to()
        assert (await talker.ready(offer)).is_granted
        assert not (await talker.ready(offer.model_copy(update={"epoch": 9}))).is_granted
    assert Ready.model_fields["type"].default == "ready"


async def test_a_socket_that_comes_before_the_bus_is_given_back_with_a_sentence(tmp_path: Path) -> None:
    call_sid = new_call_sid()
    port = free_port()
    edge = Edge(settings_for(f"nats://127.0.0.1:{free_port()}", tmp_path, port))
    starting = asyncio.create_task(edge.start())
    try:
        await until(lambda: edge.missing() == "NATS is not connected")
        phone = Phone(f"http://127.0.0.1:{port}")
        token = TokenMint(AUTH_TOKEN).issue(StreamToken(call_sid, "desk", CALLER, DIALLED), time.time())
        async with phone.stream(call_sid, {"token": token}) as stream:
            assert await stream.closed() == 1000
        answer = await phone.webhook("resume", call_sid)
        assert answer.verbs == ["Say", "Pause", "Redirect"], "the bus may come back: the caller is asked to hold"
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await edge.stop()
    assert not (tmp_path / "calls.jsonl").exists(), "no call was admitted"


async def test_while_the_bus_is_away_the_call_stays_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    server = NatsBinary()
    await server.start()
    try:
        async with (
            stage(server.url, tmp_path) as edge,
            talking(server.url, talker_id="before") as first,
            edge.phone.call() as stream,
        ):
            await first.cut_over_to()
            await server.stop()
            await until(lambda: edge.edge.missing() is not None)
            assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
            assert stream.is_open
            await server.start()
            await until(lambda: edge.edge.missing() is None)
            async with talking(server.url, talker_id="after") as second:
                assert (await second.cut_over_to()).reason is HandoverReason.TALKER_LOST
                await until(lambda: second.caller_audio)
                assert stream.is_open
    finally:
        await server.discard()
