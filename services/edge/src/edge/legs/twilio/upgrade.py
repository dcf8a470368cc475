"""Media sockets on uvicorn's port: uvicorn parses the upgrade request, picows carries the socket."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from picows import WSAutoPingStrategy, WSListener, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener
from picows.picows import WSProtocol  # type: ignore[attr-defined]  # in the module, not in its stubs

from common import logs, metrics
from common.errors import SecurityError
from edge.legs.twilio.wire import MAX_MESSAGE_BYTES

log = logs.get("twilio")

MEDIA_PATH: Final = b"/twilio/media"
_HANDSHAKE_WITHIN_S: Final = 5
_PING_AFTER_IDLE_S: Final = 20
_PONG_WITHIN_S: Final = 20

Admit = Callable[[dict[str, str]], WSListener]
"""Checks an upgrade's headers (lower-case names). Raises `SecurityError`; else who listens to the socket."""


def media_upgrades(admit: Admit) -> Callable[..., asyncio.Protocol]:
    """For uvicorn's `ws=`: what makes a media socket of an upgrade. Other paths get 404 (no other sockets yet)."""

    def answer(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
        if request.path != MEDIA_PATH:
            return _refusal(404, b"not found\n")
        try:
            return admit({name.lower(): value for name, value in request.headers.items()})
        except SecurityError as error:
            metrics.SECURITY_REJECTS.labels(error.kind).inc()
            log.warning("socket refused", extra=logs.fields(kind=error.kind))
            return _refusal(403, b"forbidden\n")

    def protocol(config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> asyncio.Protocol:
        return _Upgrade(answer)

    return protocol


def _refusal(status: int, body: bytes) -> WSUpgradeResponseWithListener:
    return WSUpgradeResponseWithListener(WSUpgradeResponse.create_error_response(status, body), None)


class _Upgrade(asyncio.Protocol):
    """Takes the connection over from uvicorn, which only knows `data_received`, and gives it to picows' buffers."""

    def __init__(self, answer: Callable[[WSUpgradeRequest], Any]) -> None:
        self._media = WSProtocol(
            None,  # host and port: client side only
            None,  # path: client side only
            False,  # is client
            answer,
            logging.getLogger("picows"),
            True,  # a bug in the listener ends its one connection
            _HANDSHAKE_WITHIN_S,
            True,  # ping
            _PING_AFTER_IDLE_S,
            _PONG_WITHIN_S,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            True,  # pong
            MAX_MESSAGE_BYTES,
            None,  # extra headers
            16 * 1024,
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._media.connection_made(transport)
        # uvicorn sets us as the protocol right after this; our successor must come after that.
        asyncio.get_running_loop().call_soon(transport.set_protocol, self._media)

    def data_received(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            buffer = self._media.get_buffer(len(rest))
            size = min(len(buffer), len(rest))
            buffer[:size] = rest[:size]
            self._media.buffer_updated(size)
            rest = rest[size:]
