"""Faults of the HTTP endpoints: whom they meet, how often, and what becomes of an answer."""

import io
import json
import wave
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.openai.faults.book import FaultBook, HttpSubject, Subject, meets_running
from simulators.openai.faults.http_kinds import GARBAGE_OF, EndpointName, Garbage, HttpStatus
from simulators.openai.faults.kinds import FaultList
from simulators.openai.rest.answer import Answer, Piece, json_answer, sse
from simulators.openai.rest.garbage import garbled
from simulators.openai.rest.refusing import of_fault
from simulators.openai.rest.speech import audio_pieces
from simulators.openai.script import Speech
from simulators.people.pcmu import SAMPLES
from simulators.people.recordings import load
from simulators.people.wav import read_sound, streamed_header

SESSION = Subject(1, "sess_1", "sk", "gpt-realtime-2.1")


def request(number: int = 1, endpoint: EndpointName = "chat", key: str = "sk", model: str = "m") -> HttpSubject:
    return HttpSubject(number, endpoint, key, model)


def book_of(*faults: dict[str, Any]) -> FaultBook:
    return FaultBook(FaultList.model_validate({"faults": list(faults)}).faults)


def kinds_met(book: FaultBook, subject: HttpSubject) -> list[str]:
    return [fault.kind for fault, _ in book.of_request(subject)]


@pytest.mark.parametrize(
    ("target", "subject", "meets"),
    [
        ({}, request(), True),
        ({"endpoint": "any"}, request(endpoint="speech"), True),
        ({"endpoint": "chat"}, request(), True),
        ({"endpoint": "speech"}, request(), False),
        ({"numbers": [2, 3]}, request(3), True),
        ({"numbers": [2, 3]}, request(1), False),
        ({"key": "sk"}, request(), True),
        ({"key": "other"}, request(), False),
        ({"model": "m", "endpoint": "chat"}, request(), True),
        ({"model": "n"}, request(), False),
    ],
)
def test_a_fault_meets_the_requests_it_names(target: dict[str, Any], subject: HttpSubject, meets: bool) -> None:
    book = book_of({"kind": "http_status", "target": target})
    assert bool(kinds_met(book, subject)) == meets


def test_times_are_counted_over_all_requests() -> None:
    book = book_of({"kind": "http_status", "times": 2})
    met = [bool(kinds_met(book, request(number, "speech"))) for number in range(1, 5)]
    assert met == [True, True, False, False]


def test_a_request_meets_one_fault_of_a_kind_and_the_next_one_the_next() -> None:
    garbage = [{"kind": "http_garbage", "what": what, "times": 1} for what in ("html", "empty")]
    book = book_of(*garbage, {"kind": "http_cut", "times": 1})
    met = [kinds_met(book, request(number)) for number in range(1, 4)]
    assert met == [["http_garbage", "http_cut"], ["http_garbage"], []]


@pytest.mark.parametrize(
    ("share", "met"),
    [(1.0, "XXXXXXXXXX"), (0.5, ".X.X.X.X.X"), (0.25, "...X...X.."), (0.1, ".........X"), (0.7, ".XX.XX.XXX")],
)
def test_a_share_of_the_requests_is_met_evenly(share: float, met: str) -> None:
    book = book_of({"kind": "http_status", "share": share, "target": {"endpoint": "chat"}})
    seen: list[str] = []
    for number in range(1, 11):
        kinds_met(book, request(number, "speech"))
        seen.append("X" if kinds_met(book, request(number)) else ".")
    assert "".join(seen) == met


def test_those_it_met_before_are_counted() -> None:
    book = book_of({"kind": "http_slow", "ms": 100, "growth_ms": 50})
    assert [meeting.met_before for _ in range(3) for meeting in book.of_request(request())] == [0, 1, 2]


def test_clearing_ends_them() -> None:
    book = book_of({"kind": "http_status"}, {"kind": "http_slow", "ms": 5})
    assert book.clear() == 2
    assert kinds_met(book, request()) == []


def test_sessions_do_not_meet_them_and_requests_do_not_meet_sessions_faults() -> None:
    book = book_of({"kind": "http_status"}, {"kind": "http_black_hole"}, {"kind": "close"}, {"kind": "refuse_upgrade"})
    http, session = list(book)[:2], list(book)[2:]
    assert kinds_met(book, request()) == ["http_status", "http_black_hole"]
    assert book.of_new_session(SESSION) == session[:1]
    assert book.handshake(SESSION) == session[1:]
    assert not any(meets_running(entry.fault, SESSION) for entry in http)


@pytest.mark.parametrize("what", GARBAGE_OF)
@pytest.mark.parametrize("endpoint", ["chat", "transcription", "speech"])
def test_garbage_meets_only_endpoints_that_can_answer_it(what: Garbage, endpoint: EndpointName) -> None:
    book = book_of({"kind": "http_garbage", "what": what, "times": 1})
    assert bool(kinds_met(book, request(endpoint=endpoint))) == (endpoint in GARBAGE_OF[what])
    assert next(iter(book)).is_live == (endpoint not in GARBAGE_OF[what])


def kinds(outage: dict[str, Any]) -> list[str]:
    return [fault.kind for fault in FaultList.model_validate(outage).faults]


def test_an_outage_is_the_faults_it_is_made_of() -> None:
    assert kinds({"outage": "total"}) == ["close", "refuse_upgrade", "http_status"]
    assert kinds({"outage": "realtime"}) == ["close", "refuse_upgrade"]
    assert kinds({"outage": "http"}) == ["http_status"]
    assert kinds({"outage": "rate_limit"}) == ["rate_limit", "http_status"]
    assert kinds({"outage": "total", "how": "black_hole"}) == ["black_hole", "black_hole", "http_black_hole"]


def test_a_total_outage_meets_running_sessions_new_ones_and_requests() -> None:
    for how in ("refuse", "black_hole"):
        book = FaultBook(FaultList.model_validate({"outage": "total", "how": how}).faults)
        assert [meets_running(entry.fault, SESSION) for entry in book].count(True) == 1
        assert len(book.handshake(SESSION)) == 1
        assert book.of_new_session(SESSION) == []
        assert len(kinds_met(book, request())) == 1


def test_a_rate_limit_says_when_to_come_back() -> None:
    _, status = FaultList.model_validate({"outage": "rate_limit", "retry_after_s": 7}).faults
    assert isinstance(status, HttpStatus)
    error = of_fault(status)
    assert (error.status, error.code, error.headers) == (429, "rate_limit_exceeded", {"retry-after": "7"})


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_status", "status": 200},
        {"kind": "http_status", "target": {"sessions": "new"}},
        {"kind": "http_status", "target": {"endpoint": "images"}},
        {"kind": "http_slow"},
        {"kind": "http_slow", "ms": 1, "share": 0},
        {"outage": "http", "share": 1.1},
        {"kind": "http_cut", "after_chunks": -1},
        {"kind": "http_garbage", "what": "poem"},
        {"kind": "http_black_hole", "times": 0},
        {"outage": "partial"},
        {"outage": "total", "how": "slowly"},
        {"outage": "total", "kind": "close"},
    ],
)
def test_a_wrong_fault_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FaultList.model_validate(fault)


STREAM = [sse({"n": number}) for number in range(6)]
PCMU = load("agent-say-again").pcmu


def stream() -> Answer:
    return Answer("text/event-stream", [Piece(data) for data in STREAM])


def speech(*, is_wav: bool) -> Answer:
    header = streamed_header(24_000) if is_wav else b""
    return Answer("audio/wav" if is_wav else "audio/pcm", audio_pieces(PCMU, Speech(), header))


def bytes_of(answer: Answer) -> list[bytes]:
    return [piece.data for piece in answer.pieces]


def test_a_page_comes_instead_of_the_answer() -> None:
    answer = garbled("html", stream())
    assert answer.content_type.startswith("text/html")
    assert b"<html>" in b"".join(bytes_of(answer))


def test_an_empty_body_keeps_its_type() -> None:
    answer = garbled("empty", stream())
    assert (answer.content_type, bytes_of(answer)) == ("text/event-stream", [b""])


def test_events_in_the_middle_of_a_stream_are_broken_or_errors() -> None:
    broken = bytes_of(garbled("invalid_json", stream()))
    assert broken[:3] + broken[4:] == STREAM
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken[3].removeprefix(b"data: "))
    told = bytes_of(garbled("error_event", stream()))
    assert "error" in json.loads(told[3].removeprefix(b"data: "))


def test_half_a_document_is_no_json() -> None:
    (half,) = bytes_of(garbled("invalid_json", json_answer({"text": "hello"})))
    with pytest.raises(json.JSONDecodeError):
        json.loads(half)


@pytest.mark.parametrize("answer", [stream(), json_answer({"text": "x"}), speech(is_wav=True)])
def test_endless_answers_do_not_end(answer: Answer) -> None:
    pieces: Iterator[Piece] = iter(garbled("endless", answer).pieces)
    assert len(list(islice(pieces, 500))) == 500


def test_audio_can_be_empty_or_none_at_all() -> None:
    assert bytes_of(garbled("empty_audio", speech(is_wav=False))) == [b""]
    (header,) = bytes_of(garbled("empty_audio", speech(is_wav=True)))
    assert len(read_sound(header).samples) == 0
    with pytest.raises(ValueError, match="not a RIFF"):
        read_sound(b"".join(bytes_of(garbled("not_audio", speech(is_wav=True)))))


def test_audio_at_the_wrong_rate_is_the_same_speech() -> None:
    data = b"".join(bytes_of(garbled("wrong_rate", speech(is_wav=True))))
    with wave.open(io.BytesIO(data)) as reader:
        assert reader.getframerate() == 16_000
    sound = read_sound(data)
    assert list(sound.samples[::2]) == [SAMPLES[byte] for byte in PCMU]
    raw = b"".join(bytes_of(garbled("wrong_rate", speech(is_wav=False))))
    assert len(raw) == 2 * 2 * len(PCMU)
