"""The connection to NATS: never gives up, notices a dead server, hands messages to plain functions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, SlowConsumerError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext

from common import backoff, logs, metrics
from common.ending import end_tasks
from common.errors import DeadlineExceeded, RemoteProtocolError, TrunklineError, UpstreamUnavailable

log = logs.get("bus")

Handler = Callable[[Msg], bytes | None]
"""Handles one message at once, without waiting; what it returns is the reply to a request."""

_PROBE_PERIOD_S: Final = 0.5
_PROBE_TIMEOUT_S: Final = 0.5
_PROBE_MISSES: Final = 2
_CLOSE_WITHIN_S: Final = 1.0
_MAX_UNSENT_BYTES: Final = 1024 * 1024
"""What may wait for the socket. At twice of it nats-py would make publishers wait, without end if the server hangs."""
_PENDING_MESSAGES: Final = 5_000
_PENDING_BYTES: Final = 4 * 1024 * 1024


class _Client(Client):
    """nats-py, with three gaps of 2.16 filled."""

    def abort(self) -> None:
        """Drop the socket and what was not sent: closing would wait until a dead server has taken everything."""
        self._pending: list[bytes] = []
        self._pending_data_size = 0
        self._abort_socket()

    def _abort_socket(self) -> None:
        writer = getattr(self._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    async def _connect_to_server(self, s: Srv) -> None:
        """nats-py forgets the socket of an attempt that failed without closing it."""
        self._abort_socket()
        await super()._connect_to_server(s)

    async def _process_pong(self) -> None:
        """The answer to a probe that was given up: nats-py would set its cancelled waiter and end its read loop."""
        if self._pongs and self._pongs[0].done():
            self._pongs.pop(0)
            self._pings_outstanding = 0
        else:
            await super()._process_pong()


class Bus:
    """One process's connection. `connect` first; `close` last."""

    def __init__(self, servers: list[str], name: str) -> None:
        self._servers = servers
        self._name = name
        self._client = _Client()
        self._has_tried = False
        self._is_closing = False
        self._watchdog: asyncio.Task[None] | None = None
        self._last_error = ""
        self.unanswered_probes = 0
        """How often in a row the server did not answer in time; 0 while all is well."""
        self.last_event_at: float = 0.0
        """When the connection last came or went (monotonic): evidence right after it is not to be trusted."""

    @property
    def is_connected(self) -> bool:
        """True while publishing reaches a server. While False, publishes would vanish: gate audio on it."""
        return self._client.is_connected

    @property
    def jetstream(self) -> JetStreamContext:
        """For the registry and stream set-up; never on a call's live path."""
        return self._client.jetstream(timeout=2)

    async def connect(self) -> None:
        """Connect, trying until it works; each failure is said once a try."""
        for wait in backoff.delays(0.25, 5.0):
            try:
                await self._connect_once()
                break
            except (OSError, NatsError, TimeoutError) as error:
                why = self._last_error or type(error).__name__
                log.warning("NATS is not reachable, trying again", extra=logs.fields(error=why))
                await asyncio.sleep(wait)
        self._note_event(1)
        self._watchdog = asyncio.create_task(self._watch())

    async def _connect_once(self) -> None:
        """Without a limit nats-py would never come back from its first attempt; once connected, it may try for ever."""
        self._client = _Client()
        self._has_tried = True
        await self._client.connect(
            servers=self._servers,
            name=self._name,
            connect_timeout=1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated int, slept as a float
            max_reconnect_attempts=1,
            ping_interval=2,
            max_outstanding_pings=2,
            drain_timeout=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )
        self._client.options["max_reconnect_attempts"] = -1

    async def close(self) -> None:
        """Send what is buffered and disconnect, within about a second, whatever state the connection is in."""
        self._is_closing = True
        if self._watchdog is not None:
            await end_tasks([self._watchdog])
        if not self._has_tried:
            return
        if not await self._is_flushed():
            self._client.abort()
        await self._client.close()

    async def _is_flushed(self) -> bool:
        if not self._client.is_connected:
            return False
        try:
            await asyncio.wait_for(self._client.flush(), _CLOSE_WITHIN_S)
        except (NatsError, OSError, TimeoutError):
            log.warning("closing before NATS took everything")
            return False
        return True

    async def publish(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        """Send, at most once, without waiting. False if it could not be sent: not connected, or too much is unsent."""
        if not self._client.is_connected or self._client.pending_data_size > _MAX_UNSENT_BYTES:
            return False
        try:
            await self._client.publish(subject, payload, reply=reply, headers=headers)
        except NatsError as error:
            log.warning("publish failed", extra=logs.fields(error=type(error).__name__))
            return False
        return True

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        """Ask one process. Raises `UpstreamUnavailable` (nobody there) or `DeadlineExceeded` (no answer)."""
        if self._client.pending_data_size > _MAX_UNSENT_BYTES:
            raise UpstreamUnavailable("the bus takes nothing")
        try:
            return (await self._client.request(subject, payload, timeout=timeout_s)).data
        except NoRespondersError as error:
            raise UpstreamUnavailable(f"nobody listens on {subject.rsplit('.', 1)[0]}") from error
        except (NatsTimeout, TimeoutError) as error:
            raise DeadlineExceeded("bus request", timeout_s) from error
        except NatsError as error:
            raise UpstreamUnavailable("the bus is away") from error

    async def subscribe(self, subject: str, handler: Handler, *, queue: str = "") -> Callable[[], Awaitable[None]]:
        """Give every message on `subject` to `handler`. Returns what to await in order to stop."""

        async def deliver(message: Msg) -> None:
            answer = _guarded(handler, message)
            if answer is not None and message.reply:
                await self.publish(message.reply, answer)

        subscription = await self._client.subscribe(
            subject,
            queue=queue,
            cb=deliver,
            pending_msgs_limit=_PENDING_MESSAGES,
            pending_bytes_limit=_PENDING_BYTES,
        )
        return subscription.unsubscribe

    def new_inbox(self) -> str:
        """A subject of our own for replies."""
        return self._client.new_inbox()

    async def _watch(self) -> None:
        """nats-py can wait for minutes on a half-open socket (nats.py #671): probe, and abort what does not answer."""
        while True:
            await asyncio.sleep(_PROBE_PERIOD_S)
            if not self._client.is_connected or await self._answers():
                self.unanswered_probes = 0
                continue
            self.unanswered_probes += 1
            if self.unanswered_probes >= _PROBE_MISSES:
                self.unanswered_probes = 0
                await self._reconnect()

    async def _answers(self) -> bool:
        """One round trip. `rtt`, since `flush` claims success without one when nats-py's read loop has ended."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_S):
                metrics.NATS_RTT.observe(await self._client.rtt())
        except (NatsError, TimeoutError, OSError):
            return False
        return True

    async def _reconnect(self) -> None:
        log.warning("NATS does not answer; aborting the connection")
        metrics.NATS_WATCHDOG_ABORTS.inc()
        self._client.abort()
        await self._client.force_reconnect()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            metrics.NATS_SLOW_CONSUMER.inc()
        self._last_error = str(error) if isinstance(error, NatsError) else type(error).__name__
        log.debug("bus error", extra=logs.fields(error=type(error).__name__))

    async def _on_disconnected(self) -> None:
        self._note_event(0)
        if not self._is_closing:
            log.warning("NATS connection lost, reconnecting")

    async def _on_reconnected(self) -> None:
        self._note_event(1)
        metrics.NATS_RECONNECTS.inc()
        log.info("NATS connection is back")

    def _note_event(self, connected: int) -> None:
        self.last_event_at = time.monotonic()
        metrics.NATS_CONNECTED.set(connected)


def _guarded(handler: Handler, message: Msg) -> bytes | None:
    """One message must never end the subscription: refuse what is malformed, count, go on."""
    try:
        return handler(message)
    except RemoteProtocolError as error:
        metrics.BUS_REJECTS.labels("malformed").inc()
        log.warning("bus message refused", extra=logs.fields(why=str(error)))
    except TrunklineError as error:
        metrics.BUS_REJECTS.labels(error.code).inc()
        log.warning("bus message not handled", extra=logs.fields(why=str(error)))
    except Exception:
        metrics.BUS_REJECTS.labels("bug").inc()
        log.exception("bus handler failed")
    return None


def has_no_responders(message: Msg) -> bool:
    """True if this is NATS saying that nobody was subscribed to what we published."""
    return (message.headers or {}).get("Status") == "503"
