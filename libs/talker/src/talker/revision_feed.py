"""What the orchestrator publishes for one call while it runs: revisions of the agent's instructions."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import metrics, subjects
from common.bus.connection import Bus
from common.bus.newest_instructions import instructions_of, newest_instructions
from common.errors import RemoteProtocolError, UpstreamUnavailable
from common.messages.instructions import Instructions

_READ_WITHIN_S: Final = 2.0
_READ_TRIES: Final = 3
_READ_AGAIN_S: Final = 5.0
"""Streams elect their leaders anew after many an outage, which takes that long."""
_SPREAD_S: Final = 0.5
"""All calls of a process have missed the same moment."""


class RevisionFeed:
    """`start` it before the edge is told of the session: what the cut does not hold is heard, then."""

    def __init__(self, bus: Bus, call_id: str, take: Callable[[Instructions], None]) -> None:
        """`take` is given every revision of this call, as it comes: older ones too."""
        self._bus = bus
        self._call_id = call_id
        self._take = take
        self._heard = 0
        self._unsubscribe: Callable[[], Awaitable[None]] | None = None

    async def start(self) -> None:
        """Listen."""
        self._unsubscribe = await self._bus.subscribe(subjects.instructions(self._call_id), self._on_message)

    async def stop(self) -> None:
        """Listen no more; the connection may be gone already."""
        unsubscribe, self._unsubscribe = self._unsubscribe, None
        if unsubscribe is None:
            return
        try:
            await unsubscribe()
        except NatsError:
            return

    async def catch_up(self) -> None:
        """The bus was away from us: what was published meanwhile is in the stream. No call waits for this."""
        for _ in range(_READ_TRIES):
            await asyncio.sleep(random.uniform(0, _SPREAD_S))  # noqa: S311 - spreading calls, not a secret
            if await self._read():
                return
            await asyncio.sleep(_READ_AGAIN_S)

    async def _read(self) -> bool:
        try:
            told = await newest_instructions(self._bus, self._call_id, _READ_WITHIN_S)
        except RemoteProtocolError:
            metrics.INSTRUCTION_REVISIONS.labels("malformed").inc()
            return True
        except UpstreamUnavailable:
            return False
        if told is not None and told.revision > self._heard:
            self._pass_on(told)
        return True

    def _on_message(self, message: Msg) -> None:
        try:
            told = instructions_of(self._call_id, message.data)
        except RemoteProtocolError:
            metrics.INSTRUCTION_REVISIONS.labels("malformed").inc()
            raise
        self._pass_on(told)

    def _pass_on(self, told: Instructions) -> None:
        self._heard = max(self._heard, told.revision)
        self._take(told)
