"""What Twilio is told after a stream ended, and what it may tell us."""

import asyncio
from pathlib import Path

import pytest

from common.messages.commands import EndReason
from edge.registry import CallEntry
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import new_call_sid
from integration.edge.running import UNAVAILABLE, Stage, counted, stage


async def test_a_call_whose_socket_was_lost_is_connected_again(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            stream.socket.transport.abort()
        answer = await edge.phone.webhook("resume", stream.call_sid)
        assert answer.verbs == ["Connect", "Redirect"]
        async with edge.phone.stream(stream.call_sid, answer.parameters) as again:
            offer = await talker.cut_over_to(2)
            assert offer.call_id == stream.call_sid
            await talker.say(offer, "item", 40)
            await until(lambda: again.agent_audio)
            # The first session of the call has ended meanwhile; the second still has its talker.
            await until(lambda: len(edge.records()) == 1)
            await talker.say(offer, "more", 40)
            await until(lambda: len(again.agent_audio) == 640)


@pytest.mark.parametrize(
    ("reason", "verbs"),
    [
        (EndReason.LEG_LOST, ["Connect", "Redirect"]),
        (EndReason.SHUTDOWN, ["Connect", "Redirect"]),
        (EndReason.NO_TALKER, ["Say", "Hangup"]),
        (EndReason.CALLER_HANGUP, ["Hangup"]),
        (EndReason.AGENT_HANGUP, ["Hangup"]),
        (EndReason.MAX_DURATION, ["Hangup"]),
        (None, ["Connect", "Redirect"]),
    ],
)
async def test_what_comes_next_depends_on_how_the_call_ended(
    edge: Stage, reason: EndReason | None, verbs: list[str]
) -> None:
    call_sid = new_call_sid()
    entry = CallEntry(edge_id="elsewhere", state="ended" if reason else "live", profile="desk", end_reason=reason)
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", entry.encode())
        assert (await edge.phone.webhook("resume", call_sid)).verbs == verbs


async def test_every_end_reason_is_considered_above() -> None:
    assert set(EndReason) == {
        EndReason.LEG_LOST,
        EndReason.SHUTDOWN,
        EndReason.NO_TALKER,
        EndReason.CALLER_HANGUP,
        EndReason.AGENT_HANGUP,
        EndReason.MAX_DURATION,
    }


@pytest.mark.parametrize("status", ["completed", "failed", "canceled"])
async def test_a_call_that_is_over_for_twilio_is_over(edge: Stage, status: str) -> None:
    async with talking(edge.nats_url):
        await edge.phone.connected(new_call_sid())
        assert (await edge.phone.webhook("resume", new_call_sid(), CallStatus=status)).verbs == ["Hangup"]


async def test_an_entry_of_the_registry_we_cannot_read_does_not_cost_the_call(edge: Stage) -> None:
    call_sid = new_call_sid()
    async with talking(edge.nats_url) as talker:
        await edge.phone.connected(new_call_sid())
        await talker.client.jetstream().publish(f"$KV.calls.{call_sid}", b'{"version": 9}')
        assert (await edge.phone.webhook("resume", call_sid)).verbs == ["Connect", "Redirect"]


async def test_stream_errors_are_counted_and_other_stream_events_are_not(edge: Stage) -> None:
    errors = {"carrier": "twilio", "kind": "stream_error"}
    unknown = {"carrier": "twilio", "kind": "unknown_stream_event"}
    before = counted("carrier_protocol_errors", **errors), counted("carrier_protocol_errors", **unknown)
    for event in ("stream-started", "stream-stopped", "stream-error", "stream-mended"):
        answer = await edge.phone.webhook(
            "stream-status", new_call_sid(), StreamEvent=event, StreamError="secret words"
        )
        assert (answer.status, answer.body) == (204, "")
    after = counted("carrier_protocol_errors", **errors), counted("carrier_protocol_errors", **unknown)
    assert after == (before[0] + 1, before[1] + 1)


async def test_a_full_edge_says_the_sentence(nats_url: str, tmp_path: Path) -> None:
    async with stage(nats_url, tmp_path, edge_max_calls=1) as edge, talking(edge.nats_url) as talker:
        async with edge.phone.call():
            await talker.cut_over_to()
            assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
        await until(lambda: len(edge.records()) == 1)
        await edge.phone.connected(new_call_sid())


async def test_a_number_no_agent_answers_hears_a_sentence(nats_url: str, tmp_path: Path) -> None:
    agents = tmp_path / "numbered"
    agents.mkdir()
    (agents / "one.yaml").write_text("name: one\nnumbers: ['+15550100999']\ngreeting: Hi\ninstructions: Be.\n")
    async with stage(nats_url, tmp_path, edge_agent_profiles=agents) as edge, talking(edge.nats_url):
        answer = await edge.phone.webhook("voice", new_call_sid())
        assert answer.verbs == ["Say", "Hangup"]
        async with asyncio.timeout(20):
            while (await edge.phone.webhook("voice", new_call_sid(), To="+15550100999")).verbs[0] != "Connect":
                pass
