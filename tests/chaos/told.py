"""The facts of a round, as anybody on the bus hears them: each once, by call."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

import nats
from nats.aio.msg import Msg

from common import subjects
from common.messages.base import decode_as
from common.messages.facts import AnyFact, Fact

T = TypeVar("T", bound=AnyFact)


@dataclass
class Told:
    """What was told of every call."""

    facts: dict[str, list[AnyFact]] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    async def take(self, message: Msg) -> None:
        """One more; a fact that is told again is the same."""
        fact = decode_as(Fact, message.data)
        if fact.fact_id not in self._seen:
            self._seen.add(fact.fact_id)
            self.facts.setdefault(fact.call_id, []).append(fact)

    def of(self, call_id: str, kind: type[T]) -> list[T]:
        """The facts of one kind, in the order they were told."""
        return [fact for fact in self.facts.get(call_id, ()) if isinstance(fact, kind)]


@contextlib.asynccontextmanager
async def listening(nats_urls: Iterable[str]) -> AsyncIterator[Told]:
    """Hear every fact until the context ends."""
    client = await nats.connect(list(nats_urls), max_reconnect_attempts=-1)
    told = Told()
    await client.subscribe(subjects.ALL_FACTS, cb=told.take)
    await client.flush()
    try:
        yield told
    finally:
        await client.close()
