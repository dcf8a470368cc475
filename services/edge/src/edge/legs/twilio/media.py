"""The Media Streams socket: one stream of one call, synchronous, since 50 frames a second pass each way."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias, assert_never

from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from common import logs, metrics
from common.errors import RemoteProtocolError
from common.messages.commands import EndReason
from edge.legs.port import LegEvents
from edge.legs.twilio import wire

log = logs.get("twilio")

START_WITHIN_S: Final = 5.0
_KEPT_AT_MOST: Final = 250
"""Events of a caller whose call is still being looked up: five seconds of speech, ten times what that takes."""
_BAD_MESSAGES_AT_MOST: Final = 100
"""A live call outlasts a few broken messages; a peer that sends nothing else is cut off."""
_UNREAD_BYTES_AT_MOST: Final = 4 * 1024 * 1024
_SILENT_IS_DEAD_S: Final = 1.0
_BROKEN_FRAMES: Final = {WSCloseCode.MESSAGE_TOO_BIG: "oversized", WSCloseCode.PROTOCOL_ERROR: "bad_frame"}

Attach: TypeAlias = Callable[["TwilioStream", wire.StartBody], None]
"""Decides, soon, whether the stream may join its call: `accept` or `refuse` follows."""


class Door(Protocol):
    """Counts the sockets that have not proven themselves yet."""

    def entered(self) -> None:
        """A socket is up."""
        ...

    def left(self) -> None:
        """It was accepted, refused or closed."""
        ...


class TwilioStream(WSListener):
    """A leg (`edge.legs.port.Leg`) over one socket."""

    def __init__(self, attach: Attach, door: Door) -> None:
        self._attach = attach
        self._door = door
        self._transport: WSTransport | None = None
        self._encode: wire.Encoder | None = None
        self._stream_sid = ""
        self._call: LegEvents | None = None
        self._kept: list[wire.Media | wire.Dtmf] = []
        self._is_waiting = True
        self._is_refused = False
        self._too_late: asyncio.TimerHandle | None = None
        self._bad_messages = 0
        self._end_reason = EndReason.LEG_LOST
        self._heard_from_at = time.monotonic()

    # --- the socket -----------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done; `start` must follow soon."""
        self._transport = transport
        self._door.entered()
        loop = asyncio.get_running_loop()
        self._too_late = loop.call_later(START_WITHIN_S, self._bad, "no_start")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One message or control frame. What a refused peer still sends is nobody's."""
        if self._is_refused and frame.msg_type is not WSMsgType.CLOSE:
            return
        if frame.msg_type is WSMsgType.TEXT and frame.fin:
            self._message(frame.get_payload_as_memoryview())
        elif frame.msg_type is WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type is not WSMsgType.PONG:
            self._bad("not_text")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone, whoever closed it."""
        self._stop_waiting()
        self._count_broken_frames(transport)
        call, self._call, self._transport = self._call, None, None
        if call is not None:
            call.on_leg_down(self._end_reason)

    # --- messages -------------------------------------------------------------------------------------------------

    def _message(self, data: memoryview) -> None:
        try:
            event = wire.decode(data)
        except RemoteProtocolError:
            self._bad("malformed")
            return
        self._heard_from_at = time.monotonic()
        if self._call is not None:
            self._on_event(event, self._call)
        else:
            self._before_call(event)

    def _on_event(self, event: wire.Event, call: LegEvents) -> None:
        match event:
            case wire.Media():
                if not self._is_ours(event.stream_sid) or event.media.track != "inbound":
                    return
                if not 0 < len(event.media.payload) <= wire.MAX_AUDIO_BYTES:
                    self._bad("odd_payload")
                    return
                call.on_caller_audio(event.media.timestamp, event.media.payload)
            case wire.Mark():
                if self._is_ours(event.stream_sid):
                    call.on_mark(event.mark.name)
            case wire.Dtmf():
                if self._is_ours(event.stream_sid):
                    call.on_digit(event.dtmf.digit)
            case wire.Stop():
                if self._is_ours(event.stream_sid):
                    self._end_reason = EndReason.CALLER_HANGUP
                    self.close()
            case wire.Start() | wire.Connected():
                self._bad("out_of_order")
            case wire.Unknown():
                self._count("unknown_event")
            case _:
                assert_never(event)

    def _before_call(self, event: wire.Event) -> None:
        match event:
            case wire.Connected():
                return
            case wire.Start() if not self._stream_sid:
                self._start(event)
            case wire.Unknown():
                self._count("unknown_event")
            case wire.Stop():
                self.close()
            case wire.Media() | wire.Dtmf() if self._stream_sid:
                self._keep(event)
            case _ if self._stream_sid:
                return
            case _:
                self._count("before_start")
                self.refuse("before_start")

    def _keep(self, event: wire.Media | wire.Dtmf) -> None:
        """The caller talks on while we decide, perhaps for the second time in a call that has come back."""
        is_odd = isinstance(event, wire.Media) and len(event.media.payload) > wire.MAX_AUDIO_BYTES
        if is_odd or len(self._kept) >= _KEPT_AT_MOST:
            self._bad("odd_payload" if is_odd else "undecided")
        else:
            self._kept.append(event)

    def _start(self, event: wire.Start) -> None:
        start = event.start
        if start.media_format != wire.MediaFormat("audio/x-mulaw", 8000, 1) or start.stream_sid != event.stream_sid:
            self._count("bad_start")
            self.refuse("bad_start")
            return
        self._stream_sid = start.stream_sid
        self._attach(self, start)

    def _is_ours(self, stream_sid: str) -> bool:
        if stream_sid == self._stream_sid:
            return True
        self._bad("wrong_stream")
        return False

    def _bad(self, kind: str) -> None:
        self._count(kind)
        self._bad_messages += 1
        if self._call is None:
            self.refuse(kind)
        elif self._bad_messages >= _BAD_MESSAGES_AT_MOST:
            log.warning("closing a stream that sends no usable messages", extra=logs.fields(kind=kind))
            self._close_with(WSCloseCode.POLICY_VIOLATION)

    def _count_broken_frames(self, transport: WSTransport) -> None:
        """picows closes by itself when a frame breaks the WebSocket protocol or is too large."""
        handshake = transport.close_handshake
        if handshake is not None and handshake.sent is not None and handshake.sent.code in _BROKEN_FRAMES:
            self._count(_BROKEN_FRAMES[handshake.sent.code])

    def _count(self, kind: str) -> None:
        metrics.CARRIER_PROTOCOL_ERRORS.labels("twilio", kind).inc()

    # --- the decision ---------------------------------------------------------------------------------------------

    def accept(self, call: LegEvents) -> bool:
        """The stream joins `call`, and what came meanwhile is given to it. False if the socket is gone already."""
        self._stop_waiting()
        kept, self._kept = self._kept, []
        if self._transport is None:
            return False
        self._encode = wire.Encoder(self._stream_sid)
        self._call = call
        for event in kept:
            self._on_event(event, call)
        return True

    def refuse(self, kind: str) -> None:
        """The stream may not join: close 1008."""
        self._is_refused = True
        self._kept.clear()
        self._stop_waiting()
        log.info("stream refused", extra=logs.fields(kind=kind))
        self._close_with(WSCloseCode.POLICY_VIOLATION)

    @property
    def is_alive(self) -> bool:
        """True while the socket is open and Twilio sends, as it does 50 times a second."""
        return self._transport is not None and time.monotonic() - self._heard_from_at < _SILENT_IS_DEAD_S

    def _stop_waiting(self) -> None:
        if self._too_late is not None:
            self._too_late.cancel()
        if self._is_waiting and self._transport is not None:
            self._is_waiting = False
            self._door.left()

    # --- the leg --------------------------------------------------------------------------------------------------

    def send_audio(self, pcmu: bytes, mark: str) -> None:
        """Queue audio at Twilio, followed by a mark."""
        if self._transport is None or self._encode is None:
            return
        self._transport.send(WSMsgType.TEXT, self._encode.media(pcmu))
        self._transport.send(WSMsgType.TEXT, self._encode.mark(mark))
        if self._transport.underlying_transport.get_write_buffer_size() > _UNREAD_BYTES_AT_MOST:
            self._count("not_reading")
            self._transport.disconnect(graceful=False)

    def clear(self) -> None:
        """Throw away what Twilio has not played yet."""
        if self._transport is not None and self._encode is not None:
            self._transport.send(WSMsgType.TEXT, self._encode.clear)

    def close(self) -> None:
        """End the stream: Twilio asks `/twilio/resume` what comes next."""
        self._close_with(WSCloseCode.OK)

    def _close_with(self, code: WSCloseCode) -> None:
        if self._transport is not None:
            self._transport.send_close(code)
            self._transport.disconnect()
