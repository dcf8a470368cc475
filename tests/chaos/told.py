"""What is told on the bus during a round: the facts, each once, by call; and how the breakers stand."""

import contextlib
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import nats
from nats.aio.msg import Msg

from common import subjects
from common.messages.base import decode_as
from common.messages.breaker import BreakerStandings
from common.messages.facts import AnyFact, Fact

T = TypeVar("T", bound=AnyFact)


@dataclass(frozen=True, slots=True)
class Said:
    """What the deciding replica said of the breakers, and when it was heard (monotonic seconds)."""

    at_s: float
    said: BreakerStandings


@dataclass
class Told:
    """What was told of every call, and of the breakers."""

    facts: dict[str, list[AnyFact]] = field(default_factory=dict)
    standings: list[Said] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    async def take(self, message: Msg) -> None:
        """One more; a fact that is told again is the same."""
        fact = decode_as(Fact, message.data)
        if fact.fact_id not in self._seen:
            self._seen.add(fact.fact_id)
            self.facts.setdefault(fact.call_id, []).append(fact)

    async def hear(self, message: Msg) -> None:
        """How all breakers stand now."""
        self.standings.append(Said(time.monotonic(), BreakerStandings.decode(message.data)))

    def of(self, call_id: str, kind: type[T]) -> list[T]:
        """The facts of one kind, in the order they were told."""
        return [fact for fact in self.facts.get(call_id, ()) if isinstance(fact, kind)]


@contextlib.asynccontextmanager
async def listening(nats_urls: Iterable[str]) -> AsyncIterator[Told]:
    """Hear everything until the context ends."""
    client = await nats.connect(list(nats_urls), max_reconnect_attempts=-1)
    told = Told()
    await client.subscribe(subjects.ALL_FACTS, cb=told.take)
    await client.subscribe(subjects.ALL_BREAKERS, cb=told.hear)
    await client.flush()
    try:
        yield told
    finally:
        await client.close()
