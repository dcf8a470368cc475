"""The Realtime endpoints of this worker: opens a call's session at the best that works, as the breakers have it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nats.aio.msg import Msg

from common import logs, subjects
from common.bus.connection import Bus
from common.errors import TrunklineError
from common.messages.breaker import BreakerStandings
from common.messages.offers import HandoverReason, Offer
from realtime_worker.core.preference import Key, may_have, order
from realtime_worker.opening import Opener
from realtime_worker.warm_sessions import WarmSessions
from talker.core.place import place_of
from talker.port import Opened

log = logs.get("endpoints")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place where sessions can be had."""

    name: str
    opener: Opener
    model: str = ""
    """Its own model; empty: that of the agent, or the worker's."""


class Endpoints:
    """Work beside the calls (`talker.service.Beside`): hears how the breakers stand. What was said last counts on."""

    def __init__(self, bus: Bus, endpoints: Sequence[Endpoint], model: str, warm: WarmSessions) -> None:
        """`endpoints`: at least one; the first is where calls belong, and where `warm` keeps sessions.

        `model`: for agents that name none.
        """
        self._bus = bus
        self._endpoints = endpoints
        self._model = model
        self._warm = warm
        self._shares: Mapping[Key, float] = {}
        self.on_word: Callable[[], None] = lambda: None
        """Called when the breakers were heard of, every second."""
        self._is_retired = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled or retired."""
        await self._bus.subscribe(subjects.ALL_BREAKERS, self._on_standings)
        await self._is_retired.wait()

    def retire(self) -> None:
        """No more calls will come."""
        self._is_retired.set()

    def find(self, name: str) -> Endpoint | None:
        """The endpoint of that name."""
        return next((each for each in self._endpoints if each.name == name), None)

    async def open(self, offer: Offer, model: str) -> Opened:
        """A session for the call, at the first endpoint that gives one. Raises the last one's `TrunklineError`."""
        keys = self._keys(model)
        has_failed = offer.reason is HandoverReason.UPSTREAM_FAILED
        *first, last = order(keys, self._shares, place_of(offer.call_id), has_failed=has_failed)
        for index in first:
            try:
                return await self._open_at(index, offer, keys[index][1])
            except TrunklineError as error:
                fields = logs.fields(call=offer.call_id, endpoint=keys[index][0], error=error.code)
                log.warning("no session here; trying the next endpoint", extra=fields)
        return await self._open_at(last, offer, keys[last][1])

    def admits(self, offer: Offer) -> bool:
        """True unless every endpoint is forbidden to this call by its breaker, and somebody else may be asked."""
        place, keys = place_of(offer.call_id), self._keys(offer.profile.model or self._model)
        return offer.is_last_resort or any(may_have(key, self._shares, place) for key in keys)

    def _keys(self, model: str) -> list[Key]:
        """Each endpoint and what it is asked for, as breakers are named."""
        return [(each.name, each.model or model) for each in self._endpoints]

    async def _open_at(self, index: int, offer: Offer, model: str) -> Opened:
        warm = self._warm.take(model) if index == 0 else None
        opened = await self._endpoints[index].opener.for_call(offer, model, warm)
        return replace(opened, service_level=min(index, 1))

    def _on_standings(self, message: Msg) -> None:
        said = BreakerStandings.decode(message.data)
        self._shares = {(each.provider, each.model): each.share for each in said.standings}
        self.on_word()

    def may_go_first(self, call_id: str, model: str) -> bool:
        """True if this call may be given to the first endpoint, as far as its breaker goes."""
        return may_have(self._keys(model)[0], self._shares, place_of(call_id))
