"""Whole calls over real sockets: webhook, TwiML, media, barge-in, re-attachment, REST, faults."""

import asyncio
from typing import Any

import aiohttp
import pytest

from integration.simulators.twilio.edge import ACCOUNT, TOKEN, Edge, Socket, serve
from simulators.people import recordings
from simulators.twilio import (
    CallPlan,
    CallResult,
    Event,
    Script,
    SharedKey,
    TwilioCloud,
    place_call,
)

# A short line, so that the suite stays quick.
SHORT = recordings.load("agent-goodbye").pcmu
LONG = recordings.load("agent-opening-hours").pcmu


def plan(edge: Edge, *steps: object, script: dict[str, Any] | None = None, **options: Any) -> CallPlan:
    parsed = Script.parse({"steps": list(steps)} | (script or {}))
    defaults: dict[str, Any] = {"say_ms_per_character": 1.0, "drop_delay_s": 0.05}
    return CallPlan(
        voice_url=f"{edge.url}/voice", account_sid=ACCOUNT, auth_token=TOKEN, script=parsed, **(defaults | options)
    )


def codes(result: CallResult) -> list[int]:
    return [notice.code for notice in result.notices]


async def idle(socket: Socket) -> None:
    await socket.next("start")
    await socket.until_closed()


async def greet(socket: Socket) -> None:
    await socket.next("start")
    await socket.play(SHORT)
    await socket.mark("greeting")
    await socket.until_closed()


async def test_a_call_speaks_hears_and_hangs_up() -> None:
    events: list[Event] = []
    async with serve(greet) as edge:
        call = plan(
            edge,
            "wait_for_agent_speech",
            {"wait_for_agent_silence": {"silence_ms": 300}},
            {"say": "ja-caller-3"},
            {"dtmf": "1#"},
            "hangup",
            keep_audio=True,
        )
        result = await place_call(call, events.append)
    assert result.failure is None
    assert result.is_ok
    assert result.ended_by == "caller"
    assert [turn.recording for turn in result.caller_turns] == ["ja-caller-3"]
    assert [mark.name for mark in result.marks] == ["greeting"]
    assert result.digits_sent == "1#"
    assert SHORT in result.heard_pcmu
    assert recordings.load("ja-caller-3").pcmu in result.caller_pcmu
    assert len(result.caller_pcmu) / 8 == pytest.approx(result.duration_ms, rel=0.5)  # the same unit, not a speed
    assert [event.name for event in events][:3] == ["call_placed", "twiml_received", "stream_started"]
    assert [event.name for event in events][-2:] == ["hang_up", "stream_ended"]


async def test_the_frames_on_the_wire_are_those_of_media_streams() -> None:
    async with serve(idle) as edge:
        result = await place_call(plan(edge, "wait_for_stream", {"pause_ms": 200}, {"dtmf": "5"}, "hangup"))
        (socket,) = edge.sockets
    (stream,) = result.streams
    events = [message["event"] for message in socket.messages]
    assert events[:3] == ["connected", "start", "media"]
    assert events[-1] == "stop"
    assert socket.messages[0] == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert socket.messages[1] == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream.stream_sid,
        "start": {
            "accountSid": ACCOUNT,
            "callSid": result.call_sid,
            "streamSid": stream.stream_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "t1"},
        },
    }
    media = [message["media"] for message in socket.messages if message["event"] == "media"]
    assert [int(one["chunk"]) for one in media] == list(range(1, len(media) + 1))
    assert [int(one["timestamp"]) for one in media] == [20 * index for index in range(len(media))]
    assert media[0]["track"] == "inbound"
    numbered = [int(message["sequenceNumber"]) for message in socket.messages[1:]]
    assert numbered == list(range(1, len(numbered) + 1))
    digit = next(message for message in socket.messages if message["event"] == "dtmf")
    assert digit["dtmf"] == {"track": "inbound_track", "digit": "5"}
    assert socket.messages[-1]["stop"] == {"accountSid": ACCOUNT, "callSid": result.call_sid}
    assert stream.frames_sent == len(media)
    assert edge.upgrades[0]["x-twilio-signature"]


async def test_a_barge_in_is_measured_from_the_onset_to_silence() -> None:
    async def interruptible(socket: Socket) -> None:
        await socket.next("start")
        await socket.play(LONG)
        await socket.mark("long")
        while (await socket.next("media"))["media"]["payload"].count("/") > 200:
            pass
        await asyncio.sleep(0.1)
        await socket.clear()
        await socket.until_closed()

    async with serve(interruptible) as edge:
        interrupt = {"interrupt": {"after_ms_of_agent_speech": 400, "say": "caller-2"}}
        result = await place_call(plan(edge, interrupt, "hangup"))
    assert result.failure is None
    (barge_in,) = result.barge_ins
    assert 50 <= barge_in.silent_after_ms < 5_000, "the long audio would have gone on"
    assert barge_in.cleared_after_ms is not None
    assert 50 <= barge_in.cleared_after_ms < 5_000
    (clear,) = result.clears
    assert clear.dropped_ms > 5_000
    assert [(mark.name, mark.by_clear) for mark in result.marks] == [("long", True)]
    (chunk,) = result.chunks
    assert chunk.played_bytes + chunk.cleared_bytes == chunk.size_bytes == len(LONG)
    assert chunk.played_from_ms is not None
    assert chunk.played_to_ms is not None
    assert chunk.played_to_ms - chunk.played_from_ms == pytest.approx(chunk.played_bytes / 8)


async def test_a_closed_stream_falls_through_to_the_redirect_and_attaches_anew() -> None:
    async def first_leaves(socket: Socket) -> None:
        await socket.next("start")
        await socket.play(LONG)
        if len(edge.sockets) == 1:
            await socket.next("media")
            return
        await socket.until_closed()

    async with serve(first_leaves) as edge:
        edge.documents["/voice"] = edge.connect("<Redirect>/resume</Redirect>", stream='statusCallback="/status"')
        edge.documents["/resume"] = edge.connect()
        result = await place_call(plan(edge, {"wait_for_stream": {"number": 2}}, {"pause_ms": 100}, "hangup"))
        posts = edge.posts
    assert result.is_ok
    first, second = result.streams
    assert (first.ended_how, first.close_code) == ("server_closed", 1000)
    assert second.ended_how == "stopped"
    assert first.stream_sid != second.stream_sid
    assert [message["sequenceNumber"] for message in edge.sockets[1].messages[1:3]] == ["1", "2"]
    assert codes(result) == [31921]
    assert {form["CallSid"] for _, form in posts} == {result.call_sid}
    statuses = [form["StreamEvent"] for path, form in posts if path == "/status"]
    assert statuses == ["stream-started", "stream-stopped"]
    assert [document.verbs for document in result.twilio_documents] == [("Connect", "Redirect"), ("Connect",)]


async def test_the_action_of_connect_replaces_the_document() -> None:
    async def leave(socket: Socket) -> None:
        await socket.next("start")

    async with serve(leave) as edge:
        edge.documents["/voice"] = edge.connect("<Say>never</Say>", connect='action="/after"')
        edge.documents["/after"] = "<Response><Say>Good bye now.</Say></Response>"
        result = await place_call(plan(edge, "wait_for_end"))
    assert result.ended_by == "document_end"
    assert [said.text for said in result.said] == ["Good bye now."]


async def test_a_broken_connection_falls_through_after_the_delay() -> None:
    async def die(socket: Socket) -> None:
        await socket.next("media")
        if len(edge.sockets) == 1:
            transport = socket.ws._req.transport  # type: ignore[union-attr]
            assert transport is not None
            transport.abort()
        else:
            await socket.until_closed()

    async with serve(die) as edge:
        edge.documents["/voice"] = edge.connect("<Redirect>/voice</Redirect>", stream='statusCallback="/status"')
        started = plan(edge, {"wait_for_stream": {"number": 2}}, "hangup", drop_delay_s=0.2)
        result = await place_call(started)
    first, second = result.streams
    assert first.ended_how == "broken"
    assert second.attached_ms - first.ended_ms >= 200
    assert codes(result) == [31903]
    assert "31903" in next(form["StreamError"] for _, form in edge.posts if "StreamError" in form)


async def test_the_call_ends_when_no_verb_is_left() -> None:
    async def leave(socket: Socket) -> None:
        await socket.next("start")

    async with serve(leave) as edge:
        result = await place_call(plan(edge, "wait_for_end"))
    assert result.is_ok
    assert result.ended_by == "document_end"


async def test_an_end_before_the_script_is_a_failure_with_its_step() -> None:
    async def leave(socket: Socket) -> None:
        await socket.next("start")

    async with serve(leave) as edge:
        result = await place_call(plan(edge, "wait_for_agent_speech", "hangup"))
    assert not result.is_ok
    assert result.failure == "step 0 (wait_for_agent_speech): the call ended by document_end before the script did"


async def test_an_impatient_caller_gives_up_with_a_reason() -> None:
    async with serve(idle) as edge:
        result = await place_call(plan(edge, {"wait_for_agent_speech": {"timeout_ms": 100}}, "hangup"))
    assert result.ended_by == "gave_up"
    assert result.failure == "step 0 (wait_for_agent_speech): the agent was not heard within 100 ms"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Response><Connect/></Response>", 12200),
        ("<Response><Fly/></Response>", 12200),
        ("not xml", 12100),
        ('<Response><Connect><Stream url="https://x/y"/></Connect></Response>', 31922),
        ('<Response><Connect><Stream url="ws://192.0.2.1/y"/></Connect></Response>', 31922),
        ('<Response><Connect><Stream url="wss://x/y?token=1"/></Connect></Response>', 31920),
    ],
)
async def test_a_bad_document_ends_in_an_application_error(document: str, code: int) -> None:
    async with serve(idle, documents={"/voice": document}) as edge:
        result = await place_call(plan(edge, {"wait_for_end": {"by": ["application_error"]}}))
    assert codes(result) == [code]
    assert result.ended_by == "application_error"
    assert result.said[0].text.startswith("We are sorry")
    assert result.agent_audible


async def test_a_failing_webhook_goes_to_the_fallback_url_once() -> None:
    async with serve(idle, documents={"/voice": "nonsense"}) as edge:
        edge.documents["/fallback"] = "<Response><Dial>+15550100999</Dial></Response>"
        result = await place_call(
            plan(
                edge,
                "wait_for_dial",
                "wait_for_end",
                script={"tolerate": [12100], "humans": [{"after_ms": 10, "talks_ms": 50}]},
                fallback_url=f"{edge.url}/fallback",
            )
        )
    assert result.failure is None
    assert result.dials[0].destinations == ("+15550100999",)
    assert ("ErrorCode", "12100") in edge.posts[-1][1].items()


async def test_a_dead_edge_is_a_connection_failure() -> None:
    async with serve(idle) as edge:
        call = plan(edge, {"wait_for_end": {"by": ["application_error"]}})
    result = await place_call(call)
    assert codes(result) == [11205]


async def test_a_shared_key_signs_with_sha256_and_names_itself() -> None:
    async with serve(idle, secret="the shared secret") as edge:
        call = plan(edge, "wait_for_stream", "hangup", shared_key=SharedKey("SK1", "the shared secret"))
        result = await place_call(call)
    assert result.is_ok
    assert edge.upgrades[0]["x-twilio-webhooks-signature-settings"] == "key=SK1,algorithm=HMAC_SHA256"


async def test_behind_a_tunnel_the_public_url_is_signed() -> None:
    public = "https://calls.example.com"
    async with serve(idle, public_url=public) as edge:
        edge.documents["/voice"] = edge.connect()
        assert "wss://calls.example.com/media" in edge.documents["/voice"]
        result = await place_call(plan(edge, "wait_for_stream", "hangup", public_base_url=public))
    assert result.is_ok
    assert edge.upgrades[0]["Host"] == "calls.example.com"


@pytest.mark.parametrize("signature", ["bad", "missing"])
async def test_bad_signatures_are_sent_when_the_script_says_so(signature: str) -> None:
    async with serve(idle) as edge:
        webhook = plan(
            edge,
            {"wait_for_end": {"by": ["application_error"]}},
            script={"faults": {"webhook_signature": signature}},
        )
        refused = await place_call(webhook)
        socket = plan(edge, "wait_for_end", script={"faults": {"socket_signature": signature}})
        unattached = await place_call(socket)
    assert codes(refused) == [11200]
    assert codes(unattached) == [31920]
    assert "403" in unattached.notices[0].detail
    assert not edge.sockets


async def test_a_side_socket_tells_how_it_was_refused_or_closed() -> None:
    async def only_one(socket: Socket) -> None:
        await socket.next("start")
        if len(edge.sockets) > 1:
            await socket.ws.close(code=1008, message=b"second stream")
        await socket.until_closed()

    async with serve(only_one) as edge:
        steps: list[object] = [
            "wait_for_stream",
            {"side_socket": {"signature": "bad"}},
            {"side_socket": {"token": "fresh"}},
            {"side_socket": {"call_sid": "other", "token": "missing", "opening": "silent", "for_ms": 100}},
            "hangup",
        ]
        result = await place_call(plan(edge, *steps))
    forged, duplicate, silent = result.side_sockets
    assert "403" in (forged.refused or "")
    assert (duplicate.close_code, duplicate.close_reason) == (1008, "second stream")
    assert duplicate.call_sid == result.call_sid
    assert silent.call_sid != result.call_sid
    assert silent.ended_how is None
    assert len(edge.posts) == 2


@pytest.mark.parametrize(
    "message", ["malformed_json", "binary_frame", "unknown_event", "wrong_stream_sid", "odd_payload", "second_start"]
)
async def test_broken_messages_reach_the_server(message: str) -> None:
    seen: list[Any] = []

    async def note(socket: Socket) -> None:
        async for frame in socket.ws:
            seen.append(frame.data)

    async with serve(note) as edge:
        result = await place_call(plan(edge, "wait_for_stream", {"misbehave": message}, {"pause_ms": 60}, "hangup"))
    assert result.is_ok
    assert len(seen) > 4


async def test_what_the_server_says_wrongly_spoils_the_call_unless_tolerated() -> None:
    async def babble(socket: Socket) -> None:
        await socket.next("start")
        await socket.ws.send_str("{")
        await socket.ws.send_bytes(b"\xff")
        await socket.send({"event": "hello"})
        await socket.send({"event": "clear", "streamSid": "MZ" + "0" * 32})
        await socket.until_closed()

    steps: list[object] = ["wait_for_stream", {"pause_ms": 100}, "hangup"]
    async with serve(babble) as edge:
        strict = await place_call(plan(edge, *steps))
        lenient = await place_call(plan(edge, *steps, script={"tolerate": [31924, 31950]}))
    assert codes(strict) == [31950, 31950, 31924, 31924]
    assert strict.failure is not None
    assert strict.failure.startswith("the server broke the protocol: 31950")
    assert lenient.is_ok


async def test_a_vanished_call_says_no_more() -> None:
    async with serve(idle) as edge:
        edge.documents["/voice"] = edge.connect(stream='statusCallback="/status"')
        call = plan(edge, "wait_for_stream", {"pause_ms": 40}, "vanish", status_callback_url=f"{edge.url}/status")
        result = await place_call(call)
        await asyncio.sleep(0.05)
    assert result.is_ok
    assert result.ended_by == "vanished"
    assert [message["event"] for message in edge.sockets[0].messages][-1] == "media"
    assert [form.get("StreamEvent") for path, form in edge.posts if path == "/status"] == ["stream-started"]


async def test_a_server_that_does_not_read_loses_caller_audio() -> None:
    async def asleep(socket: Socket) -> None:
        await socket.next("start")
        await asyncio.sleep(30)

    async with serve(asleep) as edge:
        flood: list[object] = [{"misbehave": {"message": "oversized_frame", "size_bytes": 16_000_000}}]
        result = await place_call(plan(edge, "wait_for_stream", *flood, {"pause_ms": 200}, "hangup"))
    assert codes(result).count(31930) == 1
    assert result.streams[0].frames_dropped > 3


async def test_a_call_is_updated_and_ended_by_rest() -> None:
    async with serve(idle) as edge, TwilioCloud(rest_port=0) as cloud, aiohttp.ClientSession() as http:
        edge.documents["/next"] = edge.connect()
        started = asyncio.Event()
        steps: list[object] = [{"wait_for_stream": {"number": 2}}, "wait_for_end"]

        def on_event(event: Event) -> None:
            if event.name == "stream_started":
                started.set()

        calling = asyncio.create_task(cloud.place_call(plan(edge, *steps), on_event))
        await started.wait()
        sid = edge.posts[0][1]["CallSid"]
        url = f"{cloud.rest_url}/2010-04-01/Accounts/{ACCOUNT}/Calls/{sid}.json"
        mine = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT, TOKEN)}
        async with http.get(url, headers=mine) as response:
            assert (await response.json())["status"] == "in-progress"
        async with http.post(url, data={"Status": "completed"}) as response:
            assert response.status == 401
        started.clear()
        async with http.post(url, headers=mine, data={"Url": f"{edge.url}/next"}) as response:
            assert response.status == 200
        await started.wait()
        await asyncio.sleep(0.05)
        async with http.post(url, headers=mine, data={"Status": "completed"}) as response:
            assert (await response.json())["status"] == "completed"
        result = await calling
        async with http.post(url, headers=mine, data={"Twiml": "<Response/>"}) as response:
            assert (await response.json())["code"] == 21220
    assert result.is_ok
    assert result.ended_by == "rest"
    assert [stream.ended_how for stream in result.streams] == ["stopped", "stopped"]


async def test_many_calls_share_one_process_and_its_clock() -> None:
    async with serve(greet) as edge, TwilioCloud() as cloud:
        call = plan(edge, "wait_for_stream", {"pause_ms": 1_000}, "hangup")
        results = await asyncio.gather(*(cloud.place_call(call) for _ in range(20)))
    assert all(result.is_ok for result in results)
    assert len({result.call_sid for result in results}) == 20
    assert all(result.frames_sent >= 50 for result in results)
    assert cloud.lateness.frames >= sum(result.frames_sent for result in results)
