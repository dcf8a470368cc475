"""Twilio's Media Streams messages: golden ones read, hostile ones refused."""

import contextlib
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import RemoteProtocolError
from edge.legs.twilio import wire

SID = "MZ18ad3ab5a668481ce02b83e7395059f0"
CALL = "CA" + "1" * 32
ACCOUNT = "AC" + "2" * 32

CONNECTED = b'{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = f"""{{
 "event": "start",
 "sequenceNumber": "1",
 "start": {{
   "accountSid": "{ACCOUNT}",
   "streamSid": "{SID}",
   "callSid": "{CALL}",
   "tracks": ["inbound"],
   "mediaFormat": {{ "encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1 }},
   "customParameters": {{ "token": "abc.def", "RemoteParty": "Bob" }}
 }},
 "streamSid": "{SID}"
}}""".encode()
MEDIA = (
    f'{{"event":"media","sequenceNumber":"3","media":{{"track":"inbound","chunk":"1","timestamp":"5",'
    f'"payload":"no+JhoaJjpzSHxAKBgYJ"}},"streamSid":"{SID}"}}'
).encode()
DTMF = (
    f'{{"event":"dtmf","streamSid":"{SID}","sequenceNumber":"5","dtmf":{{"track":"inbound_track","digit":"1"}}}}'
).encode()
MARK = f'{{"event":"mark","sequenceNumber":"4","streamSid":"{SID}","mark":{{"name":"1:0:160"}}}}'.encode()
STOP = (
    f'{{"event":"stop","sequenceNumber":"5","streamSid":"{SID}",'
    f'"stop":{{"accountSid":"{ACCOUNT}","callSid":"{CALL}"}}}}'
).encode()


def changed(message: bytes, *path: str, to: Any) -> bytes:
    """The message with one field changed."""
    whole = json.loads(message)
    place = whole
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = to
    return json.dumps(whole).encode()


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (CONNECTED, wire.Connected("Call")),
        (
            START,
            wire.Start(
                SID,
                wire.StartBody(
                    SID,
                    ACCOUNT,
                    CALL,
                    wire.MediaFormat("audio/x-mulaw", 8000, 1),
                    {"token": "abc.def", "RemoteParty": "Bob"},
                ),
            ),
        ),
        (MEDIA, wire.Media(SID, wire.MediaBody(5, b64decode("no+JhoaJjpzSHxAKBgYJ"), "inbound"))),
        (DTMF, wire.Dtmf(SID, wire.DtmfBody("1"))),
        (MARK, wire.Mark(SID, wire.MarkBody("1:0:160"))),
        (STOP, wire.Stop(SID)),
    ],
)
def test_messages_as_twilio_sends_them_are_read(message: bytes, event: wire.Event) -> None:
    assert wire.decode(message) == event
    assert wire.decode(memoryview(message)) == event


def test_numbers_may_be_strings_or_numbers() -> None:
    for timestamp in ("20", 20):
        event = wire.decode(changed(MEDIA, "media", "timestamp", to=timestamp))
        assert isinstance(event, wire.Media)
        assert event.media.timestamp == 20
    event = wire.decode(changed(START, "start", "mediaFormat", "sampleRate", to="8000"))
    assert isinstance(event, wire.Start)
    assert event.start.media_format.sample_rate == 8000


def test_fields_we_do_not_know_are_left_alone() -> None:
    assert wire.decode(changed(MARK, "future", to={"a": [1]})) == wire.decode(MARK)


@pytest.mark.parametrize("name", ["", "Media", "future", "media ", "连接"])
def test_an_event_we_do_not_know_is_unknown_and_no_error(name: str) -> None:
    assert wire.decode(changed(MARK, "event", to=name)) == wire.Unknown()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"1",
        b'"media"',
        b"{}",
        b'{"event":null}',
        b'{"event":5}',
        b'{"event":["media"]}',
        b'{"streamSid":"x"}',
        b'{"event":"media"}',
        b'{"event":"start"}',
        b"\xff\xfe",
        b'{"event":"\xff"}',
        b'{"event":"mark","streamSid":"MZ","mark":{"name":"\xed\xa0\x80"}}',
        b'{"event":"mark","streamSid":"MZ","mark":{"name":"\\ud800"}}',
        b"[" * 60_000,
        b'{"event":"media","media":' + b"[" * 60_000,
        MEDIA[:-1],
        MEDIA + b"}",
        MEDIA + MEDIA,
        changed(MEDIA, "media", to=None),
        changed(MEDIA, "streamSid", to=7),
        changed(MEDIA, "media", "payload", to="not base64!"),
        changed(MEDIA, "media", "payload", to="abc"),
        changed(MEDIA, "media", "payload", to=12),
        changed(MEDIA, "media", "timestamp", to="soon"),
        changed(MEDIA, "media", "timestamp", to="-1"),
        changed(MEDIA, "media", "timestamp", to=-1),
        changed(MEDIA, "media", "timestamp", to="1.5"),
        changed(MEDIA, "media", "timestamp", to=2**32),
        changed(MEDIA, "media", "timestamp", to=2**70),
        changed(MEDIA, "media", "timestamp", to="9" * 5_000),
        changed(MEDIA, "media", "timestamp", to="").replace(b'""', b"9" * 5_000),
        changed(MEDIA, "media", "timestamp", to=wire.MAX_TIMESTAMP_MS + 1),
        changed(DTMF, "dtmf", "digit", to=""),
        changed(DTMF, "dtmf", "digit", to="12"),
        changed(DTMF, "dtmf", "digit", to="1\n"),
        changed(DTMF, "dtmf", "digit", to="x"),
        changed(START, "start", "customParameters", to={"token": {"a": 1}}),
        changed(START, "start", "mediaFormat", to={}),
    ],
)
def test_what_is_no_message_of_the_protocol_is_refused(message: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as refusal:
        wire.decode(message)
    assert len(str(refusal.value)) < 150


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_every_key_of_a_telephone_is_read(digit: str) -> None:
    assert wire.decode(changed(DTMF, "dtmf", "digit", to=digit)) == wire.Dtmf(SID, wire.DtmfBody(digit))


def test_a_refusal_never_quotes_what_was_sent() -> None:
    secret = "please-call-me-back"
    for message in (changed(MEDIA, "media", "timestamp", to=secret), changed(MARK, "mark", to=secret)):
        with pytest.raises(RemoteProtocolError) as refusal:
            wire.decode(message)
        assert secret not in str(refusal.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = ["event", "streamSid", "start", "media", "mark", "dtmf", "timestamp", "payload", "track", "digit", "name"]


def survives(message: bytes) -> None:
    with contextlib.suppress(RemoteProtocolError):
        assert wire.decode(message) is not None


@given(st.binary(max_size=400))
def test_no_bytes_make_it_raise_anything_else(message: bytes) -> None:
    survives(message)


@given(
    st.sampled_from(["connected", "start", "media", "dtmf", "mark", "stop"]),
    st.dictionaries(st.sampled_from(FIELDS), JSON),
)
def test_no_json_makes_it_raise_anything_else(event: str, fields: dict[str, Any]) -> None:
    survives(json.dumps({**fields, "event": event}).encode())


@given(st.sampled_from([CONNECTED, START, MEDIA, DTMF, MARK, STOP]), st.data())
def test_no_damage_to_a_good_message_makes_it_raise_anything_else(message: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(message)))
    width = data.draw(st.integers(0, 12))
    survives(message[:at] + data.draw(st.binary(max_size=12)) + message[at + width :])


# --- ours -------------------------------------------------------------------------------------------------------------


def test_our_messages_are_what_twilio_documents() -> None:
    encode = wire.Encoder(SID)
    assert json.loads(encode.media(b"\x00\xff\x7f")) == {
        "event": "media",
        "streamSid": SID,
        "media": {"payload": b64encode(b"\x00\xff\x7f").decode()},
    }
    assert json.loads(encode.mark("1:0:160")) == {"event": "mark", "streamSid": SID, "mark": {"name": "1:0:160"}}
    assert json.loads(encode.clear) == {"event": "clear", "streamSid": SID}


@given(
    st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])), st.binary()
)
def test_whatever_the_stream_is_called_our_messages_are_json(sid: str, name: str, pcmu: bytes) -> None:
    encode = wire.Encoder(sid)
    assert json.loads(encode.mark(name))["mark"]["name"] == name
    assert json.loads(encode.clear)["streamSid"] == sid
    assert b64decode(json.loads(encode.media(pcmu))["media"]["payload"]) == pcmu
