"""The carrier may tell any edge how it goes with a caller who was given to a human, also when the call's edge died."""

from pathlib import Path

import pytest
from nats.aio.msg import Msg

from common import subjects
from common.messages.commands import EndReason, TransferNews, TransferNoted
from common.messages.facts import EpochChanged, TransferFailed
from common.messages.offers import HandoverReason
from edge import orphans
from edge.core import neighbours
from edge.core.past import Past
from edge.registry import CallEntry
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.phone import Phone, Stream, new_call_sid
from integration.edge.running import Stage, counted, edge_process, stage
from integration.edge.test_transfer import ended, entry_of, number_of, on_the_humans_leg
from integration.edge.two_edges import gone, lets_itself_be_adopted, pair_of_edges, resumed

SUMMARY = "A refund for a lost book."


async def given_away(talker: Talker, stream: Stream, summary: str = SUMMARY) -> None:
    await talker.transfer(talker.offers[-1], "colleague", summary)
    assert await stream.closed() == 1000


async def test_another_edge_dials_whispers_and_brings_the_news_to_the_calls_edge(nats_url: str, tmp_path: Path) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        dial = await pair.at_other.webhook("resume", stream.call_sid)
        assert dial.verbs == ["Dial"]
        assert number_of(dial).attrib["url"].endswith("/twilio/whisper")
        assert (await on_the_humans_leg(pair.at_other, "whisper", stream.call_sid)).said == SUMMARY
        await on_the_humans_leg(pair.at_other, "transfer-status", stream.call_sid)
        assert (await ended(pair.at_other, stream.call_sid, "completed")).verbs == ["Hangup"]
        assert (await pair.only_record(stream.call_sid))["end_reason"] == EndReason.TRANSFERRED
        assert (await talker.released()).epoch == 1
        await pair.facts.wait_for(stream.call_sid, "call_ended")
        assert pair.facts.types(stream.call_sid).count("call_ended") == 1
        for edge in (pair.one, pair.other):
            assert SUMMARY not in edge.log()


async def test_a_caller_who_is_back_may_come_to_another_edge_with_the_same_talker(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            offer = await talker.cut_over_to()
            await given_away(talker, stream)
        answer = await ended(pair.at_other, stream.call_sid, "busy")
        async with pair.at_other.stream(stream.call_sid, answer.parameters) as again:
            changed = await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert isinstance(changed, EpochChanged)
            assert (changed.talker_id, changed.reason) == (talker.talker_id, HandoverReason.REATTACHED)
            assert changed.epoch > offer.epoch
            assert [adoption.human_unreached for adoption in adoptions] == [True]
            failed = await pair.facts.wait_for(stream.call_sid, "transfer_failed")
            assert isinstance(failed, TransferFailed)
            assert failed.why == "busy"
            await again.hang_up()
            await gone(again)
        await pair.only_record(stream.call_sid)
        assert pair.facts.types(stream.call_sid).count("transfer_failed") == 1


async def test_a_caller_who_hangs_up_while_it_rings_ends_the_call_at_its_edge_whoever_is_told(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        over = await pair.at_other.webhook("resume", stream.call_sid, CallStatus="completed")
        assert over.verbs == ["Hangup"]
        assert (await pair.only_record(stream.call_sid))["end_reason"] == EndReason.CALLER_HANGUP


async def test_when_the_edge_is_killed_while_it_rings_another_goes_on_with_the_same_talker(
    nats_url: str, tmp_path: Path
) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        await pair.kill(pair.one)
        assert (await on_the_humans_leg(pair.at_other, "whisper", stream.call_sid)).said == SUMMARY
        answer = await ended(pair.at_other, stream.call_sid, "no-answer")
        assert answer.verbs == ["Connect", "Redirect"]
        assert (await entry_of(talker, stream.call_sid)).transfer_to == ""
        async with pair.at_other.stream(stream.call_sid, answer.parameters) as again:
            await pair.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert [adoption.human_unreached for adoption in adoptions] == [True]
            await again.hang_up()
            await gone(again)
        assert (await pair.only_record(stream.call_sid))["end_reason"] == EndReason.CALLER_HANGUP
        failures = [fact for fact in pair.facts.of(stream.call_sid) if isinstance(fact, TransferFailed)]
        assert [(fact.to, fact.why) for fact in failures] == [("colleague", "no_answer")]


async def test_an_edge_that_ends_gives_the_call_with_its_transfer_to_the_others(nats_url: str, tmp_path: Path) -> None:
    async with pair_of_edges(nats_url, tmp_path) as pair, talking(nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with pair.at_one.call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        assert await pair.one.stop() == 0
        assert pair.records(stream.call_sid) == []
        answer = await ended(pair.at_other, stream.call_sid, "busy")
        async with pair.at_other.stream(stream.call_sid, answer.parameters) as again:
            await until(lambda: adoptions)
            assert adoptions[0].human_unreached
            await again.hang_up()
            await gone(again)
        await pair.only_record(stream.call_sid)


# --- calls that stay with the human, and whose edge is gone ----------------------------------------------------------


@pytest.fixture
def short_graces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "AFTER_REATTACHING_S", 0.5)
    monkeypatch.setattr(orphans, "BUS_AWAY_AT_MOST_S", 1.0)
    monkeypatch.setattr(orphans, "SWEEP_EVERY_S", 1.0)
    monkeypatch.setattr(neighbours, "STALE_AFTER_S", 0.5)


async def lost_with_a_caller_at_the_human(edge: Stage, directory: Path, talker: Talker) -> str:
    """An edge process gives its caller away, and dies. Returns the call."""
    environ = {"PUBLIC_BASE_URL": edge.phone.public_base_url, "EDGE_REATTACH_WITHIN_S": "1"}
    async with edge_process(edge.nats_url, directory, environ=environ) as lost:
        async with Phone(edge.phone.public_base_url, lost.reached_at).call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        lost.process.kill()
        await lost.process.wait()
    return stream.call_sid


@pytest.mark.usefixtures("short_graces")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"DialCallStatus": "completed"}, EndReason.TRANSFERRED),
        ({"DialCallStatus": "canceled", "CallStatus": "completed"}, EndReason.CALLER_HANGUP),
    ],
)
async def test_a_call_that_is_over_at_the_human_is_ended_by_whoever_is_told_in_place_of_its_dead_edge(
    nats_url: str, tmp_path: Path, fields: dict[str, str], reason: EndReason
) -> None:
    async with stage(nats_url, tmp_path, edge_reattach_within_s=1) as edge, talking(nats_url) as talker:
        call_sid = await lost_with_a_caller_at_the_human(edge, tmp_path, talker)
        dead = (await entry_of(talker, call_sid)).edge_id
        await until(lambda: dead not in edge.edge._orphans._living())
        assert (await edge.phone.webhook("transferred", call_sid, **fields)).verbs == ["Hangup"]
        assert (await edge.record(call_sid))["end_reason"] == reason
        await edge.facts.wait_for(call_sid, "call_ended")
        held = await entry_of(talker, call_sid)
        assert (held.state, held.transfer_to, held.summary) == ("ended", "", "")
    assert edge.records_file.read_text().count(call_sid) == 1


@pytest.mark.usefixtures("short_graces")
async def test_a_dead_edges_caller_of_whom_nothing_more_is_heard_is_with_the_human(
    nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(nats_url, tmp_path, edge_reattach_within_s=1) as edge, talking(nats_url) as talker:
        call_sid = await lost_with_a_caller_at_the_human(edge, tmp_path, talker)
        bucket = await talker.client.jetstream().key_value(subjects.CALLS_BUCKET)
        held = await bucket.get(call_sid)
        soon = CallEntry.decode(held.value or b"").model_copy(update={"transfer_within_s": 1})
        await bucket.update(call_sid, soon.encode(), last=held.revision)
        assert (await edge.record(call_sid))["end_reason"] == EndReason.TRANSFERRED
    assert edge.records_file.read_text().count(call_sid) == 1


async def test_news_of_a_call_that_is_not_here_is_answered_so(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        news = TransferNews(call_id=new_call_sid(), news="busy")
        answer = await talker.client.request(subjects.edge(edge.edge.edge_id), news.encode(), timeout=5)
        assert TransferNoted.decode(answer.data) == TransferNoted(is_ours=False)


async def test_an_edge_that_answers_nonsense_counts_as_gone(edge: Stage) -> None:
    call_sid = new_call_sid()
    left = CallEntry(edge_id="edge-odd", state="live", profile="desk", epoch=1, transfer_to="colleague")
    before = counted("bus_rejects", kind="malformed")

    async def nonsense(message: Msg) -> None:
        await message.respond(b"\xff")

    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())
        await talker.client.subscribe(subjects.edge("edge-odd"), cb=nonsense)
        await talker.client.flush()
        assert (await ended(edge.phone, call_sid, "busy")).verbs == ["Connect", "Redirect"]
        assert (await entry_of(talker, call_sid)).transfer_to == ""
    assert counted("bus_rejects", kind="malformed") == before + 1


async def test_what_is_known_of_a_transfer_survives_in_the_facts(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(talker, stream)
        await ended(edge.phone, stream.call_sid, "busy")
        await edge.facts.wait_for(stream.call_sid, "transfer_failed")
        past = Past()
        past.add(edge.facts.of(stream.call_sid))
        assert past.memory.human_unreached
        async with resumed(edge.phone, stream.call_sid) as again:
            await edge.facts.wait_for(stream.call_sid, "leg_reattached")
            await again.hang_up()
            await gone(again)
