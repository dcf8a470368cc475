"""Broken messages that Twilio would never send, made to see what a server does with them."""

from collections.abc import Callable, Mapping

from simulators.twilio.line import SILENT_PAYLOAD
from simulators.twilio.media_stream import MediaStream
from simulators.twilio.steps import BrokenMessage, Misbehave

_ODD_PAYLOAD = "f38="  # two samples instead of 160


def _with_payload(stream: MediaStream, payload: str) -> str:
    return stream.caller_frame(payload)


def _oversized(stream: MediaStream, size_bytes: int) -> str:
    return _with_payload(stream, "/" * (size_bytes // 4 * 4))


_BROKEN: Mapping[BrokenMessage, Callable[[MediaStream, int], str | bytes]] = {
    "malformed_json": lambda stream, size: '{"event":"media","media":{"payl',
    "binary_frame": lambda stream, size: b"\xff" * 160,
    "oversized_frame": _oversized,
    "unknown_event": lambda stream, size: f'{{"event":"surprise","streamSid":"{stream.ids.stream_sid}"}}',
    "wrong_stream_sid": lambda stream, size: stream.caller_frame(SILENT_PAYLOAD).replace(
        stream.ids.stream_sid, "MZ" + "0" * 32
    ),
    "odd_payload": lambda stream, size: _with_payload(stream, _ODD_PAYLOAD),
    "not_base64": lambda stream, size: _with_payload(stream, "*not base64*"),
    "second_start": lambda stream, size: stream.opening()[1],
}


def broken_message(fault: Misbehave, stream: MediaStream) -> str | bytes:
    """The message to send: text, or bytes for a binary frame."""
    return _BROKEN[fault.message](stream, fault.size_bytes)
