"""The connection to NATS: never gives up, notices a dead server, hands messages to plain functions."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, SlowConsumerError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext

from common import backoff, logs, metrics
from common.errors import DeadlineExceeded, RemoteProtocolError, TrunklineError, UpstreamUnavailable

log = logs.get("bus")

Handler = Callable[[Msg], bytes | None]
"""Handles one message at once, without waiting; what it returns is the reply to a request."""

_PROBE_PERIOD_S: Final = 0.5
_PROBE_TIMEOUT_S: Final = 0.5
_PROBE_MISSES: Final = 2
_PENDING_MESSAGES: Final = 5_000
_PENDING_BYTES: Final = 4 * 1024 * 1024


class Bus:
    """One process's connection. `connect` first; `close` last."""

    def __init__(self, servers: list[str], name: str) -> None:
        self._servers = servers
        self._name = name
        self._client = Client()
        self._watchdog: asyncio.Task[None] | None = None
        self._is_closing = False
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
                await self._client.connect(
                    servers=self._servers,
                    name=self._name,
                    connect_timeout=1,
                    reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated int, slept as a float
                    max_reconnect_attempts=-1,
                    ping_interval=2,
                    max_outstanding_pings=2,
                    drain_timeout=2,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_disconnected,
                    reconnected_cb=self._on_reconnected,
                )
                break
            except (OSError, NatsError, TimeoutError) as error:
                log.warning("NATS is not reachable, trying again", extra=logs.fields(error=type(error).__name__))
                await asyncio.sleep(wait)
        self._note_event(1)
        self._watchdog = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Send what is buffered and disconnect."""
        self._is_closing = True
        if self._watchdog is not None:
            self._watchdog.cancel()
        if not self._client.is_connected:
            await self._client.close()
            return
        try:
            await asyncio.wait_for(self._client.flush(), 1)
        except (NatsError, TimeoutError):
            log.warning("closing before NATS took everything")
        await self._client.close()

    async def publish(
        self, subject: str, payload: bytes, *, reply: str = "", headers: dict[str, str] | None = None
    ) -> bool:
        """Send, at most once. False if it could not be sent: not connected, or the buffer is full."""
        if not self._client.is_connected:
            return False
        try:
            await self._client.publish(subject, payload, reply=reply, headers=headers)
        except NatsError as error:
            log.warning("publish failed", extra=logs.fields(error=type(error).__name__))
            return False
        return True

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        """Ask one process. Raises `UpstreamUnavailable` (nobody there) or `DeadlineExceeded` (no answer)."""
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
        misses = 0
        while True:
            await asyncio.sleep(_PROBE_PERIOD_S)
            if not self._client.is_connected:
                misses = 0
                continue
            started = time.monotonic()
            try:
                await asyncio.wait_for(self._client.flush(), _PROBE_TIMEOUT_S)
            except (NatsError, TimeoutError, OSError):
                misses += 1
            else:
                metrics.NATS_RTT.observe(time.monotonic() - started)
                misses = 0
            if misses >= _PROBE_MISSES:
                misses = 0
                self._abort()

    def _abort(self) -> None:
        transport = getattr(self._client, "_transport", None)
        writer = getattr(transport, "_io_writer", None)
        if writer is not None:
            log.warning("NATS does not answer; aborting the connection")
            metrics.NATS_WATCHDOG_ABORTS.inc()
            writer.transport.abort()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            metrics.NATS_SLOW_CONSUMER.inc()
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
