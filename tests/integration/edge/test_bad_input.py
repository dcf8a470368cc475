"""Bad input at the real process: one connection is handled and counted, others go on, and nothing is a traceback."""

import asyncio
import contextlib
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from twilio.request_validator import RequestValidator

from common.messages.offers import HandoverReason
from edge.legs.twilio.token import StreamToken, TokenMint
from fakes.nats import running_nats
from fakes.talker import Talker, talking
from fakes.waiting import until
from integration.edge.phone import (
    ACCOUNT,
    AUTH_TOKEN,
    CALLER,
    DIALLED,
    Answer,
    Stream,
    new_call_sid,
    refusal_of_upgrade,
)
from integration.edge.running import EdgeProcess, edge_process

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER_ACCOUNT = "AC" + "f" * 32
PROTOCOL_ERRORS = "carrier_protocol_errors_total"


@dataclass
class Site:
    """One edge process with a talker, and a call that must not notice anything."""

    edge: EdgeProcess
    talker: Talker

    @contextlib.asynccontextmanager
    async def counting(self, name: str, **labels: str) -> AsyncIterator[None]:
        """The sample rises by at least one."""
        before = await self.edge.counted(name, **labels)
        yield
        await self.edge.counts(before + 1, name, **labels)

    def counting_error(self, kind: str) -> "contextlib.AbstractAsyncContextManager[None]":
        return self.counting(PROTOCOL_ERRORS, carrier="twilio", kind=kind)

    def counting_reject(self, kind: str) -> "contextlib.AbstractAsyncContextManager[None]":
        return self.counting("security_rejects_total", kind=kind)

    def heard_of(self, stream: Stream) -> int:
        """How many offers were made for a call: none, unless it was let in."""
        return len(self._reasons(stream))

    def is_undisturbed(self, stream: Stream) -> bool:
        """It was let in, and no talker was sought for anything but slowness of this process, where the talker lives."""
        return (
            {HandoverReason.START} <= set(self._reasons(stream)) <= {HandoverReason.START, HandoverReason.TALKER_LOST}
        )

    def _reasons(self, stream: Stream) -> list[HandoverReason]:
        return [offer.reason for offer in self.talker.offers if offer.call_id == stream.call_sid]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    directory = tmp_path_factory.mktemp("edge")
    async with (
        running_nats() as nats_url,
        edge_process(nats_url, directory) as edge,
        talking(nats_url, capacity=1_000) as talker,
    ):
        await edge.phone.connected(new_call_sid())
        yield Site(edge, talker)
        assert await edge.stop() == 0
        log = edge.log()
        assert "Traceback" not in log
        assert '"level": "error"' not in "\n".join(line for line in log.splitlines() if "WS parser error" not in line)
        for said_by_the_caller in (CALLER, DIALLED, AUTH_TOKEN):
            assert said_by_the_caller not in log


@pytest_asyncio.fixture(loop_scope="module")
async def site(running: Site) -> AsyncIterator[Site]:
    """The running site, with a call that goes on before, during and after the test."""
    async with running.edge.phone.call() as bystander:
        await until(lambda: running.heard_of(bystander))
        yield running
        frames = bystander.frames_sent
        await until(lambda: bystander.frames_sent > frames + 3)
        assert bystander.is_open
        assert running.is_undisturbed(bystander)
        assert (await running.edge.ready()).status == 200


# --- webhooks ---------------------------------------------------------------------------------------------------------


def form(**fields: str) -> dict[str, str]:
    return {"CallSid": new_call_sid(), "AccountSid": ACCOUNT, "From": CALLER, "To": DIALLED} | fields


@pytest.mark.parametrize("path", ["/twilio/voice", "/twilio/resume", "/twilio/stream-status"])
@pytest.mark.parametrize("signature", ["", "bm90IHNpZ25lZA==", "not even base64"])
async def test_a_webhook_with_a_bad_signature_is_forbidden(site: Site, path: str, signature: str) -> None:
    async with site.counting_reject("bad_signature"):
        assert await site.edge.phone.post(path, form(), signature=signature) == Answer(403, "forbidden\n")


async def test_a_webhook_whose_form_was_changed_after_signing_is_forbidden(site: Site) -> None:
    signed = form()
    url = f"{site.edge.phone.public_base_url}/twilio/voice"
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, signed)
    async with site.counting_reject("bad_signature"):
        answer = await site.edge.phone.post("/twilio/voice", signed | {"To": "+15550100999"}, signature=signature)
    assert answer.status == 403


async def test_a_webhook_of_another_account_is_forbidden(site: Site) -> None:
    async with site.counting_reject("unknown_account"):
        assert (await site.edge.phone.post("/twilio/voice", form(AccountSid=OTHER_ACCOUNT))).status == 403
    without = form()
    del without["AccountSid"]
    async with site.counting_reject("unknown_account"):
        assert (await site.edge.phone.post("/twilio/voice", without)).status == 403


@pytest.mark.parametrize("call_sid", ["", "CA1", "CA" + "g" * 32, "CA" + "0" * 33, "x.>.*"])
async def test_a_webhook_without_a_proper_call_sid_is_a_bad_request(site: Site, call_sid: str) -> None:
    async with site.counting_error("bad_request"):
        answer = await site.edge.phone.post("/twilio/voice", form(CallSid=call_sid))
    assert answer == Answer(400, "bad request\n")


@pytest.mark.parametrize("body", [b"\xff\xfe=%zz", b"a=1&" * 20_000, b"x" * 70_000, b"&".join([b"a=b"] * 201)])
async def test_a_body_that_is_no_form_or_too_large_is_a_bad_request(site: Site, body: bytes) -> None:
    async with site.counting_error("bad_request"):
        assert (await site.edge.phone.post("/twilio/voice", {}, body=body)).status == 400


async def test_an_empty_body_is_not_signed(site: Site) -> None:
    async with site.counting_reject("unknown_account"):
        assert (await site.edge.phone.post("/twilio/voice", {}, body=b"")).status == 403


async def test_a_peer_that_goes_in_the_middle_of_a_webhook_costs_nothing(site: Site) -> None:
    address = urlsplit(site.edge.phone.public_base_url)
    async with site.counting_error("bad_request"):
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(b"POST /twilio/voice HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nCallSid=CA")
        await writer.drain()
        abort(writer)


async def test_other_paths_and_methods_offer_nothing(site: Site) -> None:
    for path in ("/", "/docs", "/openapi.json", "/metrics", "/livez", "/twilio/media"):
        assert (await site.edge.phone.post(path, {})).status == 404
    with contextlib.suppress(OSError):
        await raw(site, b"GET /twilio/voice HTTP/1.1\r\nhost: x\r\n\r\n", b"405")
    await raw(site, b"nonsense\r\n\r\n", b"400")


# --- upgrades ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", ["", "bm90IHNpZ25lZA==", "é"])
async def test_an_upgrade_with_a_bad_signature_is_forbidden(site: Site, signature: str) -> None:
    async with site.counting_reject("bad_signature"):
        assert await refusal_of_upgrade(site.edge.phone, signature=signature) == 403


async def test_an_upgrade_signed_over_http_instead_of_ws_is_forbidden(site: Site) -> None:
    url = f"{site.edge.phone.public_base_url}/twilio/media"
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, {})
    async with site.counting_reject("bad_signature"):
        assert await refusal_of_upgrade(site.edge.phone, signature=signature) == 403


UPGRADE = b"GET %s HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
KEYS = b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (UPGRADE % b"/twilio/media" + KEYS, b"403"),
        (UPGRADE % b"/twilio/media?x=1" + KEYS, b"404"),
        (UPGRADE % b"/elsewhere" + KEYS, b"404"),
        (UPGRADE % b"/twilio/media" + b"x-twilio-signature: \xff\xfe\r\n" + KEYS, b"403"),
        (UPGRADE % b"/twilio/media", b"403"),
        (UPGRADE % b"/\xff\xfe" + KEYS, b"400"),
    ],
)
async def test_an_odd_upgrade_is_refused(site: Site, request_head: bytes, status: bytes) -> None:
    await raw(site, request_head + b"\r\n", status)


async def test_an_upgrade_that_is_signed_but_no_websocket_is_a_bad_request(site: Site) -> None:
    url = f"ws{site.edge.phone.public_base_url.removeprefix('http')}/twilio/media"
    signature = RequestValidator(AUTH_TOKEN).compute_signature(url, {}).encode()
    await raw(site, UPGRADE % b"/twilio/media" + b"x-twilio-signature: " + signature + b"\r\n\r\n", b"400")


# --- tokens -----------------------------------------------------------------------------------------------------------


async def refused_start(site: Site, parameters: dict[str, str], **changes: Any) -> None:
    async with site.edge.phone.socket(changes.get("callSid", new_call_sid())) as stream:
        await stream.start(parameters, **changes)
        assert await stream.closed() == 1008
        assert site.heard_of(stream) == 0


async def a_token(site: Site, call_sid: str) -> dict[str, str]:
    return (await site.edge.phone.connected(call_sid)).parameters


async def test_a_stream_without_a_token_is_refused(site: Site) -> None:
    async with site.counting_reject("missing_token"):
        await refused_start(site, {})
    async with site.counting_reject("missing_token"):
        await refused_start(site, {"token": ""})


async def test_a_stream_with_a_forged_token_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    genuine = (await a_token(site, call_sid))["token"]
    forged = TokenMint("another-auth-token").issue(StreamToken(call_sid, "desk", CALLER, DIALLED), 1e10)
    for token in (forged, genuine[:-1], genuine + "A", "A" + genuine, "x", "é.é", "." * 400):
        async with site.counting_reject("bad_token"):
            await refused_start(site, {"token": token}, callSid=call_sid)


async def test_a_stream_with_the_token_of_another_call_is_refused(site: Site) -> None:
    async with site.counting_reject("bad_token"):
        await refused_start(site, await a_token(site, new_call_sid()), callSid=new_call_sid())


async def test_a_stream_with_an_expired_token_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    old = TokenMint(AUTH_TOKEN).issue(StreamToken(call_sid, "desk", CALLER, DIALLED), 1_700_000_000.0)
    async with site.counting_reject("expired_token"):
        await refused_start(site, {"token": old}, callSid=call_sid)


async def test_a_stream_of_another_account_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    async with site.counting_reject("unknown_account"):
        await refused_start(site, await a_token(site, call_sid), callSid=call_sid, accountSid=OTHER_ACCOUNT)


async def test_a_token_is_spent_once(site: Site) -> None:
    call_sid = new_call_sid()
    token = await a_token(site, call_sid)
    async with site.edge.phone.stream(call_sid, token) as stream:
        await until(lambda: site.heard_of(stream))
    async with site.counting_reject("replayed_token"), site.edge.phone.socket(call_sid) as again:
        await again.start(token)
        assert await again.closed() == 1008


async def test_a_stream_for_an_agent_that_is_no_more_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    token = TokenMint(AUTH_TOKEN).issue(StreamToken(call_sid, "gone", CALLER, DIALLED), time.time())
    async with site.counting("calls_rejected_total", direction="inbound", carrier="twilio", reason="no_agent"):
        await refused_start(site, {"token": token}, callSid=call_sid)


# --- before the call --------------------------------------------------------------------------------------------------


async def test_media_before_start_closes_the_socket(site: Site) -> None:
    async with site.counting_error("before_start"), site.edge.phone.socket(new_call_sid()) as stream:
        await stream.frame()
        assert await stream.closed() == 1008


async def test_a_start_after_that_is_too_late(site: Site) -> None:
    call_sid = new_call_sid()
    token = await a_token(site, call_sid)
    async with site.edge.phone.socket(call_sid) as stream:
        with contextlib.suppress(OSError):
            await stream.frame()
            await stream.start(token)
        assert await stream.closed() in (1008, 1006)  # a reset may overtake the close frame
        assert site.heard_of(stream) == 0
    async with site.edge.phone.stream(call_sid, token) as stream:
        await until(lambda: site.heard_of(stream))


@pytest.mark.parametrize("event", ["mark", "dtmf"])
async def test_other_messages_before_start_close_the_socket(site: Site, event: str) -> None:
    async with site.counting_error("before_start"), site.edge.phone.socket(new_call_sid()) as stream:
        await stream.send(event, mark={"name": "x"}, dtmf={"digit": "1"})
        assert await stream.closed() == 1008


async def test_a_stop_before_start_closes_the_socket_quietly(site: Site) -> None:
    async with site.edge.phone.socket(new_call_sid()) as stream:
        await stream.hang_up()
        assert await stream.closed() == 1000


@pytest.mark.parametrize("message", ["{", "[]", "not json", "\x00", '{"event":"start"}'])
async def test_malformed_json_before_start_closes_the_socket(site: Site, message: str) -> None:
    async with site.counting_error("malformed"), site.edge.phone.socket(new_call_sid()) as stream:
        await stream.socket.send(message)
        assert await stream.closed() == 1008


async def test_a_binary_frame_before_start_closes_the_socket(site: Site) -> None:
    async with site.counting_error("not_text"), site.edge.phone.socket(new_call_sid()) as stream:
        await stream.socket.send(b"\x00\x01")
        assert await stream.closed() == 1008


@pytest.mark.parametrize(
    "media_format",
    [
        {"encoding": "audio/x-l16", "sampleRate": 16000, "channels": 1},
        {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 2},
    ],
)
async def test_a_stream_in_another_format_is_refused(site: Site, media_format: dict[str, Any]) -> None:
    call_sid = new_call_sid()
    async with site.counting_error("bad_start"):
        await refused_start(site, await a_token(site, call_sid), callSid=call_sid, mediaFormat=media_format)


async def test_a_start_that_names_two_streams_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    async with site.counting_error("bad_start"):
        await refused_start(site, await a_token(site, call_sid), callSid=call_sid, streamSid="MZ" + "0" * 32)


async def test_a_socket_that_never_starts_is_closed_after_five_seconds(site: Site) -> None:
    async with site.counting_error("no_start"), site.edge.phone.socket(new_call_sid()) as stream:
        await stream.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        assert await stream.closed() == 1008


# --- in the call ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def in_a_call(site: Site) -> AsyncIterator[Stream]:
    """A call that goes on after whatever is done to it."""
    async with site.edge.phone.call() as stream:
        await until(lambda: site.heard_of(stream))
        yield stream
        while stream.is_open and not stream.agent_audio:  # it is not heard before the cut to its epoch
            newest = next(offer for offer in reversed(site.talker.offers) if offer.call_id == stream.call_sid)
            await site.talker.say(newest, "still here", 20)
            await asyncio.sleep(0.02)
        assert stream.is_open


def media(**fields: Any) -> dict[str, Any]:
    return {"media": {"track": "inbound", "chunk": "1", "timestamp": "20", "payload": "//8="} | fields}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("malformed", "{"),
        ("malformed", "not json"),
        ("malformed", '{"event":"media","media":' + "[" * 20_000),
        ("unknown_event", '{"event":"future"}'),
        ("out_of_order", '{"event":"connected","protocol":"Call","version":"1.0.0"}'),
        ("wrong_stream", json.dumps({"event": "media", "streamSid": "MZother", **media()})),
        ("wrong_stream", '{"event":"mark","streamSid":"MZother","mark":{"name":"1:0:160"}}'),
        ("wrong_stream", '{"event":"dtmf","streamSid":"MZother","dtmf":{"digit":"1"}}'),
        ("wrong_stream", '{"event":"stop","streamSid":"MZother"}'),
    ],
)
async def test_an_odd_message_is_counted_and_the_call_goes_on(site: Site, kind: str, message: str) -> None:
    async with in_a_call(site) as stream, site.counting_error(kind):
        await stream.socket.send(message)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("odd_payload", media(payload="")),
        ("odd_payload", media(payload="AAAA" * 3_000)),
        ("malformed", media(payload="###")),
        ("malformed", media(payload=None)),
        ("malformed", media(timestamp="-20")),
        ("malformed", media(timestamp=str(2**40))),
        ("malformed", media(timestamp="9" * 5_000)),
        ("malformed", {"media": "loud"}),
        ("malformed", {}),
    ],
)
async def test_odd_media_is_counted_and_the_call_goes_on(site: Site, kind: str, fields: dict[str, Any]) -> None:
    async with in_a_call(site) as stream, site.counting_error(kind):
        await stream.send("media", **fields)


@pytest.mark.parametrize("digit", ["", "hello", "1\n", "é", "12"])
async def test_a_key_no_telephone_has_is_counted_and_the_call_goes_on(site: Site, digit: str) -> None:
    async with in_a_call(site) as stream, site.counting_error("malformed"):
        await stream.press(digit)


async def test_marks_nobody_sent_change_nothing(site: Site) -> None:
    async with in_a_call(site) as stream:
        for name in ("", "1:0:160", "1:0:" + "9" * 5_000, "x" * 10_000):
            await stream.send("mark", mark={"name": name})


async def test_a_binary_frame_in_a_call_is_counted_and_the_call_goes_on(site: Site) -> None:
    async with in_a_call(site) as stream, site.counting_error("not_text"):
        await stream.socket.send(b"\x00\x01\x02")


async def test_a_ping_is_answered_and_no_error(site: Site) -> None:
    before = await site.edge.counted(PROTOCOL_ERRORS, carrier="twilio", kind="not_text")
    async with in_a_call(site) as stream:
        await asyncio.wait_for(await stream.socket.ping(), 20)
    assert await site.edge.counted(PROTOCOL_ERRORS, carrier="twilio", kind="not_text") == before


async def test_an_oversized_message_closes_that_socket(site: Site) -> None:
    async with site.counting_error("oversized"), site.edge.phone.call() as stream:
        await until(lambda: site.heard_of(stream))
        with contextlib.suppress(OSError):
            await stream.socket.send("x" * 70_000)
        assert await stream.closed() == 1009


async def test_a_frame_that_breaks_the_websocket_protocol_closes_that_socket(site: Site) -> None:
    async with site.counting_error("bad_frame"), site.edge.phone.socket(new_call_sid()) as stream:
        stream.socket.transport.write(struct.pack("!BB", 0x83, 0x80) + b"\x00" * 4)
        assert await stream.closed() == 1002


async def test_a_peer_that_sends_only_nonsense_is_cut_off(site: Site) -> None:
    async with site.edge.phone.call() as stream:
        await until(lambda: site.heard_of(stream))
        with contextlib.suppress(OSError):
            for _ in range(100):
                await stream.socket.send("nonsense")
        assert await stream.closed() in (1008, 1006)


async def test_a_second_stream_for_a_call_whose_first_lives_is_refused(site: Site) -> None:
    async with in_a_call(site) as stream:
        second_token = await a_token(site, stream.call_sid)
        async with site.counting_error("duplicate_stream"), site.edge.phone.socket(stream.call_sid) as second:
            await second.start(second_token)
            assert await second.closed() == 1008
        assert site.is_undisturbed(stream)


async def test_of_two_streams_that_come_at_once_one_is_refused(site: Site) -> None:
    call_sid = new_call_sid()
    tokens = [await a_token(site, call_sid), await a_token(site, call_sid)]
    phone = site.edge.phone
    async with site.counting_error("duplicate_stream"), phone.socket(call_sid) as one, phone.socket(call_sid) as two:
        await asyncio.gather(one.start(tokens[0]), two.start(tokens[1]))
        await until(lambda: not (one.is_open and two.is_open))
        survivor = one if one.is_open else two
        await until(lambda: site.heard_of(survivor))
        assert survivor.is_open


async def test_a_second_stream_follows_when_the_first_has_fallen_silent(site: Site) -> None:
    call_sid = new_call_sid()
    phone = site.edge.phone
    async with phone.socket(call_sid) as first:
        await first.start(await a_token(site, call_sid))
        await until(lambda: site.heard_of(first))
        while first.is_open:
            token = await a_token(site, call_sid)
            async with phone.socket(call_sid) as second:
                await second.start(token)
                await until(lambda: not (first.is_open and second.is_open))
                if second.is_open:
                    await until(lambda: site.heard_of(second) > 1)


# ----------------------------------------------------------------------------------------------------------------------


def abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset."""
    raw_socket = writer.get_extra_info("socket")
    raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def raw(site: Site, request: bytes, status: bytes) -> None:
    """Send bytes, and expect this status."""
    address = urlsplit(site.edge.phone.public_base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        line = await asyncio.wait_for(reader.readline(), 20)
        assert line.split()[1] == status
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
