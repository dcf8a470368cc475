"""Listen to the facts of one call on the bus."""

import asyncio
from collections.abc import Callable

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.messages.base import decode_as
from common.messages.facts import AnyFact, CallEnded, Fact


class FactListener:
    """The facts of the call that `call_id` names, each once, in the order they came. `start` before the call."""

    def __init__(self, bus: Bus, on_fact: Callable[[AnyFact], None]) -> None:
        self._bus = bus
        self._on_fact = on_fact
        self._seen: set[str] = set()
        self._early: list[AnyFact] = []
        self._call_id: str | None = None
        self._ended = asyncio.Event()
        self.facts: list[AnyFact] = []

    async def start(self) -> None:
        """Listen from now on."""
        await self._bus.subscribe(subjects.ALL_FACTS, self._on_message)

    def follow(self, call_id: str) -> None:
        """Say which call it is; facts that came before that are looked through."""
        self._call_id = call_id
        early, self._early = self._early, []
        for fact in early:
            self._take(fact)

    async def wait_ended(self, timeout_s: float) -> bool:
        """True once the call's last fact has come; False if it does not in time."""
        try:
            await asyncio.wait_for(self._ended.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def _on_message(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if fact.fact_id in self._seen:
            return
        self._seen.add(fact.fact_id)
        if self._call_id is None:
            self._early.append(fact)
        else:
            self._take(fact)

    def _take(self, fact: AnyFact) -> None:
        if fact.call_id != self._call_id:
            return
        self.facts.append(fact)
        self._on_fact(fact)
        if isinstance(fact, CallEnded):
            self._ended.set()
