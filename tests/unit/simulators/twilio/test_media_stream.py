"""One media stream without sockets: numbering, receipts, refusals."""

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.people.pcmu import SILENT_FRAME
from simulators.twilio import wire
from simulators.twilio.faults import broken_message
from simulators.twilio.media_stream import MarkReturned, MediaStream, PlaybackCleared, Send, StreamIds
from simulators.twilio.notices import Notice
from simulators.twilio.playback import CAP_BYTES
from simulators.twilio.steps import BrokenMessage, Misbehave

IDS = StreamIds("AC1", "CA1", "MZ1")


def stream() -> MediaStream:
    return MediaStream(IDS, {"token": "t"})


def say(event: str, **fields: Any) -> bytes:
    return json.dumps({"event": event, "streamSid": "MZ1"} | fields).encode()


def media(pcmu: bytes) -> bytes:
    return say("media", media={"payload": base64.b64encode(pcmu).decode()})


def test_every_message_with_a_number_counts_on_from_start() -> None:
    one = stream()
    texts = [*one.opening(), one.caller_frame("AA=="), one.digit("1"), one.caller_frame("AA=="), one.stop()]
    numbers = [json.loads(text).get("sequenceNumber") for text in texts]
    assert numbers == [None, "1", "2", "3", "4", "5"]


def test_dropped_caller_frames_advance_the_time_but_not_the_chunks_and_are_reported_once() -> None:
    one = stream()
    one.caller_frame("AA==")
    assert one.drop_caller_frame() == (Notice(31930, "the socket's send buffer is full"),)
    assert one.drop_caller_frame() == ()
    sent = json.loads(one.caller_frame("AA=="))["media"]
    assert (sent["chunk"], sent["timestamp"]) == ("2", "60")


def test_a_mark_on_an_empty_buffer_is_returned_at_once_and_later_ones_in_time() -> None:
    one = stream()
    (sent, reported) = one.receive_text(say("mark", mark={"name": "now"}), 0.0)
    assert isinstance(sent, Send)
    assert json.loads(sent.text)["mark"] == {"name": "now"}
    assert reported == MarkReturned("now", by_clear=False)
    assert one.receive_text(media(b"a" * 160), 0.0) == ()
    assert one.receive_text(say("mark", mark={"name": "later"}), 0.0) == ()
    assert one.next_frame(0.0) == (b"a" * 160, ())
    frame, reactions = one.next_frame(0.02)
    assert frame == SILENT_FRAME
    assert reactions[1] == MarkReturned("later", by_clear=False)


def test_a_clear_reports_what_it_dropped_and_returns_marks() -> None:
    one = stream()
    one.receive_text(media(b"a" * 800), 0.0)
    one.receive_text(say("mark", mark={"name": "m"}), 0.0)
    cleared, sent, returned = one.receive_text(say("clear"), 0.0)
    assert cleared == PlaybackCleared(100.0)
    assert isinstance(sent, Send)
    assert returned == MarkReturned("m", by_clear=True)


def test_ten_minutes_are_warned_about_once() -> None:
    one = stream()
    (notice,) = one.receive_text(media(bytes(CAP_BYTES + 8)), 0.0)
    assert isinstance(notice, Notice)
    assert (notice.code, notice.level) == (31931, "warning")
    assert one.receive_text(media(b"a"), 0.0) == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"{", 31950),
        (b"\xff\xfe", 31950),
        (b"[]", 31924),
        (b"{}", 31924),
        (say("start"), 31924),
        (say("media"), 31924),
        (say("media", media={"payload": 7}), 31924),
        (say("media", media={"payload": "not base64"}), 31924),
        (say("mark"), 31924),
        (b'{"event":"clear"}', 31924),
        (b'{"event":"clear","streamSid":"MZ2"}', 31924),
    ],
)
def test_what_media_streams_does_not_know_is_noted_and_changes_nothing(text: bytes, code: int) -> None:
    one = stream()
    one.receive_text(media(b"a" * 160), 0.0)
    (notice,) = one.receive_text(text, 0.0)
    assert isinstance(notice, Notice)
    assert notice.code == code
    assert one.next_frame(0.0) == (b"a" * 160, ())


def test_a_binary_frame_is_undecodable() -> None:
    (notice,) = stream().receive_binary()
    assert isinstance(notice, Notice)
    assert notice.code == 31950


@given(st.binary())
def test_any_bytes_can_be_read(text: bytes) -> None:
    assert isinstance(wire.read(text), wire.Unusable)


@given(st.binary())
def test_audio_of_any_length_arrives_unchanged(pcmu: bytes) -> None:
    assert wire.read(media(pcmu)) == wire.Media("MZ1", pcmu)


@pytest.mark.parametrize("message", get_args(BrokenMessage))
def test_every_broken_message_can_be_made(message: BrokenMessage) -> None:
    made = broken_message(Misbehave(kind="misbehave", message=message, size_bytes=1000), stream())
    assert made
    assert isinstance(made, bytes) == (message == "binary_frame")
