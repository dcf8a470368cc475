"""The connection to NATS: never gives up, notices a dead server, hands messages to plain functions."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nats.aio.client import Server
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError, SlowConsumerError
from nats.errors import TimeoutError as NatsTimeout
from nats.js import JetStreamContext

from common import backoff, logs, metrics
from common.bus.attempts import Attempts
from common.bus.client import BusClient
from common.ending import end_tasks, unless_cancelled
from common.errors import DeadlineExceeded, RemoteProtocolError, TrunklineError, UpstreamUnavailable

log = logs.get("bus")

Handler = Callable[[Msg], bytes | None]
"""Handles one message at once, without waiting; what it returns is the reply to a request."""

_PROBE_PERIOD_S: Final = 0.25
_PROBE_STEP_S: Final = 0.05
_OVERDUE_AFTER_S: Final = 0.35
"""A probe unanswered this long makes the connection suspect."""
_SILENT_AFTER_S: Final = 0.75
"""A probe unanswered this long while nothing else arrives either: the server is dead."""
_DEAF_AFTER_S: Final = 2.0
"""A probe unanswered this long although other messages arrive: the server does not hear us."""
_LEAVE_WITHIN_S: Final = 0.2
"""Clients asked to leave a server do so spread over this time, still connected."""
_FLUSH_BEFORE_LEAVING_S: Final = 0.3
_CLOSE_WITHIN_S: Final = 1.0
BEFORE_A_FAULT_S: Final = 0.5
"""What was sent this shortly before the last proven moment may be lost too: a server says that it has taken something
before it has passed it on to the next server or to who listens. Repeats are dropped by who receives them."""
_MAX_UNSENT_BYTES: Final = 1024 * 1024
"""What may wait for the socket. At twice of it nats-py would make publishers wait, without end if the server hangs."""
_PENDING_MESSAGES: Final = 5_000
_PENDING_BYTES: Final = 16 * 1024 * 1024


class Bus:
    """One process's connection. `connect` first; `close` last."""

    def __init__(self, servers: list[str], name: str) -> None:
        self._servers = servers
        self._name = name
        self._client = BusClient(self._on_topology)
        self._has_tried = False
        self._is_closing = False
        self._is_up = False
        self._connections = 0
        self._proven_at = 0.0
        self._attempts = Attempts()
        self._watchdog: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None
        self._last_error = ""
        self._when_away: list[Callable[[], None]] = []
        self._when_back: list[Callable[[float], None]] = []
        self.away_since: float | None = None
        """None while all is well. Else the last moment (monotonic) up to which everything sent is known to have
        arrived. Set when the connection is lost, and before that when the server is late with its answers."""
        self.last_event_at: float = 0.0
        """When the connection, or any server of the cluster, last came or went (monotonic): evidence right after it
        is not to be trusted."""

    @property
    def is_connected(self) -> bool:
        """True while publishing reaches a server that knows our subscriptions. While False, publishes would vanish."""
        return self._is_up and self._client.is_connected

    @property
    def takes_messages(self) -> bool:
        """True while `publish` has a connection and room."""
        return self.is_connected and self._client.pending_data_size <= _MAX_UNSENT_BYTES

    @property
    def jetstream(self) -> JetStreamContext:
        """For the registry and stream set-up, never on a call's live path. Without a connection it fails at once."""
        return self._client.jetstream(timeout=2)

    def on_away(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` at once when the connection is lost. Returns what ends that."""
        self._when_away.append(callback)
        return lambda: self._when_away.remove(callback)

    def on_back(self, callback: Callable[[float], None]) -> Callable[[], None]:
        """Call `callback` when the connection is back, before anything is published on it. Returns what ends that.

        It is given the seconds within which what was sent to or by us may be lost: those since the last proven moment
        and `BEFORE_A_FAULT_S`.
        """
        self._when_back.append(callback)
        return lambda: self._when_back.remove(callback)

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
        self._is_up = True
        self._proven_at = time.monotonic()
        self._note_event(1)
        self._watchdog = asyncio.create_task(self._watch())

    async def _connect_once(self) -> None:
        """Without a limit nats-py would never come back from its first attempt; once connected, it may try for ever."""
        self._client = BusClient(self._on_topology)
        self._has_tried = True
        connecting = self._client.connect(
            servers=self._servers,
            name=self._name,
            connect_timeout=1,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated int, slept as a float
            max_reconnect_attempts=1,
            ping_interval=10,  # the watchdog is faster
            max_outstanding_pings=2,
            drain_timeout=2,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
            lame_duck_mode_cb=self._on_lame_duck,
            reconnect_to_server_handler=self._next_server,
        )
        await unless_cancelled(connecting)
        self._client.options["max_reconnect_attempts"] = -1

    async def close(self) -> None:
        """Send what is buffered and disconnect, within about a second, whatever state the connection is in."""
        self._is_closing = True
        await end_tasks(task for task in (self._watchdog, self._leaving) if task is not None)
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
        if not self.takes_messages:
            return False
        try:
            await self._client.publish(subject, payload, reply=reply, headers=headers)
        except NatsError as error:
            log.warning("publish failed", extra=logs.fields(error=type(error).__name__))
            return False
        return True

    async def request(self, subject: str, payload: bytes, timeout_s: float) -> bytes:
        """Ask one process. Raises `DeadlineExceeded`, or at once `UpstreamUnavailable`: nobody or no bus there."""
        if not self.takes_messages:
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

    # --- noticing a dead server ---------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """nats-py can wait for minutes on a half-open socket (nats.py #671): probe, and abort what does not answer."""
        while True:
            await asyncio.sleep(_PROBE_PERIOD_S)
            if self._client.is_connected:
                await self._probe()

    async def _probe(self) -> None:
        """One round trip. `rtt`, since `flush` claims success without one when nats-py's read loop has ended."""
        connection, asked_at = self._connections, time.monotonic()
        probe = asyncio.create_task(self._client.rtt(timeout=60))
        try:
            is_answered = await self._is_answered(probe, connection)
        finally:
            await end_tasks([probe])
        if self._connections != connection or not self._client.is_connected:
            return  # lost meanwhile, and noticed by nats-py
        if not is_answered:
            await self._reconnect()
        elif self._is_up:
            self._proven_at, self.away_since = asked_at, None

    async def _is_answered(self, probe: "asyncio.Task[float]", connection: int) -> bool:
        """False once patience ends. Patience is counted in steps, so that a lag of our own loop costs one step only."""
        waited = silent = 0.0
        heard = self._client.stats["in_msgs"]
        while not (await asyncio.wait({probe}, timeout=_PROBE_STEP_S))[0]:
            waited += _PROBE_STEP_S
            silent = silent + _PROBE_STEP_S if heard == self._client.stats["in_msgs"] else 0.0
            heard = self._client.stats["in_msgs"]
            if self._connections != connection or silent >= _SILENT_AFTER_S or waited >= _DEAF_AFTER_S:
                return False
            if waited >= _OVERDUE_AFTER_S:
                self._suspect()
        if probe.exception() is not None:
            return False
        metrics.NATS_RTT.observe(probe.result())
        return True

    def _suspect(self) -> None:
        if self.away_since is None:
            self.away_since = self._proven_at

    async def _reconnect(self) -> None:
        log.warning("NATS does not answer; aborting the connection")
        metrics.NATS_WATCHDOG_ABORTS.inc()
        await self._client.force_reconnect()

    # --- coming and going ---------------------------------------------------------------------------------------------

    async def _on_lame_duck(self) -> None:
        """The server is about to end: nats-py would stay until it hangs up."""
        self._note_event(1)
        if self._leaving is None or self._leaving.done():
            self._leaving = asyncio.create_task(self._leave(self._connections))

    async def _leave(self, connection: int) -> None:
        await asyncio.sleep(random.uniform(0, _LEAVE_WITHIN_S))  # noqa: S311 - spreading clients, not a secret
        asked_at = time.monotonic()
        try:
            async with asyncio.timeout(_FLUSH_BEFORE_LEAVING_S):
                await self._client.flush()
            self._proven_at = asked_at
        except (NatsError, OSError, TimeoutError):
            log.debug("leaving a server that did not take everything")
        if self._connections == connection:
            log.info("the NATS server is ending; moving to another")
            self._attempts.hurry()
            await self._client.force_reconnect()

    def _next_server(self, servers: list[Server], _info: dict[str, Any]) -> tuple[Server, float]:
        """nats-py asks before every attempt: where, and after how many seconds."""
        return self._attempts.next(servers)

    def _on_topology(self) -> None:
        """A server came or went elsewhere: the processes connected to it are on their way to another."""
        self.last_event_at = time.monotonic()

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, SlowConsumerError):
            metrics.NATS_SLOW_CONSUMER.inc()
        self._last_error = str(error) if isinstance(error, NatsError) else type(error).__name__
        log.debug("bus error", extra=logs.fields(error=type(error).__name__))

    async def _on_disconnected(self) -> None:
        self._connections += 1
        self._note_event(0)
        self._attempts.begin(self._client.server, time.monotonic())
        if not self._is_up or self._is_closing:
            return
        self._is_up = False
        self._suspect()
        log.warning("NATS connection lost, reconnecting", extra=logs.fields(error=self._last_error))
        for callback in tuple(self._when_away):
            _call(callback)

    async def _on_reconnected(self) -> None:
        self._note_event(1)
        gap_s = time.monotonic() - self._proven_at + BEFORE_A_FAULT_S
        self._is_up, self.away_since = True, None
        self._proven_at = self._attempts.last_at
        metrics.NATS_RECONNECTS.inc()
        log.info("NATS connection is back", extra=logs.fields(gap_s=round(gap_s, 3)))
        for callback in tuple(self._when_back):
            _call(callback, gap_s)

    def _note_event(self, connected: int) -> None:
        self.last_event_at = time.monotonic()
        metrics.NATS_CONNECTED.set(connected)


def _call(callback: Callable[..., None], *arguments: float) -> None:
    """A listener that fails must not end the reconnecting."""
    try:
        callback(*arguments)
    except Exception:
        metrics.BUS_REJECTS.labels("bug").inc()
        log.exception("bus listener failed")


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
