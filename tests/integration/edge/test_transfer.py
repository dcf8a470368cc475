"""The agent gives the caller to a human by name: whom the carrier dials, what the human hears, and what comes of it."""

from xml.etree import ElementTree

import pytest

from common import subjects
from common.messages.commands import EndReason
from common.messages.facts import TransferBegun, TransferFailed
from common.messages.offers import HandoverReason
from edge.core import giving
from edge.registry import CallEntry
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, CALLER, Answer, Phone, Stream, new_call_sid
from integration.edge.running import COLLEAGUE, INTERRUPTED, Stage, counted
from integration.edge.two_edges import lets_itself_be_adopted, resumed

SUMMARY = "A refund for a lost book."


def number_of(answer: Answer) -> ElementTree.Element:
    """Whom the carrier is told to dial, and how."""
    found = ElementTree.fromstring(answer.body).find("Dial/Number")
    assert found is not None, answer.body
    return found


async def on_the_humans_leg(phone: Phone, kind: str, call_sid: str, **fields: str) -> Answer:
    """A webhook of the call that the carrier places to the human for this caller."""
    child = {"ParentCallSid": call_sid, "From": CALLER, "To": COLLEAGUE, "Direction": "outbound-dial"}
    return await phone.webhook(kind, new_call_sid(), **child | fields)


async def ended(phone: Phone, call_sid: str, status: str, **fields: str) -> Answer:
    """`<Dial>` is over, the caller is there still."""
    return await phone.webhook("transferred", call_sid, DialCallStatus=status, **fields)


async def entry_of(talker: Talker, call_sid: str) -> CallEntry:
    bucket = await talker.client.jetstream().key_value(subjects.CALLS_BUCKET)
    return CallEntry.decode((await bucket.get(call_sid)).value or b"")


async def given_away(edge: Stage, talker: Talker, stream: Stream, summary: str = SUMMARY) -> Answer:
    """The talker gives the caller to the colleague; returns what the carrier is told when it asks what comes next."""
    await talker.transfer(talker.offers[-1], "colleague", summary)
    assert await stream.closed() == 1000
    return await edge.phone.webhook("resume", stream.call_sid)


def results() -> dict[str, float]:
    names = ("dialled", "answered", "unanswered", "returned", "unknown")
    return {result: counted("transfers", result=result) for result in names}


def risen(before: dict[str, float]) -> dict[str, float]:
    return {name: count - before[name] for name, count in results().items() if count > before[name]}


async def test_a_caller_is_given_to_a_human_who_is_told_why_and_the_call_has_one_record(
    edge: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    before = results()
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await talker.cut_over_to()
        answer = await given_away(edge, talker, stream)
        assert answer.verbs == ["Dial"]
        assert number_of(answer).text == COLLEAGUE
        held = await entry_of(talker, stream.call_sid)
        assert (held.state, held.transfer_to, held.summary) == ("live", "colleague", SUMMARY), "any edge may be asked"
        whisper = await on_the_humans_leg(edge.phone, "whisper", stream.call_sid)
        assert (whisper.verbs, whisper.said) == (["Say"], SUMMARY)
        status = await on_the_humans_leg(edge.phone, "transfer-status", stream.call_sid)
        assert (status.status, status.body) == (204, "")
        assert not edge.records(), "the human may still put the phone down"
        assert (await ended(edge.phone, stream.call_sid, "completed", DialBridged="true")).verbs == ["Hangup"]
        assert (await talker.released()).epoch == 1
        record = await edge.record(stream.call_sid)
        assert record["end_reason"] == "transferred"
        begun = await edge.facts.wait_for(stream.call_sid, "transfer_begun")
        assert isinstance(begun, TransferBegun)
        assert begun.to == "colleague"
        await edge.facts.wait_for(stream.call_sid, "call_ended")
        assert (await ended(edge.phone, stream.call_sid, "completed")).verbs == ["Hangup"], "told twice"
        held = await entry_of(talker, stream.call_sid)
        assert (held.state, held.transfer_to, held.summary) == ("ended", "", "")
    assert edge.records_file.read_text().count(stream.call_sid) == 1
    assert edge.facts.types(stream.call_sid).count("call_ended") == 1
    for secret in (COLLEAGUE, SUMMARY):
        assert secret not in edge.records_file.read_text()
        assert secret not in caplog.text
    assert risen(before) == {"dialled": 1, "answered": 2}


async def test_a_human_who_is_told_nothing_has_the_caller_once_the_phone_is_picked_up(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await talker.cut_over_to()
        answer = await given_away(edge, talker, stream, "")
        assert "url" not in number_of(answer).attrib
        assert (await on_the_humans_leg(edge.phone, "whisper", stream.call_sid)).verbs == []
        await on_the_humans_leg(edge.phone, "transfer-status", stream.call_sid, CallStatus="ringing")
        assert not edge.records()
        await on_the_humans_leg(edge.phone, "transfer-status", stream.call_sid)
        assert (await edge.record(stream.call_sid))["end_reason"] == "transferred"
        assert (await talker.released()).epoch == 1


async def test_what_the_human_is_told_is_data_whatever_it_says(edge: Stage) -> None:
    words = 'He said: </Say><Dial>+15550100666</Dial> & "more"\x07'
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await talker.cut_over_to()
        await given_away(edge, talker, stream, words)
        whisper = await on_the_humans_leg(edge.phone, "whisper", stream.call_sid)
        assert (whisper.verbs, whisper.said) == (["Say"], words.removesuffix("\x07"))


@pytest.mark.parametrize(
    ("status", "fields", "why"),
    [
        ("busy", {}, "busy"),
        ("no-answer", {}, "no_answer"),
        ("failed", {}, "failed"),
        ("canceled", {}, "canceled"),
        ("completed", {"DialBridged": "false"}, "failed"),
        ("nonsense", {}, "failed"),
    ],
)
async def test_when_the_human_is_not_reached_the_caller_is_back_with_the_agent_who_is_told(
    edge: Stage, status: str, fields: dict[str, str], why: str
) -> None:
    before = results()
    async with talking(edge.nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            offer = await talker.cut_over_to()
            await given_away(edge, talker, stream)
            await on_the_humans_leg(edge.phone, "transfer-status", stream.call_sid)
        answer = await ended(edge.phone, stream.call_sid, status, **fields)
        assert answer.verbs == ["Connect", "Redirect"]
        async with edge.phone.stream(stream.call_sid, answer.parameters) as again:
            changed = await edge.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert changed.epoch > offer.epoch
            (adoption,) = adoptions
            assert (adoption.human_unreached, adoption.new_epoch) == (True, changed.epoch)
            failed = await edge.facts.wait_for(stream.call_sid, "transfer_failed")
            assert isinstance(failed, TransferFailed)
            assert (failed.to, failed.why) == ("colleague", why)
            held = await entry_of(talker, stream.call_sid)
            assert (held.transfer_to, held.summary, held.transfer_within_s) == ("", "", 0)
            await talker.say(talker.offers[-1], "sorry", 40)
            await again.hears(320)
            await again.hang_up()
            await again.closed()
        assert (await edge.record(stream.call_sid))["end_reason"] == "caller_hangup"
    assert edge.facts.types(stream.call_sid).count("transfer_failed") == 1
    assert risen(before) == {"dialled": 1, "unanswered": 1, "returned": 1}


async def test_after_a_transfer_that_failed_another_may_follow(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(edge, talker, stream)
        answer = await ended(edge.phone, stream.call_sid, "busy")
        async with edge.phone.stream(stream.call_sid, answer.parameters) as again:
            await edge.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            assert (await given_away(edge, talker, again, "")).verbs == ["Dial"]
            await on_the_humans_leg(edge.phone, "transfer-status", stream.call_sid)
        assert (await edge.record(stream.call_sid))["end_reason"] == "transferred"
        assert edge.facts.types(stream.call_sid).count("transfer_begun") == 2


async def test_a_talker_that_died_while_it_rang_is_replaced_when_the_caller_is_back(edge: Stage) -> None:
    async with talking(edge.nats_url) as first:
        async with edge.phone.call() as stream:
            offer = await first.cut_over_to()
            await given_away(edge, first, stream)
        await first.die()
    async with talking(edge.nats_url) as second:
        answer = await ended(edge.phone, stream.call_sid, "busy")
        async with edge.phone.stream(stream.call_sid, answer.parameters):
            following = await second.cut_over_to()
            assert (following.call_id, following.epoch > offer.epoch) == (stream.call_sid, True)
            assert second.cuts[0].human_unreached
            await second.say(following, "sorry", 40, "Sorry.")
            await edge.facts.wait_for(stream.call_sid, "turn_started")


async def test_a_caller_who_hangs_up_while_it_rings_has_ended_the_call(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(edge, talker, stream)
        over = await ended(edge.phone, stream.call_sid, "canceled", CallStatus="completed")
        assert over.verbs == ["Hangup"]
        assert (await edge.record(stream.call_sid))["end_reason"] == "caller_hangup"
        assert (await talker.released()).epoch == 1
    assert "transfer_failed" not in edge.facts.types(stream.call_sid)


async def test_a_call_of_which_the_carrier_says_nothing_more_is_with_the_human(
    edge: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving, "CARRIER_SPARE_S", -19)
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(edge, talker, stream)
        assert (await edge.record(stream.call_sid))["end_reason"] == "transferred"
        late = await ended(edge.phone, stream.call_sid, "no-answer")
        assert late.said == INTERRUPTED, "there is no agent to come back to"
    assert edge.records_file.read_text().count(stream.call_sid) == 1


async def test_a_stream_that_comes_without_any_word_on_the_transfer_ends_it(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        adoptions = lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(edge, talker, stream)
        jetstream = talker.client.jetstream()
        await jetstream.delete_stream(f"KV_{subjects.CALLS_BUCKET}")  # nobody knows what the carrier is to do
        edge.edge._registry._unwritten.clear()
        edge.edge._registry._noted_here.clear()
        async with resumed(edge.phone, stream.call_sid):
            failed = await edge.facts.wait_for(stream.call_sid, "transfer_failed")
            assert isinstance(failed, TransferFailed)
            assert failed.why == "failed"
            await until(lambda: adoptions)
            assert adoptions[0].human_unreached


async def test_without_the_registry_the_edge_that_has_the_call_still_has_the_human_dialled(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await talker.cut_over_to()
        await talker.client.jetstream().delete_stream(f"KV_{subjects.CALLS_BUCKET}")
        assert (await given_away(edge, talker, stream)).verbs == ["Dial"]
        assert (await on_the_humans_leg(edge.phone, "whisper", stream.call_sid)).said == SUMMARY


async def test_a_transfer_asked_for_twice_is_one_and_no_other_may_begin_or_the_agent_hang_up(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await given_away(edge, talker, stream)
        await talker.transfer(offer, "colleague", "Something else.")
        await talker.hang_up(offer)
        await talker.transfer(offer, "colleague")  # answered once the hang-up was taken in
        assert (await on_the_humans_leg(edge.phone, "whisper", stream.call_sid)).said == SUMMARY
        assert edge.facts.types(stream.call_sid).count("transfer_begun") == 1
        assert not edge.records()


async def test_a_name_nobody_has_is_refused_and_the_call_goes_on(edge: Stage) -> None:
    before = counted("transfers", result="unknown")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.transfer(offer, "the-president")
        assert counted("transfers", result="unknown") == before + 1
        await talker.say(offer, "item", 40)
        await until(lambda: stream.agent_audio)
        assert stream.is_open
        assert "transfer_begun" not in edge.facts.types(stream.call_sid)


async def test_only_the_talker_may_give_the_caller_away(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.transfer(offer.model_copy(update={"epoch": 9}), "colleague")
        async with talking(edge.nats_url, "refuses") as stranger:
            await stranger.transfer(offer, "colleague")
        await talker.say(offer, "item", 40)
        await until(lambda: stream.agent_audio)
        assert stream.is_open


async def test_an_edge_that_does_not_know_the_name_gives_the_caller_back_to_the_agent(edge: Stage) -> None:
    before = results()
    call_sid = new_call_sid()
    left = CallEntry(edge_id="edge-newer", state="live", profile="desk", epoch=1, transfer_to="newcomer")
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())
        assert (await edge.phone.webhook("resume", call_sid)).verbs == ["Connect", "Redirect"]
        assert (await entry_of(talker, call_sid)).transfer_to == "", "nobody is dialled when its stream breaks"
    assert risen(before) == {"unknown": 1, "returned": 1}


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
async def test_a_caller_whom_no_agent_waits_for_is_told(edge: Stage, status: str) -> None:
    call_sid = new_call_sid()
    left = CallEntry(edge_id="edge-1", state="ended", profile="desk", end_reason=EndReason.NO_TALKER)
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())
        assert (await ended(edge.phone, call_sid, status)).said == INTERRUPTED


async def test_a_transfer_after_the_end_is_nobodys(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            offer = await talker.cut_over_to()
            await stream.hang_up()
            await edge.record(stream.call_sid)
        wish = b'{"version":1,"type":"transfer","call_id":"%s","epoch":1,"talker_id":"%s","to":"colleague"}'
        before = counted("bus_rejects", kind="no_call")
        await talker.client.publish(
            subjects.edge(offer.edge_id), wish % (stream.call_sid.encode(), talker.talker_id.encode())
        )
        await until(lambda: counted("bus_rejects", kind="no_call") == before + 1)
        assert (await edge.phone.webhook("resume", stream.call_sid)).verbs == ["Hangup"]


@pytest.mark.parametrize("kind", ["whisper", "transfer-status", "transferred"])
async def test_a_forged_webhook_is_refused_and_changes_nothing(edge: Stage, kind: str) -> None:
    before = counted("security_rejects", kind="bad_signature")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        await talker.cut_over_to()
        await given_away(edge, talker, stream, "")
        form = {"AccountSid": ACCOUNT, "CallSid": stream.call_sid, "ParentCallSid": stream.call_sid}
        form |= {"CallStatus": "in-progress", "DialCallStatus": "completed"}
        for signature in ("", "Zm9yZ2Vk"):
            answer = await edge.phone.post(f"/twilio/{kind}", form, signature=signature)
            assert (answer.status, answer.body) == (403, "forbidden\n")
        assert not edge.records()
        assert (await entry_of(talker, stream.call_sid)).transfer_to == "colleague"
    assert counted("security_rejects", kind="bad_signature") == before + 2


@pytest.mark.parametrize("kind", ["whisper", "transfer-status"])
@pytest.mark.parametrize("parent", ["", "CA1.>", "MZ" + "0" * 32])
async def test_a_leg_without_a_readable_parent_is_a_bad_request(edge: Stage, kind: str, parent: str) -> None:
    before = counted("carrier_protocol_errors", carrier="twilio", kind="bad_request")
    answer = await edge.phone.webhook(kind, new_call_sid(), ParentCallSid=parent)
    assert answer.status == 400
    assert counted("carrier_protocol_errors", carrier="twilio", kind="bad_request") == before + 1


@pytest.mark.parametrize("kind", ["whisper", "transfer-status", "transferred"])
async def test_of_a_call_nobody_knows_a_webhook_is_answered_and_harmless(edge: Stage, kind: str) -> None:
    async with talking(edge.nats_url):
        await edge.phone.connected(new_call_sid())
        answer = await on_the_humans_leg(edge.phone, kind, new_call_sid(), DialCallStatus="busy")
        assert answer.status in (200, 204)
        assert not edge.records()


async def test_a_caller_who_is_back_may_have_to_wait_for_room_and_is_not_given_away_again(edge: Stage) -> None:
    call_sid = new_call_sid()
    left = CallEntry(edge_id="edge-newer", state="live", profile="desk", epoch=1, transfer_to="colleague")
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())
        edge.edge._reception._max_calls = -10
        waits = await ended(edge.phone, call_sid, "busy")
        assert waits.verbs == ["Say", "Pause", "Redirect"]
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())  # written late
        edge.edge._reception._max_calls = 10
        assert (await edge.phone.follow(waits, call_sid)).verbs == ["Connect", "Redirect"]


async def test_a_second_handover_before_the_agent_has_spoken_is_told_as_well(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        lets_itself_be_adopted(talker)
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            await given_away(edge, talker, stream)
        answer = await ended(edge.phone, stream.call_sid, "busy")
        async with edge.phone.stream(stream.call_sid, answer.parameters):
            await edge.facts.wait_for(stream.call_sid, "epoch_changed", 2)
            cuts_before = len(talker.cuts)
            async with talking(edge.nats_url) as second:
                await talker.please(talker.offers[-1], HandoverReason.UPSTREAM_FAILED, retryable=True)
                await edge.facts.wait_for(stream.call_sid, "epoch_changed", 3)
                # Either of them may have been asked; the answer to its `Ready` may come after the fact.
                await until(lambda: len(talker.cuts) + len(second.cuts) > cuts_before)
                assert [*talker.cuts, *second.cuts][-1].human_unreached
