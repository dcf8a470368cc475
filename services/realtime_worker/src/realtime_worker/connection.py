"""The socket to the speech provider: whole text messages in and out, its errors in our words."""

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Final, Literal, Protocol

import picows
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport

from common.errors import DeadlineExceeded, TrunklineError, UpstreamUnavailable

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Minutes of audio in one event; what is larger is dropped and told as `on_garbage`."""

_MAX_FRAME_BYTES: Final = 16 * 1024 * 1024
"""A peer that sends a frame beyond this ends the connection: there is no skipping it."""

NO_CLOSE_FRAME: Final = 1006
_MAX_UNSENT_BYTES: Final = 512 * 1024
"""A whole replay of caller audio (35 s) fits; beyond that the peer is too slow for what is spoken now."""
_PING_AFTER_S: Final = 10.0
_PONG_WITHIN_S: Final = 5.0
_GOODBYE_WITHIN_S: Final = 0.5


class Receiver(Protocol):
    """Whoever reads a connection. Called from the loop; must not wait and must not raise."""

    def on_message(self, message: bytes) -> None:
        """A whole text message."""
        ...

    def on_garbage(self, kind: Literal["binary", "oversized"]) -> None:
        """A message that no speech provider of ours sends; it was dropped."""
        ...

    def on_closed(self, close_code: int) -> None:
        """The peer closed or the network failed. Not called after our own `close`."""
        ...


class Connection(WSListener):
    """One WebSocket. picows calls back synchronously, so no task stands between the socket and its reader."""

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver
        self._transport: WSTransport | None = None
        self._pieces = bytearray()
        self._is_text = True
        self._size_bytes = 0
        self._is_ours_to_end = False
        self._goodbye: asyncio.TimerHandle | None = None
        self.is_congested = False
        """The peer does not take what we send: what is late anyway should not be sent."""

    @property
    def was_connected(self) -> bool:
        """True once the upgrade has succeeded, also if the peer has closed since: the receiver knows then."""
        return self._transport is not None

    def send(self, message: bytes) -> None:
        """Send one text message; after the end it vanishes."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    def close(self) -> None:
        """End it; the receiver is not told. Harmless when it has ended already."""
        self._is_ours_to_end = True
        if self._transport is None or self._transport.is_disconnected:
            return
        self._transport.send_close(WSCloseCode.OK)
        self._goodbye = asyncio.get_running_loop().call_later(_GOODBYE_WITHIN_S, self._transport.disconnect, False)

    # --- called by picows ---------------------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The upgrade succeeded."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=_MAX_UNSENT_BYTES)
        if self._is_ours_to_end:
            self.close()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """One frame; fragments are joined."""
        kind = frame.msg_type
        if kind == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif self._is_ours_to_end or kind in (WSMsgType.PING, WSMsgType.PONG):
            return
        elif kind == WSMsgType.TEXT and frame.fin and frame.payload_size <= MAX_MESSAGE_BYTES:
            self._receiver.on_message(frame.get_payload_as_bytes())
        else:
            self._join(frame)

    def _join(self, frame: WSFrame) -> None:
        """A fragment, or a message that is none of ours."""
        if frame.msg_type != WSMsgType.CONTINUATION:
            self._pieces.clear()
            self._is_text = frame.msg_type == WSMsgType.TEXT
            self._size_bytes = 0
        self._size_bytes += frame.payload_size
        if self._is_text and self._size_bytes <= MAX_MESSAGE_BYTES:
            self._pieces += frame.get_payload_as_memoryview()
        if not frame.fin:
            return
        message = bytes(self._pieces)
        self._pieces.clear()
        if self._is_text and self._size_bytes <= MAX_MESSAGE_BYTES:
            self._receiver.on_message(message)
        else:
            self._receiver.on_garbage("oversized" if self._is_text else "binary")

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        if self._goodbye is not None:
            self._goodbye.cancel()
        if self._is_ours_to_end:
            return
        received = transport.close_handshake.recv if transport.close_handshake is not None else None
        self._receiver.on_closed(_code(received.code) if received is not None else NO_CLOSE_FRAME)

    def pause_writing(self) -> None:
        """The send buffer is full."""
        self.is_congested = True

    def resume_writing(self) -> None:
        """The send buffer has drained."""
        self.is_congested = False


def _code(code: Any) -> int:
    """picows names the codes it knows and passes the others as numbers."""
    return int(getattr(code, "value", code))


class UpgradeRefused(UpstreamUnavailable):
    """The peer answered the upgrade with an HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the speech provider answered the upgrade with HTTP {status}")
        self.status = status


def tls_for(url: str) -> ssl.SSLContext | None:
    """One context for all sessions: making one reads the whole certificate store."""
    return ssl.create_default_context() if url.startswith("wss:") else None


async def connect(
    receiver: Receiver, url: str, headers: Mapping[str, str], tls: ssl.SSLContext | None, timeout_s: float
) -> Connection:
    """Open a socket. Redirects are not followed: they would take the key elsewhere.

    Raises `UpgradeRefused`, `UpstreamUnavailable` or `DeadlineExceeded`.
    """
    connection = Connection(receiver)
    try:
        async with asyncio.timeout(timeout_s):
            await picows.ws_connect(
                lambda: connection,
                url,
                ssl_context=tls,
                websocket_handshake_timeout=timeout_s,
                enable_auto_ping=True,
                auto_ping_idle_timeout=_PING_AFTER_S,
                auto_ping_reply_timeout=_PONG_WITHIN_S,
                max_frame_size=_MAX_FRAME_BYTES,
                max_redirects=0,
                extra_headers=headers,
            )
    except BaseException as error:
        connection.close()
        if isinstance(error, Exception):
            raise _translated(error, timeout_s) from error
        raise
    if not connection.was_connected:  # picows says nothing if the peer hangs up instead of answering
        raise UpstreamUnavailable("the speech provider hung up during the upgrade")
    return connection


def _translated(error: Exception, timeout_s: float) -> TrunklineError:
    if isinstance(error, TimeoutError):
        return DeadlineExceeded("connecting to the speech provider", timeout_s)
    if isinstance(error, picows.WSHandshakeError) and error.response is not None:
        return UpgradeRefused(int(error.response.status))
    if isinstance(error, (OSError, picows.WSError)):
        return UpstreamUnavailable(f"the speech provider cannot be reached: {type(error).__name__}")
    raise error
