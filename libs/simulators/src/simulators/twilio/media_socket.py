"""The shell around one media stream: a WebSocket client that carries what `MediaStream` decides."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from picows import WSCloseCode, WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

from simulators.twilio.media_stream import MediaStream, Reaction, Send
from simulators.twilio.notices import TwilioError

# More than this waiting to be sent means the server does not read: about five seconds of caller audio with the
# kernel's own buffer, which is made small for the purpose.
CONGESTED_BYTES = 32 * 1024
_KERNEL_BUFFER_BYTES = 32 * 1024
_MAX_FRAME_BYTES = 16 * 1024 * 1024
_CLOSE_TIMEOUT_S = 1.0

Report = Callable[[Reaction], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a socket ended: the server closed it (with this code), it broke, or Twilio stopped the stream."""

    how: Literal["server_closed", "broken", "stopped"]
    code: int | None = None
    reason: str = ""


class Listener(WSListener):
    """Collects one client socket's frames into messages and its end into a future."""

    def __init__(self) -> None:
        self.transport: WSTransport | None = None
        self.ended: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._fragments: list[bytes] = []
        self._is_text = False
        self._close: Ending | None = None

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade is done."""
        self.transport = transport
        with contextlib.suppress(OSError, AttributeError):
            sock = transport.underlying_transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER_BYTES)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame of the server; control frames other than close are answered by picows."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            payload = frame.get_payload_as_bytes()
            code = int.from_bytes(payload[:2], "big") if payload else None
            self._close = Ending("server_closed", code, payload[2:].decode("utf-8", "replace"))
            if not transport.is_close_frame_sent:
                transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._collect(kind == WSMsgType.CONTINUATION, kind == WSMsgType.TEXT, frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The connection is gone, properly or not."""
        if not self.ended.done():
            self.ended.set_result(self._close or Ending("broken"))

    def on_text(self, text: bytes) -> None:
        """A whole text message arrived."""

    def on_binary(self) -> None:
        """A whole binary message arrived."""

    def send(self, text: str) -> None:
        """Send one text message; nothing happens on a dead socket, whose end is told by `ended`."""
        if self.transport is not None and not self.ended.done():
            self.transport.send(WSMsgType.TEXT, text.encode())

    def send_binary(self, data: bytes) -> None:
        """Send one binary message."""
        if self.transport is not None and not self.ended.done():
            self.transport.send(WSMsgType.BINARY, data)

    def abort(self) -> None:
        """Drop the TCP connection without a word."""
        if self.transport is not None:
            self.transport.disconnect(graceful=False)

    async def close(self) -> None:
        """Close properly; give up waiting for the server after a second."""
        if self.transport is None:
            return
        if not self.ended.done():
            self.transport.send_close(WSCloseCode.OK)
            await asyncio.wait((self.ended,), timeout=_CLOSE_TIMEOUT_S)
        self.abort()

    def _collect(self, is_continued: bool, is_text: bool, frame: WSFrame) -> None:
        if not is_continued:
            self._is_text = is_text
        self._fragments.append(frame.get_payload_as_bytes())
        if frame.fin:
            message = b"".join(self._fragments)
            self._fragments.clear()
            if self._is_text:
                self.on_text(message)
            else:
                self.on_binary()


class MediaSocket(Listener):
    """The media socket of a call: reports the stream's reactions, sends what it wants sent."""

    def __init__(self, stream: MediaStream, report: Report) -> None:
        super().__init__()
        self.stream = stream
        self._report = report
        self._is_stopped = False

    def on_text(self, text: bytes) -> None:
        """Feed one message of the server to the stream."""
        if not self._is_stopped:
            self._carry_out(self.stream.receive_text(text, time.monotonic()))

    def on_binary(self) -> None:
        """Feed the fact of a binary message to the stream."""
        if not self._is_stopped:
            self._carry_out(self.stream.receive_binary())

    def next_frame(self, now: float) -> bytes:
        """What the caller hears from `now` on."""
        frame, reactions = self.stream.next_frame(now)
        if reactions:
            self._carry_out(reactions)
        return frame

    def send_caller_frame(self, payload: str) -> None:
        """Send 20 ms of caller audio (base64), or lose it if the server does not read."""
        if self.transport is None or self.ended.done():
            return
        if self.transport.underlying_transport.get_write_buffer_size() > CONGESTED_BYTES:
            self._carry_out(self.stream.drop_caller_frame())
        else:
            self.send(self.stream.caller_frame(payload))

    async def stop(self) -> None:
        """Twilio ends the stream: `stop`, then close; what the server still says is ignored."""
        self._is_stopped = True
        self.send(self.stream.stop())
        await self.close()

    def stall_reading(self, seconds: float) -> None:
        """Read nothing for a while."""
        if self.transport is not None and not self.ended.done():
            underlying = self.transport.underlying_transport
            underlying.pause_reading()
            asyncio.get_running_loop().call_later(seconds, self._resume_reading)

    def _resume_reading(self) -> None:
        if self.transport is not None and not self.ended.done():
            self.transport.underlying_transport.resume_reading()

    def _carry_out(self, reactions: tuple[Reaction, ...]) -> None:
        for reaction in reactions:
            if isinstance(reaction, Send):
                self.send(reaction.text)
            else:
                self._report(reaction)


@dataclass(frozen=True, slots=True)
class Door:
    """Where and how to knock: the URL to connect to, headers of the upgrade, patience, trust."""

    url: str
    headers: dict[str, str]
    timeout_s: float
    tls: ssl.SSLContext | None = None


async def connect(listener: Listener, door: Door) -> None:
    """Open the socket; raise TwilioError with the code Twilio reports for the failure."""
    try:
        async with asyncio.timeout(door.timeout_s):
            await ws_connect(
                lambda: listener,
                door.url,
                ssl_context=door.tls,
                extra_headers=door.headers,
                max_redirects=0,
                max_frame_size=_MAX_FRAME_BYTES,
                websocket_handshake_timeout=None,
            )
    except TimeoutError as error:
        raise TwilioError(31901, f"no handshake within {door.timeout_s:g} s") from error
    except WSHandshakeError as error:
        status = f"HTTP status {int(error.response.status)}" if error.response else "no HTTP answer"
        raise TwilioError(31920, status) from error
    except ssl.SSLError as error:
        raise TwilioError(31910, str(error)) from error
    except OSError as error:
        raise TwilioError(31902, error.strerror or str(error)) from error
