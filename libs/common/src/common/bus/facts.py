"""Publishing facts: once, to live readers and the stream alike, kept until the stream has acknowledged them."""

import asyncio
import contextlib
import time
from collections import OrderedDict, deque
from typing import Final

from nats.aio.msg import Msg

from common import logs, metrics, subjects
from common.bus.connection import Bus, has_no_responders
from common.messages.facts import AnyFact

log = logs.get("facts")

_RETRY_AFTER_S: Final = 2.0
_SETTLING_RETRY_AFTER_S: Final = 0.25
_LOOK_AGAIN_S: Final = 0.05
_RETRY_AT_ONCE: Final = 100
"""How many overdue facts are sent before the stream answers; then one more for each it acknowledges."""
_IN_ONE_GO: Final = 50
_KEEP_AT_MOST: Final = 20_000


class FactWriter:
    """The facts this process publishes. `write` never waits; JetStream may be away for a long time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inbox = ""
        self._unacknowledged: OrderedDict[str, tuple[AnyFact, float]] = OrderedDict()
        """By id, with when they were sent last; the longest waiting come first."""
        self._fresh: deque[str] = deque()
        """Those to be sent without waiting for acknowledgements, in order."""
        self._due = asyncio.Event()
        self._acknowledged = 0
        self._unpaced_from = 0.0
        self._retry_after_s: float | None = None

    @property
    def pending(self) -> int:
        """How many facts the stream has not acknowledged yet."""
        return len(self._unacknowledged)

    async def start(self) -> None:
        """Subscribe to acknowledgements. Call once the bus is connected, then keep `run` running."""
        self._inbox = self._bus.new_inbox()
        await self._bus.subscribe(f"{self._inbox}.*", self._on_ack)
        self._bus.on_back(self._on_back)

    def write(self, fact: AnyFact) -> None:
        """Publish `fact`, in order, and again (same message id) until the stream has it."""
        self._unacknowledged[fact.fact_id] = (fact, time.monotonic())
        if len(self._unacknowledged) > _KEEP_AT_MOST:
            self._unacknowledged.popitem(last=False)
            metrics.FACTS_LOST.inc()
        self._fresh.append(fact.fact_id)
        self._due.set()
        metrics.FACTS_PENDING.set(len(self._unacknowledged))

    async def run(self) -> None:
        """Publish new facts as they come and old ones again, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(_LOOK_AGAIN_S, _RETRY_AFTER_S) if self._unacknowledged else None):
                    await self._due.wait()
            self._due.clear()
            await self._send()

    async def settle(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged, or the time is up; what is left then is counted as lost."""
        deadline = time.monotonic() + timeout_s
        self._retry_after_s, self._unpaced_from = _SETTLING_RETRY_AFTER_S, 0.0
        while self._unacknowledged and time.monotonic() < deadline:
            self._due.set()
            await asyncio.sleep(0.02)
        self._retry_after_s = None
        if self._unacknowledged:
            metrics.FACTS_LOST.inc(len(self._unacknowledged))
            log.warning("facts not acknowledged at the end", extra=logs.fields(count=len(self._unacknowledged)))

    async def _send(self) -> None:
        """What is new, in order; then what is overdue, at the pace of the acknowledgements."""
        while self._fresh and self._bus.takes_messages:
            await self._publish(self._fresh.popleft())
            if len(self._fresh) % _IN_ONE_GO == 0:
                await asyncio.sleep(0)  # after an outage there may be thousands, and calls have to go on
        now = time.monotonic()
        for _ in range(self._allowance(now)):
            fact_id, (_, sent_at) = next(iter(self._unacknowledged.items()), ("", (None, now)))
            if now - sent_at < self._patience_s or not self._bus.takes_messages:
                return
            await self._publish(fact_id)

    @property
    def _patience_s(self) -> float:
        return min(_RETRY_AFTER_S, self._retry_after_s or _RETRY_AFTER_S)

    def _allowance(self, now: float) -> int:
        """How many facts may be sent again now: as many as were acknowledged; now and then some, to ask."""
        allowance, self._acknowledged = self._acknowledged, 0
        if now >= self._unpaced_from:
            self._unpaced_from = now + self._patience_s
            allowance = max(allowance, _RETRY_AT_ONCE)
        return allowance

    async def _publish(self, fact_id: str) -> None:
        fact, _ = self._unacknowledged.get(fact_id, (None, 0.0))
        if fact is None:
            return  # given up, or acknowledged while it waited to be sent again
        self._unacknowledged[fact_id] = (fact, time.monotonic())
        self._unacknowledged.move_to_end(fact_id)
        await self._bus.publish(
            subjects.fact(fact.call_id),
            fact.encode(),
            reply=f"{self._inbox}.{fact_id}",
            headers={"Nats-Msg-Id": fact_id},
        )

    def _on_back(self, gap_s: float) -> None:
        """What was sent shortly before the connection was lost goes again, before what was written since."""
        now = time.monotonic()
        fresh = set(self._fresh)
        unproven = [
            fact_id
            for fact_id, (_, sent_at) in self._unacknowledged.items()
            if now - sent_at <= gap_s and fact_id not in fresh
        ]
        self._fresh.extendleft(reversed(unproven))
        self._due.set()

    def _on_ack(self, message: Msg) -> None:
        if has_no_responders(message) or b'"error"' in message.data:
            return
        if self._unacknowledged.pop(subjects.last_token(message.subject), None) is not None:
            self._acknowledged += 1
            self._wake_for_overdue()
        metrics.FACTS_PENDING.set(len(self._unacknowledged))

    def _wake_for_overdue(self) -> None:
        _, sent_at = next(iter(self._unacknowledged.values()), (None, time.monotonic()))
        if time.monotonic() - sent_at >= self._patience_s:
            self._due.set()
