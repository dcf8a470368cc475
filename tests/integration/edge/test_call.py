"""A call through the edge: webhook, socket, talker, audio both ways, facts and the record."""

import asyncio
import contextlib
from itertools import pairwise

import pytest
from websockets.exceptions import ConnectionClosed

from common import ids, pcmu
from common.audio import Kind
from common.messages.commands import Digits, EndReason, Heard
from common.messages.facts import AgentSaid, BargedIn, CallEnded, CallStarted, DigitsPressed, EpochChanged, TurnStarted
from common.messages.offers import HandoverReason
from common.pcmu import BYTES_PER_MS, FRAME_BYTES
from edge.legs.twilio.streams import TwilioStreams
from edge.legs.twilio.token import StreamToken
from edge.legs.twilio.wire import StartBody
from fakes.talker import spoken, talking
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, CALLER, DIALLED, FRAME_MS, Stream, frame_sound, new_call_sid
from integration.edge.running import Stage, counted


async def test_the_webhook_sends_the_call_to_the_media_socket(edge: Stage) -> None:
    async with talking(edge.nats_url):
        answer = await edge.phone.connected(new_call_sid())
    assert answer.status == 200
    assert answer.verbs == ["Connect", "Redirect"]
    assert set(answer.parameters) == {"token"}


async def test_a_stream_is_offered_cut_over_and_told_as_facts(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        assert (offer.call_id, offer.edge_id, offer.epoch) == (stream.call_sid, edge.edge.edge_id, 1)
        assert (offer.reason, offer.profile.name) == (HandoverReason.START, "desk")
        assert (talker.cuts[0].is_granted, talker.cuts[0].conversation) == (True, ())
        started = await edge.facts.wait_for(stream.call_sid, "call_started")
        changed = await edge.facts.wait_for(stream.call_sid, "epoch_changed")
    assert isinstance(started, CallStarted)
    assert isinstance(changed, EpochChanged)
    assert (started.leg, started.profile, started.caller_number, started.dialled_number) == (
        "twilio",
        "desk",
        CALLER,
        DIALLED,
    )
    assert (changed.epoch, changed.talker_id, changed.realtime_session_id) == (
        1,
        talker.talker_id,
        f"sess-{talker.talker_id}",
    )


async def test_the_callers_audio_reaches_the_talker_whole_in_order_and_with_its_times(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await until(lambda: len(talker.caller_audio) >= 30)
    key = ids.call_key(stream.call_sid)
    records = talker.caller_audio
    assert {(record[0], record[1], record[4]) for record in records} == {(key, 1, Kind.AUDIO)}
    assert [record[2] for record in records] == list(range(1, len(records) + 1))
    assert all(later[3] - earlier[3] == len(earlier[5]) // BYTES_PER_MS for earlier, later in pairwise(records))
    first = records[0][3] // FRAME_MS  # what was said before the cut comes in one piece
    heard = b"".join(record[5] for record in records)
    assert heard == b"".join(frame_sound(first + number) for number in range(len(heard) // FRAME_BYTES))


async def test_what_the_caller_says_while_the_call_is_looked_up_is_not_lost(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = TwilioStreams._proven
    streams: list[Stream] = []

    async def look_up_slowly(self: TwilioStreams, start: StartBody) -> StreamToken:
        await until(lambda: streams and streams[0].frames_sent >= 20)
        return await look_up(self, start)

    monkeypatch.setattr(TwilioStreams, "_proven", look_up_slowly)
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        streams.append(stream)
        await until(lambda: len(talker.caller_audio) >= 30)
    heard = b"".join(record[5] for record in talker.caller_audio)
    assert heard == b"".join(frame_sound(number) for number in range(len(heard) // (FRAME_MS * BYTES_PER_MS)))


async def test_of_a_stream_that_is_never_decided_about_no_more_is_kept_than_seconds(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up, may_go_on = TwilioStreams._proven, asyncio.Event()

    async def look_up_later(self: TwilioStreams, start: StartBody) -> StreamToken:
        await may_go_on.wait()
        return await look_up(self, start)

    monkeypatch.setattr(TwilioStreams, "_proven", look_up_later)
    refused = counted("carrier_protocol_errors", carrier="twilio", kind="undecided")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await stream.frame()
        assert await stream.closed() == 1008
        may_go_on.set()
    assert counted("carrier_protocol_errors", carrier="twilio", kind="undecided") == refused + 1
    assert talker.offers == []


async def test_what_the_caller_said_while_the_talker_was_away_is_sent_again_when_it_asks(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call():
        offer = await talker.cut_over_to()
        await until(lambda: len(talker.caller_audio) >= 30)
        await talker.ask_for_replay(offer, 0.4, talker_id="mallory")
        known = talker.caller_audio[-1][3]
        await talker.ask_for_replay(offer, 0.4)
        await until(lambda: talker.caller_audio[-1][3] >= known + 500)
    times = [record[3] for record in talker.caller_audio]
    (back,) = [at for at, (one, two) in enumerate(pairwise(times), 1) if two < one]
    assert times[back - 1] - times[back] >= 300
    again = talker.caller_audio[back:]
    ends = [record[3] + len(record[5]) // BYTES_PER_MS for record in again]
    assert ends[:-1] == [record[3] for record in again[1:]]


async def test_what_the_caller_says_before_a_talker_is_ready_is_not_lost(edge: Stage) -> None:
    async with talking(edge.nats_url, "never gets ready") as talker, edge.phone.call() as stream:
        offer = await talker.offered()
        frames = stream.frames_sent
        await until(lambda: stream.frames_sent >= frames + 20)
        assert talker.caller_audio == []
        cut = await talker.ready(offer)
        await until(lambda: len(talker.caller_audio) >= 20)
        assert talker.caller_audio[0][3] // FRAME_MS <= frames
        assert cut.leg_clock_ms >= (frames + 18) * FRAME_MS
    ends = [record[3] + len(record[5]) // BYTES_PER_MS for record in talker.caller_audio]
    assert ends[:-1] == [record[3] for record in talker.caller_audio[1:]]


async def test_agent_audio_reaches_the_socket_with_a_mark_and_what_was_heard_becomes_a_fact(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.say(offer, "item-1", 400, "Hello there.")
        await until(lambda: "mark" in stream.events())
        assert stream.agent_audio == pcmu.silence(400)
        assert stream.events()[-2:] == ["media", "mark"]
        began = await edge.facts.wait_for(stream.call_sid, "turn_started")
        assert isinstance(began, TurnStarted)
        assert (began.speaker, began.item_id, began.epoch) == ("agent", "item-1", 1)
        assert "agent_said" not in edge.facts.types(stream.call_sid)
        await stream.play()
        said = await edge.facts.wait_for(stream.call_sid, "agent_said")
    assert isinstance(said, AgentSaid)
    assert (said.text, said.heard_ms, said.audio_ms, said.is_interrupted) == ("Hello there.", 400, 400, False)


async def test_a_barge_in_clears_the_carrier_and_tells_talker_and_facts_what_was_heard(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.say(offer, "first", 1_000, "one two three four five")
        await until(lambda: "mark" in stream.events())
        await stream.play()
        await edge.facts.wait_for(stream.call_sid, "agent_said")
        await talker.say(offer, "second", 60_000, "a very long story")
        await until(lambda: stream.events().count("mark") == 2)
        heard = await talker.clear(offer, onset_ms=77)
        await until(lambda: "clear" in stream.events())
        assert heard.item_id == "second"
        assert heard.heard_ms < 60_000
        barged = await edge.facts.wait_for(stream.call_sid, "barged_in")
        said = await edge.facts.wait_for(stream.call_sid, "agent_said", 2)
        assert isinstance(barged, BargedIn)
        assert isinstance(said, AgentSaid)
        assert (barged.item_id, barged.onset_ms, barged.heard_ms) == ("second", 77, heard.heard_ms)
        assert (said.item_id, said.heard_ms, said.is_interrupted) == ("second", heard.heard_ms, True)
        # Twilio returns the mark of what it threw away; that was not heard.
        await stream.play()
        assert await talker.clear(offer, onset_ms=78) == Heard()
    assert stream.events().count("clear") == 1


async def test_audio_that_a_clear_made_void_is_not_played(edge: Stage) -> None:
    before = counted("audio_frames_dropped", direction="agent", reason="cleared")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.clear(offer, through_sequence=4)
        await talker.say(offer, "void", 200)
        await talker.say(offer, "after", 40)
        await until(lambda: len(stream.agent_audio) >= 320)
    assert stream.agent_audio == pcmu.silence(40)
    assert counted("audio_frames_dropped", direction="agent", reason="cleared") == before + 4


async def test_audio_of_an_epoch_that_is_not_current_is_dropped_and_counted(edge: Stage) -> None:
    before = counted("audio_stale_epoch_frames")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        for epoch in (0, 2, 7):
            await talker.send(offer.model_copy(update={"epoch": epoch}), (Kind.AUDIO, 0, pcmu.silence(500)))
        await talker.say(offer, "current", 40)
        await until(lambda: stream.agent_audio)
        stale_heard = await talker.clear(offer.model_copy(update={"epoch": 2}))
        assert stale_heard == Heard()
    assert stream.agent_audio == pcmu.silence(40)
    assert "clear" not in stream.events()
    assert counted("audio_stale_epoch_frames") == before + 3


async def test_audio_for_a_call_nobody_has_is_dropped_and_counted(edge: Stage) -> None:
    before = counted("audio_frames_dropped", direction="agent", reason="no_call")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.send(offer.model_copy(update={"call_id": new_call_sid()}), (Kind.AUDIO, 0, b"x"))
        await talker.client.publish(f"trunk.v1.audio.agent.{offer.edge_id}", b"no batch at all")
        await talker.client.publish(f"trunk.v1.edge.{offer.edge_id}", b"no command at all")
        await talker.say(offer, "fine", 40)
        await until(lambda: stream.agent_audio)
    assert counted("audio_frames_dropped", direction="agent", reason="no_call") == before + 1


async def test_a_pressed_key_becomes_a_fact_and_reaches_the_talker(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await stream.press("#")
        await until(lambda: talker.commands)
        pressed = await edge.facts.wait_for(stream.call_sid, "digits_pressed")
    assert talker.commands[0] == Digits(call_id=offer.call_id, epoch=1, digits="#")
    assert isinstance(pressed, DigitsPressed)
    assert (pressed.digits, pressed.epoch) == ("#", 1)


async def test_a_hang_up_releases_the_talker_and_leaves_one_record(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.say(offer, "item-1", 200, "Good morning.")
        await until(lambda: "mark" in stream.events())
        await stream.play()
        await edge.facts.wait_for(stream.call_sid, "agent_said")
        await stream.hang_up()
        released = await talker.released()
        ended = await edge.facts.wait_for(stream.call_sid, "call_ended")
        record = await edge.record(stream.call_sid)
        assert await stream.closed() == 1000
    assert (released.call_id, released.epoch) == (stream.call_sid, 1)
    assert isinstance(ended, CallEnded)
    assert ended.reason is EndReason.CALLER_HANGUP
    assert edge.facts.types(stream.call_sid)[-1] == "call_ended"
    assert (record["end_reason"], record["caller"], record["dialled"]) == ("caller_hangup", CALLER, DIALLED)
    assert [(turn["speaker"], turn["text"], turn["heard_ms"]) for turn in record["turns"]] == [
        ("agent", "Good morning.", 200)
    ]
    assert [epoch["epoch"] for epoch in record["epochs"]] == [1]
    assert len(edge.records()) == 1
    assert counted("calls_active", service="edge") == 0


async def test_a_lost_socket_ends_the_call_as_lost(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            offer = await talker.cut_over_to()
            await talker.say(offer, "item-1", 60_000, "A very long story indeed.")
            await until(lambda: "mark" in stream.events())
            stream.socket.transport.abort()
        await talker.released()
        record = await edge.record(stream.call_sid)
    assert record["end_reason"] == "leg_lost"
    assert all(turn["heard_ms"] < 60_000 for turn in record["turns"])


async def test_the_agent_may_hang_up(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.hang_up(offer)
        assert await stream.closed() == 1000
        assert (await edge.record(stream.call_sid))["end_reason"] == "agent_hangup"
        assert (await edge.phone.webhook("resume", stream.call_sid)).verbs == ["Hangup"]


async def test_two_calls_do_not_hear_each_other(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as one, edge.phone.call() as two:
        await talker.cut_over_to(2)
        for offer in talker.offers:
            await talker.say(offer, offer.call_id, 20 if offer.call_id == one.call_sid else 40)
        await until(lambda: one.agent_audio and two.agent_audio)
        assert (one.agent_audio, two.agent_audio) == (pcmu.silence(20), pcmu.silence(40))
        await one.hang_up()
        await talker.released(lambda release: release.call_id == one.call_sid)
        await talker.send(talker.offers[-1], (Kind.AUDIO, 0, pcmu.silence(20)))
        await until(lambda: len(two.agent_audio) == 480)
    assert ACCOUNT not in str(edge.records())


@pytest.mark.parametrize("reason", [HandoverReason.DRAIN, HandoverReason.SESSION_AGE])
async def test_a_talker_that_asks_is_replaced_while_it_still_talks(edge: Stage, reason: HandoverReason) -> None:
    async with talking(edge.nats_url) as first, edge.phone.call() as stream:
        offer = await first.cut_over_to()
        await first.say(offer, "item-1", 100, "Hello.")
        await until(lambda: "mark" in stream.events())
        await stream.play()
        await edge.facts.wait_for(stream.call_sid, "agent_said")
        first.manners = "refuses"
        async with talking(edge.nats_url) as second:
            await first.please(offer, reason)
            following = await second.cut_over_to()
            assert (following.epoch > offer.epoch, following.reason) == (True, reason)
            assert [turn.text for turn in spoken(second.cuts[-1])] == ["Hello."]
            assert (await first.released()).epoch == offer.epoch
            await until(lambda: len(second.caller_audio) >= 5)
            await second.say(following, "item-2", 40)
            await until(lambda: len(stream.agent_audio) == 1_120)
