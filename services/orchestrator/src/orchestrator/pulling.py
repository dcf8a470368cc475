"""One replica's share of a durable consumer: messages in batches, kept by the stream until they are acknowledged."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from common import subjects
from common.bus.connection import Bus

BATCH: Final = 200
ACK_WAIT_S: Final = 30.0
_MAX_UNACKNOWLEDGED: Final = 1_000
_ASK_FOR_S: Final = 5.0
_LINGER_S: Final = 0.02
"""How long a batch waits for company."""
_ANSWERED_WITHIN_S: Final = 1.0
"""By the server, beyond the time it was asked to wait."""


class Pull:
    """One replica's share of a durable consumer. `start` once connected, `prepare` before `next`."""

    def __init__(self, bus: Bus, stream: str, durable: str) -> None:
        self._bus, self.stream, self._durable = bus, stream, durable
        self._inbox = ""
        self._request = 0
        self._arrived: asyncio.Queue[Msg | None] = asyncio.Queue()
        self._owed = 0
        self._asked_until = 0.0
        self._is_lost = False
        self._stop: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Be ready to receive."""
        self._inbox = self._bus.new_inbox()
        self._stop = await self._bus.subscribe(f"{self._inbox}.*", self._take)

    async def prepare(self) -> None:
        """Make the consumer if there is none. Raises what nats-py raises while JetStream is away."""
        config = ConsumerConfig(
            durable_name=self._durable,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ACK_WAIT_S,
            deliver_policy=DeliverPolicy.ALL,
            max_ack_pending=_MAX_UNACKNOWLEDGED,
        )
        await self._bus.jetstream.add_consumer(self.stream, config)
        self._is_lost, self._owed = False, 0

    @property
    def is_lost(self) -> bool:
        """True once NATS has said that there is no such consumer, or had no answer: `prepare` again."""
        return self._is_lost

    async def next(self) -> list[Msg]:
        """Up to `BATCH` messages; none if there were none for a while, or the consumer `is_lost`."""
        await self._ask()
        try:
            async with asyncio.timeout(max(0.0, self._asked_until - time.monotonic()) + _ANSWERED_WITHIN_S):
                batch = [await self._arrived.get()]
        except TimeoutError:
            self._owed = 0
            return []
        await asyncio.sleep(_LINGER_S)
        while len(batch) < BATCH and not self._arrived.empty():
            batch.append(self._arrived.get_nowait())
        return [message for message in batch if message is not None and message.reply]

    def interrupt(self) -> None:
        """Have `next` return at once."""
        self._arrived.put_nowait(None)

    async def unwritten(self) -> int:
        """How many messages of the stream are not acknowledged by anybody yet."""
        info = await self._bus.jetstream.consumer_info(self.stream, self._durable)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def acknowledge(self, message: Msg) -> None:
        """It is written: never again."""
        await self._bus.publish(message.reply, b"+ACK")

    async def give_back(self, message: Msg, after_s: float) -> None:
        """It could not be written: again, to any replica, after a while."""
        delay = json.dumps({"delay": round(after_s * 1e9)})
        await self._bus.publish(message.reply, f"-NAK {delay}".encode())

    async def terminate(self, message: Msg) -> None:
        """It never can be: never again, though not written."""
        await self._bus.publish(message.reply, b"+TERM")

    async def stop(self) -> None:
        """Receive nothing more; what arrived and was not asked for with `next` is delivered to others."""
        if self._stop is not None and self._bus.is_connected:
            await self._stop()
        while not self._arrived.empty():
            if (message := self._arrived.get_nowait()) is not None and message.reply:
                await self.give_back(message, 0.0)

    async def _ask(self) -> None:
        """One request at a time, for what fits into one batch."""
        now = time.monotonic()
        if not self._arrived.empty() or (self._owed > 0 and now < self._asked_until):
            return
        self._request += 1
        query = json.dumps({"batch": BATCH, "expires": round(_ASK_FOR_S * 1e9)}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.stream}.{self._durable}"
        self._owed, self._asked_until = BATCH, now + _ASK_FOR_S
        if not await self._bus.publish(subject, query, reply=f"{self._inbox}.{self._request}"):
            self._owed, self._is_lost = 0, True

    def _take(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status")
        if status is None:
            self._owed -= 1
            self._arrived.put_nowait(message)
        elif subjects.last_token(message.subject) == str(self._request):
            self._owed = 0
            self._is_lost = status not in ("404", "408")  # none there, or none came; anything else: who knows
            self._arrived.put_nowait(message)
