"""Publishing facts: once, to live readers and the stream alike, kept until the stream has acknowledged them."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from itertools import islice
from typing import Final

from nats.aio.msg import Msg

from common import logs, metrics, subjects
from common.bus.connection import Bus, has_no_responders
from common.messages.facts import AnyFact

log = logs.get("facts")

_RETRY_AFTER_S: Final = 2.0
_RETRY_AT_ONCE: Final = 100
_KEEP_AT_MOST: Final = 20_000


class FactWriter:
    """The facts this process publishes. `write` never waits; JetStream may be away for a long time."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._inbox = ""
        self._unacknowledged: OrderedDict[str, tuple[AnyFact, float]] = OrderedDict()
        self._new: asyncio.Queue[AnyFact] = asyncio.Queue()

    @property
    def pending(self) -> int:
        """How many facts the stream has not acknowledged yet."""
        return len(self._unacknowledged)

    async def start(self) -> None:
        """Subscribe to acknowledgements. Call once the bus is connected, then keep `run` running."""
        self._inbox = self._bus.new_inbox()
        await self._bus.subscribe(f"{self._inbox}.*", self._on_ack)

    def write(self, fact: AnyFact) -> None:
        """Publish `fact`, in order, and again (same message id) until the stream has it."""
        self._unacknowledged[fact.fact_id] = (fact, time.monotonic())
        if len(self._unacknowledged) > _KEEP_AT_MOST:
            self._unacknowledged.popitem(last=False)
            metrics.FACTS_LOST.inc()
        self._new.put_nowait(fact)
        metrics.FACTS_PENDING.set(len(self._unacknowledged))

    async def run(self) -> None:
        """Publish new facts as they come and old ones again, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RETRY_AFTER_S):  # wait_for of 3.11 can swallow a cancellation
                    fact = await self._new.get()
                await self._publish(fact)
            await self._retry()

    async def settle(self, timeout_s: float) -> None:
        """Wait until everything is acknowledged, or the time is up; what is left then is counted as lost."""
        deadline = time.monotonic() + timeout_s
        while self._unacknowledged and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        if self._unacknowledged:
            metrics.FACTS_LOST.inc(len(self._unacknowledged))
            log.warning("facts not acknowledged at the end", extra=logs.fields(count=len(self._unacknowledged)))

    async def _publish(self, fact: AnyFact) -> None:
        await self._bus.publish(
            subjects.fact(fact.call_id),
            fact.encode(),
            reply=f"{self._inbox}.{fact.fact_id}",
            headers={"Nats-Msg-Id": fact.fact_id},
        )

    async def _retry(self) -> None:
        """Send again what is overdue; the longest waiting come first."""
        now = time.monotonic()
        for fact_id, (fact, sent_at) in list(islice(self._unacknowledged.items(), _RETRY_AT_ONCE)):
            if now - sent_at < _RETRY_AFTER_S:
                return
            self._unacknowledged[fact_id] = (fact, now)
            self._unacknowledged.move_to_end(fact_id)
            await self._publish(fact)

    def _on_ack(self, message: Msg) -> None:
        if has_no_responders(message) or b'"error"' in message.data:
            return
        self._unacknowledged.pop(subjects.last_token(message.subject), None)
        metrics.FACTS_PENDING.set(len(self._unacknowledged))
