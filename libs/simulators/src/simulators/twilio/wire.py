"""The JSON of Media Streams: what Twilio sends is made here, what the server sends is read here.

Source: twilio.com/docs/voice/media-streams/websocket-messages. Twilio writes every number as a string.
"""

import binascii
from dataclasses import dataclass

import msgspec

MEDIA_FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'


def start(stream_sid: str, account_sid: str, call_sid: str, parameters: dict[str, str]) -> str:
    """The `start` message; it is always the first with a sequence number."""
    details = {
        "accountSid": account_sid,
        "streamSid": stream_sid,
        "callSid": call_sid,
        "tracks": ["inbound"],
        "mediaFormat": MEDIA_FORMAT,
        "customParameters": parameters,
    }
    return _text({"event": "start", "sequenceNumber": "1", "start": details, "streamSid": stream_sid})


def media(stream_sid: str, sequence: int, chunk: int, timestamp_ms: int, payload: str) -> str:
    """20 ms of caller audio, already base64. Formatted by hand: this is the message that is sent 50 times a second."""
    return (
        f'{{"event":"media","sequenceNumber":"{sequence}","media":{{"track":"inbound","chunk":"{chunk}",'
        f'"timestamp":"{timestamp_ms}","payload":"{payload}"}},"streamSid":"{stream_sid}"}}'
    )


def dtmf(stream_sid: str, sequence: int, digit: str) -> str:
    """One key pressed by the caller."""
    details = {"track": "inbound_track", "digit": digit}
    return _text({"event": "dtmf", "streamSid": stream_sid, "sequenceNumber": str(sequence), "dtmf": details})


def mark(stream_sid: str, sequence: int, name: str) -> str:
    """The receipt of a mark."""
    return _text({"event": "mark", "sequenceNumber": str(sequence), "streamSid": stream_sid, "mark": {"name": name}})


def stop(stream_sid: str, sequence: int, account_sid: str, call_sid: str) -> str:
    """The last message of a stream."""
    details = {"accountSid": account_sid, "callSid": call_sid}
    return _text({"event": "stop", "sequenceNumber": str(sequence), "stop": details, "streamSid": stream_sid})


@dataclass(frozen=True, slots=True)
class Media:
    """Audio to play."""

    stream_sid: str
    audio: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A receipt asked for."""

    stream_sid: str
    name: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Stop playing, forget what is queued."""

    stream_sid: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message Twilio does not accept, with the code it reports."""

    code: int
    detail: str


FromServer = Media | Mark | Clear | Unusable


class _Payload(msgspec.Struct):
    payload: str


class _Name(msgspec.Struct):
    name: str


class _Message(msgspec.Struct, rename={"stream_sid": "streamSid"}):
    event: str
    stream_sid: str
    media: _Payload | None = None
    mark: _Name | None = None


_decoder = msgspec.json.Decoder(_Message)


def read(text: bytes) -> FromServer:
    """Read one text frame of the server."""
    try:
        message = _decoder.decode(text)
    except msgspec.ValidationError as error:
        return Unusable(31924, f"not a message of Media Streams: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Unusable(31950, "a text frame that is not JSON")
    if message.event == "media" and message.media is not None:
        return _media(message.stream_sid, message.media.payload)
    if message.event == "mark" and message.mark is not None:
        return Mark(message.stream_sid, message.mark.name)
    if message.event == "clear":
        return Clear(message.stream_sid)
    return Unusable(31924, f"unknown or incomplete event {message.event[:40]!r}")


def _media(stream_sid: str, payload: str) -> FromServer:
    try:
        return Media(stream_sid, binascii.a2b_base64(payload, strict_mode=True))
    except (binascii.Error, ValueError):
        return Unusable(31924, "media payload is not base64")


def _text(message: dict[str, object]) -> str:
    return msgspec.json.encode(message).decode()
