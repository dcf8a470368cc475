"""The caller's end of the load: Twilio's webhook and media socket, as lean as they can be."""

import asyncio
import urllib.parse
import urllib.request
from collections.abc import Mapping
from time import monotonic
from typing import Final

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from twilio.request_validator import RequestValidator

from .board import CallBoard
from .playout import Playout
from .stamps import FRAME_BYTES, audio_bytes_in, filler_base64, read_stamps, stamp_base64
from .systems import ACCOUNT_SID, AUTH_TOKEN, CALLER_NUMBER, DIALLED_NUMBER
from .twiml import Stream, pick_stream

_DEADLINE_S: Final = 15
_signer: Final = RequestValidator(AUTH_TOKEN)
_direct: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class _Media(msgspec.Struct):
    payload: str


class _Mark(msgspec.Struct):
    name: str


class _FromSystem(msgspec.Struct):
    event: str
    media: _Media | None = None
    mark: _Mark | None = None


_decode: Final = msgspec.json.Decoder(_FromSystem).decode
_encode: Final = msgspec.json.Encoder().encode


class CallerLeg(WSListener):
    """One call's media socket: writes a stamped frame when told to, plays what comes, returns marks."""

    def __init__(self, board: CallBoard) -> None:
        self.board = board
        self.playout = Playout()
        self.is_open = False
        self.unknown_events = 0
        self.call_sid = f"CA{board.number:032x}"
        self._stream_sid = f"MZ{board.number:032x}"
        self._transport: WSTransport | None = None
        self._sequence = 1
        head = b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
        tail = filler_base64(FRAME_BYTES) + b'"},"streamSid":"' + self._stream_sid.encode() + b'"}'
        self._frame = head + b'"timestamp":"%d","payload":"%b' + tail

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.is_open = False

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = monotonic()
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        elif frame.msg_type is WSMsgType.TEXT:
            self._obey(_decode(frame.get_payload_as_memoryview()), now)

    def start(self, stream: Stream) -> None:
        """Says `connected` and `start`; frames may follow."""
        media_format = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
        start = {
            "streamSid": self._stream_sid,
            "accountSid": ACCOUNT_SID,
            "callSid": self.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": media_format,
            "customParameters": stream.parameters,
        }
        self._send(_encode({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        self._send_numbered("start", start)
        self.is_open = True

    def send_frame(self, due: float) -> None:
        """Writes the next 20 ms of the caller, and the marks that were reached meanwhile."""
        number = self.board.frames_written
        self._sequence += 1
        now = monotonic()
        payload = stamp_base64(self.board.number, number, now)
        self._send(self._frame % (self._sequence, number + 1, number * 20, payload))
        self.board.frame_written(now, now - due)
        self._return_marks(self.playout.due(now))

    def hang_up(self) -> None:
        """Says `stop` and closes."""
        if self.is_open and self._transport is not None:
            self.is_open = False
            self._send_numbered("stop", {"accountSid": ACCOUNT_SID, "callSid": self.call_sid})
            self._transport.send_close()
            self._transport.disconnect()

    def _obey(self, message: _FromSystem, now: float) -> None:
        if message.media is not None:
            self._play(message.media.payload, now)
        elif message.mark is not None:
            self.playout.mark(message.mark.name, now)
        elif message.event == "clear":
            self.board.cleared(now)
            self._return_marks(self.playout.clear(now))
        else:
            self.unknown_events += 1

    def _play(self, payload: str, now: float) -> None:
        self.playout.play(audio_bytes_in(payload), now)
        self.board.heard_bytes += len(payload)
        if self.board.awaited_reply is not None:
            for stamp in read_stamps(payload):
                self.board.audio_heard(stamp, now)

    def _return_marks(self, names: list[str]) -> None:
        for name in names:
            self._send_numbered("mark", {"name": name})

    def _send_numbered(self, event: str, content: Mapping[str, object]) -> None:
        self._sequence += event != "start"
        number = str(self._sequence)
        message = {"event": event, "sequenceNumber": number, event: content, "streamSid": self._stream_sid}
        self._send(_encode(message))

    def _send(self, message: bytes) -> None:
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)


async def place_call(leg: CallerLeg, webhook_url: str) -> None:
    """Posts the signed webhook, obeys the TwiML, opens the signed socket; raises what went wrong."""
    document = await asyncio.to_thread(_post_webhook, webhook_url, leg.call_sid)
    stream = pick_stream(document)
    signature = _signer.compute_signature(stream.url, {})
    await ws_connect(
        lambda: leg,
        stream.url,
        extra_headers={"x-twilio-signature": signature},
        websocket_handshake_timeout=_DEADLINE_S,
    )
    leg.start(stream)


def _post_webhook(url: str, call_sid: str) -> bytes:
    form = {
        "CallSid": call_sid,
        "AccountSid": ACCOUNT_SID,
        "From": CALLER_NUMBER,
        "To": DIALLED_NUMBER,
        "Direction": "inbound",
        "CallStatus": "ringing",
        "ApiVersion": "2010-04-01",
    }
    request = urllib.request.Request(url, data=urllib.parse.urlencode(form).encode(), method="POST")
    request.add_header("X-Twilio-Signature", _signer.compute_signature(url, form))
    with _direct.open(request, timeout=_DEADLINE_S) as answer:
        body: bytes = answer.read()
    return body
