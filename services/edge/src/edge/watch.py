"""The watch over the talkers: brings what the bus tells to `edge.core.suspicion`, and does what it answers."""

import asyncio
import time
from collections.abc import Mapping, Set
from functools import partial
from random import SystemRandom
from typing import Final, Protocol, assert_never

from nats.aio.msg import Msg

from common import logs, metrics, subjects
from common.bus.connection import Bus, has_no_responders
from common.messages.commands import NotTalking, Ping
from common.messages.heartbeat import Heartbeat
from common.subjects import Pool, ProcessKind
from edge.core import evidence
from edge.core.fleet import Fleet
from edge.core.suspicion import Suspicion

log = logs.get("watch")

_LOOK_EVERY_S: Final = 0.05
"""Also the grain in which our own lag is measured."""
_PING: Final = Ping().encode()
_RECEIPT: Final = b"{}"
_KINDS: Final[Mapping[Pool, ProcessKind]] = {"realtime": "realtime_worker", "fallback": "fallback"}
"""Which processes are in a pool."""


class TalkerNews(Protocol):
    """Who is told of talkers, by their ids."""

    def talker_gone(self, talker_id: str) -> None:
        """It is given up: every call it talked in needs another."""
        ...

    def talker_unreached(self, talker_id: str) -> None:
        """A message found nobody there, which may be the bus' fault."""
        ...

    def talker_alive(self, talker_id: str) -> None:
        """It gave a sign of life."""
        ...

    def talker_denies(self, talker_id: str, calls: tuple[tuple[int, int], ...]) -> None:
        """It does not talk in these calls (key and epoch), though it gets their audio."""
        ...

    def talkers_missed(self) -> None:
        """Other talkers than before are missed or held (`TalkerWatch.missed_since`, `is_held`), or none any more."""
        ...


class TalkerWatch:
    """Knows the talkers by their heartbeats, says which of them is lost, and how much the others can take."""

    def __init__(self, bus: Bus, edge_id: str, news: TalkerNews) -> None:
        self._bus = bus
        self._edge_id = edge_id
        self._news = news
        self._fleets: Mapping[Pool, Fleet] = {pool: Fleet(SystemRandom()) for pool in _KINDS}
        self._suspicion = Suspicion()
        self._was_bus_well = True
        self._bus_event_at = 0.0
        self._held: frozenset[str] = frozenset()
        self._missed: frozenset[str] = frozenset()
        self._to_probe: list[str] = []

    @property
    def is_holding(self) -> bool:
        """True while talkers are missed that may live: the bus or we are in doubt."""
        return self._suspicion.is_holding

    def is_held(self, talker_id: str) -> bool:
        """True while this talker would be given up, were there no doubt about us or the bus."""
        return talker_id in self._held

    def missed_since(self, talker_id: str) -> float | None:
        """Its last sign of life (monotonic), if it has left a question unanswered since."""
        return self._suspicion.missed_since(talker_id)

    def free_slots(self, pool: Pool) -> int:
        """Calls the talkers of a pool can still take."""
        return self._fleets[pool].free_slots(self._suspicion.suspected)

    def takes_calls(self, pool: Pool) -> bool:
        """True if there is anybody in the pool who takes calls, be it that there is no room now."""
        return self._fleets[pool].takes_calls

    def choose(self, pool: Pool, without: Set[str]) -> str | None:
        """A talker with room that nothing is held against, and none of `without`. None: no such one is known."""
        return self._fleets[pool].choose(self._suspicion.suspected | without)

    def pool_of(self, talker_id: str) -> Pool | None:
        """Where this talker is; None if it is not known, or lost."""
        return next((pool for pool, fleet in self._fleets.items() if talker_id in fleet), None)

    async def subscribe(self) -> None:
        """Hear the talkers, and hear of them."""
        for pool, kind in _KINDS.items():
            await self._bus.subscribe(subjects.heartbeats_of(kind), partial(self._on_heartbeat, pool))
        await self._bus.subscribe(subjects.undelivered_to_any(self._edge_id), self._on_reply)

    async def run(self) -> None:
        """Look at the time, and ask whom it is time to ask, until cancelled."""
        while True:
            due = min(time.monotonic() + _LOOK_EVERY_S, self._suspicion.next_deadline() or float("inf"))
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._feed(evidence.Tick(max(0.0, time.monotonic() - due)))
            to_probe, self._to_probe = self._to_probe, []
            for talker_id in to_probe:
                await self._probe(talker_id)

    async def _probe(self, talker_id: str) -> None:
        """The answer comes where NATS answers when nobody is there; no task waits for it."""
        answer_to = subjects.undelivered(self._edge_id, talker_id)
        if talker_id == self._edge_id:
            await self._bus.publish(answer_to, b"")
        else:
            await self._bus.publish(subjects.talker(talker_id), _PING, reply=answer_to)

    # --- from the bus ---------------------------------------------------------------------------------------------

    def _on_heartbeat(self, pool: Pool, message: Msg) -> None:
        heartbeat, fleet = Heartbeat.decode(message.data), self._fleets[pool]
        if not (heartbeat.capacity or heartbeat.calls or heartbeat.process_id in fleet):
            return  # it only decides about providers, or has yet to take its first call
        if heartbeat.is_farewell:
            self._feed(evidence.SaidFarewell(heartbeat.process_id))
        else:
            fleet.feed(heartbeat)
            self._feed(evidence.ShowedLife(heartbeat.process_id))
            self._news.talker_alive(heartbeat.process_id)

    def _on_reply(self, message: Msg) -> None:
        """An answer to a probe, our own message to ourselves, or NATS: nobody takes this talker's messages."""
        talker_id = subjects.last_token(message.subject)
        if talker_id == self._edge_id:
            self._feed(evidence.BusAnswered())
        elif has_no_responders(message):
            self._news.talker_unreached(talker_id)
            self._feed(evidence.NobodyThere(talker_id))
        else:
            self._feed(evidence.ShowedLife(talker_id))
            if len(message.data) > len(_RECEIPT):
                self._news.talker_denies(talker_id, NotTalking.decode(message.data).calls)

    def _look_at_bus(self, now: float) -> None:
        is_well = self._bus.is_connected and self._bus.away_since is None
        has_moved = self._bus.last_event_at != self._bus_event_at
        if has_moved or is_well != self._was_bus_well:
            self._was_bus_well, self._bus_event_at = is_well, self._bus.last_event_at
            self._perform(self._suspicion.feed(evidence.BusChanged(is_well, has_moved), now))

    # --- performing -----------------------------------------------------------------------------------------------

    def _feed(self, event: evidence.Event) -> None:
        now = time.monotonic()
        self._look_at_bus(now)
        self._perform(self._suspicion.feed(event, now))
        held, missed = self._suspicion.held, self._suspicion.missed
        if (held, missed) != (self._held, self._missed):  # a talker is missed first, and held after that
            self._held, self._missed = held, missed
            self._news.talkers_missed()

    def _perform(self, commands: tuple[evidence.Command, ...]) -> None:
        for command in commands:
            match command:
                case evidence.Probe(talker_id):
                    self._to_probe.append(talker_id)
                case evidence.ProbeBus():
                    self._to_probe.append(self._edge_id)
                case evidence.DeclareLost():
                    self._give_up(command)
                case evidence.Hold(why):
                    metrics.TALKER_HOLDS.labels(why).inc()
                    log.warning("talkers are missed; holding", extra=logs.fields(why=why))
                case evidence.Resume():
                    log.info("talkers are no longer held")
                case _:
                    assert_never(command)

    def _give_up(self, command: evidence.DeclareLost) -> None:
        why = command.evidence
        metrics.TALKERS_LOST.labels(why).inc()
        if command.silent_s is not None and why is not evidence.Evidence.FAREWELL:
            metrics.TALKER_NOTICE.observe(command.silent_s)
        log.warning("talker is gone", extra=logs.fields(talker=command.talker_id, evidence=why))
        for fleet in self._fleets.values():
            fleet.drop(command.talker_id)
        self._news.talker_gone(command.talker_id)
