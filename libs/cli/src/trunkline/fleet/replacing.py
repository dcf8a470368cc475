"""Asks for another talker of one call, and follows the call until it has one."""

import asyncio
from typing import Final

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.errors import DeadlineExceeded, TrunklineError, UpstreamUnavailable
from common.messages.base import decode_as
from common.messages.commands import HandingOver, HandOver
from common.messages.facts import CallEnded, EpochChanged, Fact

_ANSWER_WITHIN_S: Final = 2.0
WITHIN_S: Final = 75.0
"""The quiet moment comes within 60 s; a talker that is not ready by then is sought again."""


class Replacement:
    """One handover of one call, asked for from outside. `ask` first, then `wait`."""

    def __init__(self, bus: Bus, call_id: str) -> None:
        self._bus = bus
        self._call_id = call_id
        self._facts: asyncio.Queue[EpochChanged | CallEnded] = asyncio.Queue()

    async def ask(self) -> HandingOver:
        """Ask every edge; the one that carries the call answers. Raises `TrunklineError` if none does."""
        await self._bus.subscribe(subjects.fact(self._call_id), self._hear)
        question = HandOver(call_id=self._call_id)
        try:
            answer = await self._bus.request(subjects.ALL_EDGES, question.encode(), _ANSWER_WITHIN_S)
        except UpstreamUnavailable as error:
            raise TrunklineError("no edge is there to ask: see `trunkline ps`") from error
        except DeadlineExceeded:
            raise TrunklineError(
                f"no edge carries the call {self._call_id}: it has ended, or its edge was lost a moment ago and the "
                "carrier is bringing it back; `trunkline calls` shows"
            ) from None
        return HandingOver.decode(answer)

    async def wait(self, before: HandingOver) -> EpochChanged:
        """Return when the call has a talker of a higher epoch. Raises `TrunklineError` if it gets none."""
        try:
            async with asyncio.timeout(WITHIN_S):
                while True:
                    fact = await self._facts.get()
                    if isinstance(fact, CallEnded):
                        raise TrunklineError("the call ended before it could be handed over")
                    if fact.epoch > before.epoch:
                        return fact
        except TimeoutError:
            raise TrunklineError(
                f"nobody took the call over within {WITHIN_S:.0f} s; its talker goes on. "
                "Is there another with room? `trunkline ps` shows"
            ) from None

    def _hear(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if isinstance(fact, EpochChanged | CallEnded):
            self._facts.put_nowait(fact)
