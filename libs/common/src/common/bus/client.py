"""nats-py with the gaps filled that 2.16 has for a process that must never lose its bus for good."""

import asyncio
from collections.abc import Callable
from typing import Any

from nats.aio.client import PING_PROTO, Client, Srv
from nats.aio.msg import Msg
from nats.errors import ConnectionReconnectingError
from nats.errors import Error as NatsError

from common.ending import unless_cancelled


class BusClient(Client):
    """One connection to one server at a time. `on_topology` is called when the cluster's list of servers changes."""

    def __init__(self, on_topology: Callable[[], None]) -> None:
        super().__init__()
        self._on_topology = on_topology
        self._advertised: frozenset[str] = frozenset()

    @property
    def server(self) -> str:
        """Host and port of the server that is connected, or was last tried."""
        return self._current_server.uri.netloc if self._current_server is not None else ""

    def abort(self) -> None:
        """Drop the socket and what was not sent: closing would wait until a dead server has taken everything."""
        self._pending: list[bytes] = []
        self._pending_data_size = 0
        self._abort_socket()

    def _abort_socket(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def request(
        self,
        subject: str,
        payload: bytes = b"",
        timeout: float = 0.5,
        old_style: bool = False,
        headers: dict[str, Any] | None = None,
    ) -> Msg:
        """Without a connection nats-py would keep the request, wait in vain, and send it when it is stale.

        It also loses a cancellation that arrives with the answer. JetStream and KV ask through here too.
        """
        if not self.is_connected:
            raise ConnectionReconnectingError
        return await unless_cancelled(super().request(subject, payload, timeout, old_style, headers))

    async def _attempt_reconnect(self) -> None:
        """nats-py would wait for minutes until a half-open socket has closed (nats.py #671).

        Nor is anything sent later that was meant for the lost connection: what its owner sends again would
        then arrive in the wrong order.
        """
        self.abort()
        await super()._attempt_reconnect()

    async def _connect_to_server(self, s: Srv) -> None:
        """nats-py forgets the socket of an attempt that failed without closing it."""
        self._abort_socket()
        await super()._connect_to_server(s)

    async def _process_connect_init(self) -> None:
        """Whatever answers on that port, if it is no nats-server, it must not end the reconnecting."""
        try:
            await super()._process_connect_init()
        except (ValueError, TypeError, AttributeError) as error:
            self._server_info: dict[str, Any] = {}
            raise NatsError("nats: not a nats-server") from error

    async def _send_ping(self, future: "asyncio.Future[Any] | None" = None) -> None:
        """nats-py's ping overtakes what waits to be sent, so that its answer would prove nothing about it."""
        self._pongs.append(future or asyncio.get_running_loop().create_future())
        await self._send_command(PING_PROTO)
        await self._flush_pending()

    async def _process_pong(self) -> None:
        """The answer to a probe that was given up: nats-py would set its cancelled waiter and end its read loop."""
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
        else:
            await super()._process_pong()

    async def _process_err(self, err_msg: str) -> None:
        """nats-py would close for good. If the error is fatal the server hangs up by itself, and we connect anew."""
        self._err = NatsError(f"nats: {err_msg.strip(chr(39))}")
        await self._error_cb(self._err)

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        """Gossip is news, not a list to connect by: its addresses lack our credentials and the certificates' names."""
        advertised = frozenset(info.pop("connect_urls", None) or ())
        if advertised != self._advertised:
            self._advertised = advertised
            if not initial_connection:
                self._on_topology()
        await super()._process_info(info, initial_connection)
