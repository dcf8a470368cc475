"""Twilio's Media Streams messages: bytes to typed events and back (twilio.com/docs/voice/media-streams)."""

from base64 import b64encode
from typing import Annotated, Final, TypeAlias

import msgspec

from common.errors import RemoteProtocolError

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_AUDIO_BYTES: Final = 8_000
"""One second of caller audio in one message is already fifty times what Twilio sends."""

MAX_TIMESTAMP_MS: Final = 7 * 24 * 3_600_000
"""No call is that long; audio records have 32 bits for a time."""


class Connected(msgspec.Struct, tag="connected", tag_field="event", frozen=True):
    """The socket is up; `start` follows."""

    protocol: str = ""


class MediaFormat(msgspec.Struct, frozen=True, rename="camel"):
    """How the stream's audio is coded."""

    encoding: str
    sample_rate: int
    channels: int


class StartBody(msgspec.Struct, frozen=True, rename="camel"):
    """What stream of what call this is."""

    stream_sid: str
    account_sid: str
    call_sid: str
    media_format: MediaFormat
    custom_parameters: dict[str, str] = {}


class Start(msgspec.Struct, tag="start", tag_field="event", frozen=True, rename="camel"):
    """The stream begins."""

    stream_sid: str
    start: StartBody


class MediaBody(msgspec.Struct, frozen=True):
    """20 ms of caller audio as a rule; `timestamp` is milliseconds since the stream's start."""

    timestamp: Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP_MS)]
    payload: bytes
    track: str = "inbound"


class Media(msgspec.Struct, tag="media", tag_field="event", frozen=True, rename="camel"):
    """Caller audio."""

    stream_sid: str
    media: MediaBody


class DtmfBody(msgspec.Struct, frozen=True):
    """One key."""

    digit: Annotated[str, msgspec.Meta(pattern=r"^[0-9*#A-D]\Z")]


class Dtmf(msgspec.Struct, tag="dtmf", tag_field="event", frozen=True, rename="camel"):
    """The caller pressed a key."""

    stream_sid: str
    dtmf: DtmfBody


class MarkBody(msgspec.Struct, frozen=True):
    """The name we gave it."""

    name: str


class Mark(msgspec.Struct, tag="mark", tag_field="event", frozen=True, rename="camel"):
    """Everything before this mark was played, or cleared."""

    stream_sid: str
    mark: MarkBody


class Stop(msgspec.Struct, tag="stop", tag_field="event", frozen=True, rename="camel"):
    """The stream ends: hang-up, or the carrier moves on in its TwiML."""

    stream_sid: str


class Unknown(msgspec.Struct, frozen=True):
    """An event this version does not know: counted and left alone, since Twilio may add some."""


Event: TypeAlias = Connected | Start | Media | Dtmf | Mark | Stop | Unknown

_KNOWN: Final = frozenset({"connected", "start", "media", "dtmf", "mark", "stop"})


class _Tag(msgspec.Struct):
    event: str


_decoder: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(
    Connected | Start | Media | Dtmf | Mark | Stop, strict=False
)
_tag_decoder: Final = msgspec.json.Decoder(_Tag)


def decode(data: bytes | memoryview) -> Event:
    """One message. Raises `RemoteProtocolError` if it is no message of this protocol."""
    try:
        return _decoder.decode(data)
    except msgspec.MsgspecError as error:
        if _tag(data) not in _KNOWN:
            return Unknown()
        raise RemoteProtocolError(f"malformed message: {_redacted(error)}") from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"malformed message: {type(error).__name__}") from None


def _tag(data: bytes | memoryview) -> str:
    """The event's name, or a known one when there is none, so that it counts as malformed."""
    try:
        return _tag_decoder.decode(data).event
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return "media"


def _redacted(error: msgspec.MsgspecError) -> str:
    """Where it went wrong, without what was sent."""
    return str(error).rpartition(" - at ")[2][:80] if " - at " in str(error) else "not JSON"


class Encoder:
    """Builds our messages for one stream; only the payload changes, so the rest is built once."""

    def __init__(self, stream_sid: str) -> None:
        sid = msgspec.json.encode(stream_sid)
        self._media = b'{"event":"media","streamSid":' + sid + b',"media":{"payload":"'
        self._mark = b'{"event":"mark","streamSid":' + sid + b',"mark":{"name":'
        self.clear = b'{"event":"clear","streamSid":' + sid + b"}"

    def media(self, pcmu: bytes) -> bytes:
        """Audio for the caller, any length."""
        return self._media + b64encode(pcmu) + b'"}}'

    def mark(self, name: str) -> bytes:
        """A receipt to be returned once everything before it was played."""
        return self._mark + msgspec.json.encode(name) + b"}}"
