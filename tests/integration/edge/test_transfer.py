"""The agent gives the caller to a human by name: whom the carrier dials, who may ask, and what is left behind."""

from xml.etree import ElementTree

import pytest

from common import subjects
from common.messages.commands import EndReason
from edge.registry import CallEntry
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import Answer, new_call_sid
from integration.edge.running import COLLEAGUE, INTERRUPTED, Stage, counted


def dialled(answer: Answer) -> str | None:
    """The number the carrier is told to dial."""
    return ElementTree.fromstring(answer.body).findtext("Dial/Number")


async def test_a_caller_is_given_to_a_human_by_name_and_the_call_has_one_record(edge: Stage) -> None:
    before = {result: counted("transfers", result=result) for result in ("dialled", "answered")}
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.transfer(offer, "colleague")
        assert await stream.closed() == 1000
        assert (await talker.released()).epoch == 1
        bucket = await talker.client.jetstream().key_value(subjects.CALLS_BUCKET)
        held = CallEntry.decode((await bucket.get(stream.call_sid)).value or b"")
        assert (held.end_reason, held.transfer_to) == (EndReason.TRANSFERRED, "colleague"), "any edge may be asked next"
        answer = await edge.phone.webhook("resume", stream.call_sid)
        assert (answer.verbs, dialled(answer)) == (["Dial"], COLLEAGUE)
        assert (await edge.record(stream.call_sid))["end_reason"] == "transferred"
        over = await edge.phone.webhook("transferred", stream.call_sid, DialCallStatus="completed")
        assert over.verbs == ["Hangup"]
    assert edge.records_file.read_text().count(stream.call_sid) == 1
    assert COLLEAGUE not in edge.records_file.read_text()
    assert {result: counted("transfers", result=result) - count for result, count in before.items()} == {
        "dialled": 1,
        "answered": 1,
    }


async def test_a_name_nobody_has_is_refused_and_the_call_goes_on(edge: Stage) -> None:
    before = counted("transfers", result="unknown")
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.transfer(offer, "the-president")
        assert counted("transfers", result="unknown") == before + 1
        await talker.say(offer, "item", 40)
        await until(lambda: stream.agent_audio)
        assert stream.is_open


async def test_only_the_talker_may_give_the_caller_away(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
        offer = await talker.cut_over_to()
        await talker.transfer(offer.model_copy(update={"epoch": 9}), "colleague")
        async with talking(edge.nats_url, "refuses") as stranger:
            await stranger.transfer(offer, "colleague")
        await talker.say(offer, "item", 40)
        await until(lambda: stream.agent_audio)
        assert stream.is_open


async def test_an_edge_that_does_not_know_the_name_tells_the_caller(edge: Stage) -> None:
    before = counted("transfers", result="unknown")
    call_sid = new_call_sid()
    left = CallEntry(
        edge_id="edge-newer", state="ended", profile="desk", end_reason=EndReason.TRANSFERRED, transfer_to="newcomer"
    )
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", left.encode())
        assert (await edge.phone.webhook("resume", call_sid)).said == INTERRUPTED
    assert counted("transfers", result="unknown") == before + 1


@pytest.mark.parametrize("status", ["no-answer", "busy", "failed"])
async def test_when_the_human_does_not_answer_the_caller_is_told(edge: Stage, status: str) -> None:
    before = counted("transfers", result="unanswered")
    answer = await edge.phone.webhook("transferred", new_call_sid(), DialCallStatus=status)
    assert answer.said == INTERRUPTED
    assert counted("transfers", result="unanswered") == before + 1


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
