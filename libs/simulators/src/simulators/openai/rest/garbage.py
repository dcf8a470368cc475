"""Answers with status 200 that are none, made of what would have been the answer."""

from collections.abc import Iterable, Iterator
from itertools import chain, cycle, islice
from typing import Final, assert_never

from simulators.openai.faults.http_kinds import Garbage
from simulators.openai.rest.answer import Answer, Piece, sse
from simulators.people.resampling import from_phone_rate
from simulators.people.wav import WAV_HEADER_BYTES, from_linear, linear_of, streamed_header

WRONG_RATE_HZ: Final = 16_000
_PHONE_PART: Final = 3
"""Every third sample at 24 kHz is one at 8 kHz."""
_HTML: Final = b"<!DOCTYPE html><html><head><title>Welcome</title></head><body><h1>It works!</h1></body></html>\n"
_BROKEN_EVENT: Final = 'data: {"id":"chatcmpl-0","object":"chat.completion.chunk","choices":[{"index":0,"del\n\n'
_ERROR: Final = {"error": {"message": "The server had an error.", "type": "server_error", "param": None, "code": None}}
_TEXT: Final = b"upstream connect error or disconnect before headers. reset reason: overflow\n" * 40
_ENDLESS_PIECE_S: Final = 0.01
_INTACT_PIECES: Final = 3
"""Of a stream that goes wrong in its middle."""


def garbled(what: Garbage, answer: Answer) -> Answer:
    """Instead of `answer`."""
    match what:
        case "html":
            return Answer("text/html; charset=utf-8", [Piece(_HTML)], is_stream=False)
        case "empty":
            return Answer(answer.content_type, [Piece(b"")], is_stream=False)
        case "endless":
            return Answer(answer.content_type, _endless(answer))
        case "invalid_json":
            return _with_in_its_middle(answer, _BROKEN_EVENT.encode())
        case "error_event":
            return _with_in_its_middle(answer, sse(_ERROR))
        case "empty_audio":
            header = streamed_header(3 * 8000) if _is_wav(answer) else b""
            return Answer(answer.content_type, [Piece(header)], is_stream=False)
        case "not_audio":
            return Answer(answer.content_type, [Piece(_TEXT)])
        case "wrong_rate":
            return Answer(answer.content_type, _at_wrong_rate(answer.pieces, is_wav=_is_wav(answer)))
        case _:
            assert_never(what)


def _is_wav(answer: Answer) -> bool:
    return answer.content_type == "audio/wav"


def _endless(answer: Answer) -> Iterator[Piece]:
    """The beginning, and then its second piece for ever; of a document that comes whole, blanks."""
    if not answer.is_stream:
        return (Piece(b" " * 1024, _ENDLESS_PIECE_S) for _ in cycle((None,)))
    beginning = list(islice(answer.pieces, 2))
    return chain(beginning, (Piece(beginning[-1].data, _ENDLESS_PIECE_S) for _ in cycle((None,))))


def _with_in_its_middle(answer: Answer, data: bytes) -> Answer:
    """An event more in a stream; half a document."""
    pieces = iter(answer.pieces)
    if not answer.is_stream:
        whole = next(pieces)
        return Answer(answer.content_type, [Piece(whole.data[: len(whole.data) // 2], whole.after_s)], is_stream=False)
    return Answer(answer.content_type, chain(islice(pieces, _INTACT_PIECES), [Piece(data)], pieces))


def _at_wrong_rate(pieces: Iterable[Piece], *, is_wav: bool) -> Iterator[Piece]:
    for index, piece in enumerate(pieces):
        begins_wav = is_wav and index == 0
        samples = from_linear(piece.data[WAV_HEADER_BYTES:] if begins_wav else piece.data)
        header = streamed_header(WRONG_RATE_HZ) if begins_wav else b""
        yield Piece(header + linear_of(from_phone_rate(samples[::_PHONE_PART], WRONG_RATE_HZ)), piece.after_s)
