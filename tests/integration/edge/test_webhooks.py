"""What Twilio is told after a stream ended, and what it may tell us."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from twilio.request_validator import RequestValidator

from common.messages.commands import EndReason
from common.messages.facts import CallbackWanted
from common.messages.offers import HandoverReason
from common.profile import Sentences
from edge.legs.twilio.webhooks import HOLDS_AT_MOST
from edge.registry import CallEntry
from fakes.nats import NatsBinary
from fakes.talker import talking
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, AUTH_TOKEN, CALLER, DIALLED, new_call_sid
from integration.edge.running import INTERRUPTED, UNAVAILABLE, Stage, counted, stage

ONE_MOMENT = Sentences().one_moment


async def test_a_call_whose_socket_was_lost_is_connected_again_and_has_one_record(edge: Stage) -> None:
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
            await again.hang_up()
            await again.closed()
        assert len((await edge.record(stream.call_sid))["epochs"]) == 2


@pytest.mark.parametrize(
    ("reason", "verbs"),
    [
        (EndReason.LEG_LOST, ["Connect", "Redirect"]),
        (EndReason.SHUTDOWN, ["Connect", "Redirect"]),
        (EndReason.MOVED, ["Connect", "Redirect"]),
        (EndReason.NO_TALKER, ["Say", "Hangup"]),
        (EndReason.CALLER_HANGUP, ["Hangup"]),
        (EndReason.AGENT_HANGUP, ["Hangup"]),
        (EndReason.MAX_DURATION, ["Hangup"]),
        (EndReason.TRANSFERRED, ["Hangup"]),
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
        EndReason.TRANSFERRED,
        EndReason.MOVED,
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
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
            await stream.hang_up()
            await stream.closed()
        await until(lambda: len(edge.records()) == 1)
        await edge.phone.connected(new_call_sid())


async def test_a_full_edge_keeps_room_for_running_calls_and_lets_others_wait(nats_url: str, tmp_path: Path) -> None:
    async with (
        stage(nats_url, tmp_path, edge_max_calls=1) as edge,
        talking(edge.nats_url) as talker,
        edge.phone.call(),
    ):
        await talker.cut_over_to()
        assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
        comes_back = new_call_sid()
        answer = await edge.phone.webhook("resume", comes_back)
        assert answer.verbs == ["Connect", "Redirect"]
        async with edge.phone.stream(comes_back, answer.parameters):
            await talker.cut_over_to(2)
            assert (await edge.phone.webhook("resume", new_call_sid())).verbs == ["Say", "Pause", "Redirect"]


async def test_a_running_call_is_connected_again_though_no_talker_is_free(edge: Stage) -> None:
    assert (await edge.phone.webhook("voice", new_call_sid())).said == UNAVAILABLE
    assert (await edge.phone.webhook("resume", new_call_sid())).verbs == ["Connect", "Redirect"]


async def test_a_caller_who_hung_up_while_the_stream_was_broken_ends_the_call_at_once(edge: Stage) -> None:
    async with talking(edge.nats_url) as talker:
        async with edge.phone.call() as stream:
            await talker.cut_over_to()
            stream.socket.transport.abort()
            await until(lambda: all(session.is_legless for session in edge.edge._calls))
        assert edge.records() == []
        answer = await edge.phone.webhook("resume", stream.call_sid, CallStatus="completed")
        assert answer.verbs == ["Hangup"]
        assert (await edge.record(stream.call_sid))["end_reason"] == EndReason.CALLER_HANGUP


# --- the bus away -----------------------------------------------------------------------------------------------------


async def test_a_running_call_waits_while_the_bus_is_away_and_goes_on_when_it_is_back(tmp_path: Path) -> None:
    server = NatsBinary()
    try:
        await server.start()
        async with stage(server.url, tmp_path) as edge:
            await server.stop()
            await until(edge.edge.missing)
            call_sid = new_call_sid()
            answer = await edge.phone.webhook("resume", call_sid)
            assert (answer.verbs, answer.said) == (["Say", "Pause", "Redirect"], ONE_MOMENT)
            answer = await edge.phone.follow(answer, call_sid)
            assert answer.verbs == ["Pause", "Redirect"]
            await server.start()
            await until(lambda: edge.edge.missing() is None)
            answer = await edge.phone.follow(answer, call_sid)
            assert answer.verbs == ["Connect", "Redirect"]
            async with talking(server.url) as talker, edge.phone.stream(call_sid, answer.parameters):
                assert (await talker.cut_over_to()).call_id == call_sid
    finally:
        await server.discard()


async def test_nobody_waits_for_ever(tmp_path: Path) -> None:
    server = NatsBinary()
    try:
        await server.start()
        async with stage(server.url, tmp_path) as edge:
            await server.stop()
            await until(edge.edge.missing)
            call_sid, said = new_call_sid(), []
            answer = await edge.phone.webhook("resume", call_sid)
            for _ in range(HOLDS_AT_MOST):
                assert answer.verbs[-1] == "Redirect"
                said.append(answer.said)
                answer = await edge.phone.follow(answer, call_sid)
            assert said.count(ONE_MOMENT) == HOLDS_AT_MOST // 5
            assert (answer.verbs, answer.said) == (["Say", "Hangup"], INTERRUPTED)
            await server.start()
            await until(lambda: edge.edge.missing() is None)
    finally:
        await server.discard()


async def test_a_forged_count_of_waits_is_a_forged_request(edge: Stage) -> None:
    form = {"CallSid": new_call_sid(), "AccountSid": ACCOUNT, "To": DIALLED, "CallStatus": "in-progress"}
    signed = RequestValidator(AUTH_TOKEN).compute_signature(f"{edge.phone.public_base_url}/twilio/resume?waits=1", form)
    assert (await edge.phone.post("/twilio/resume?waits=1", form, signature=signed)).status == 200
    assert (await edge.phone.post("/twilio/resume?waits=0", form, signature=signed)).status == 403


# --- the last resort --------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def without_talkers(nats_url: str, directory: Path, last_resort: str) -> AsyncIterator[tuple[Stage, str]]:
    """An edge, and a call of it that no talker could be found for."""
    agents = directory / "resorts"
    agents.mkdir()
    text = f"name: desk\nnumbers: ['*']\ngreeting: Hi\ninstructions: Be.\nlast_resort: {last_resort}\n"
    sentences = f"interrupted: {INTERRUPTED}, transferring: To you., call_back: Later., say_language: en-GB"
    (agents / "desk.yaml").write_text(f"{text}sentences: {{{sentences}}}\n")
    async with stage(nats_url, directory, edge_agent_profiles=agents) as edge:
        async with talking(edge.nats_url) as talker, edge.phone.call() as stream:
            offer = await talker.cut_over_to()
            await talker.please(offer, HandoverReason.UPSTREAM_FAILED, retryable=False)
            assert await stream.closed() == 1000
        assert (await edge.record(stream.call_sid))["end_reason"] == EndReason.NO_TALKER
        yield edge, stream.call_sid


async def test_without_any_talker_the_caller_hears_an_apology(nats_url: str, tmp_path: Path) -> None:
    async with without_talkers(nats_url, tmp_path, "{type: apology}") as (edge, call_sid):
        answer = await edge.phone.webhook("resume", call_sid)
        assert (answer.verbs, answer.said) == (["Say", "Hangup"], INTERRUPTED)


async def test_without_any_talker_a_human_is_dialled_and_the_call_ends_after_that(
    nats_url: str, tmp_path: Path
) -> None:
    transfer = "{type: transfer, number: '+15550100300', ring_s: 20}"
    async with without_talkers(nats_url, tmp_path, transfer) as (edge, call_sid):
        answer = await edge.phone.webhook("resume", call_sid)
        assert (answer.verbs, answer.said) == (["Say", "Dial"], "To you.")
        assert "+15550100300" in answer.body
        for status in ("completed", "answered"):
            over = await edge.phone.webhook("transferred?agent=none", call_sid, DialCallStatus=status)
            assert over.verbs == ["Hangup"]


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled", ""])
async def test_when_no_human_answers_either_the_caller_is_at_least_told(edge: Stage, status: str) -> None:
    answer = await edge.phone.webhook("transferred?agent=none", new_call_sid(), DialCallStatus=status)
    assert (answer.verbs, answer.said) == (["Say", "Hangup"], INTERRUPTED)


async def test_without_any_talker_a_callback_is_promised_once(nats_url: str, tmp_path: Path) -> None:
    async with without_talkers(nats_url, tmp_path, "{type: callback}") as (edge, call_sid):
        for _ in range(2):
            answer = await edge.phone.webhook("resume", call_sid)
            assert (answer.verbs, answer.said) == (["Say", "Hangup"], "Later.")
        promise = await edge.facts.wait_for(call_sid, "callback_wanted")
        assert isinstance(promise, CallbackWanted)
        assert (promise.profile, promise.caller_number) == ("desk", CALLER)
        assert edge.facts.types(call_sid).count("callback_wanted") == 1


# ----------------------------------------------------------------------------------------------------------------------


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
