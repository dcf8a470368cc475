"""Orphans: calls whose edge is gone and whose caller never came back are ended, each with its one record."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from nats.aio.msg import Msg

from common import logs, metrics
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.bus.history import facts_of
from common.errors import UpstreamUnavailable
from common.lifecycle import LoopLag
from common.messages.commands import EndReason
from common.messages.facts import AnyFact, CallEnded, CallStarted, EpochChanged, LegReattached
from common.messages.heartbeat import Heartbeat
from edge import telling
from edge.call import Surroundings
from edge.calls import Calls
from edge.core.neighbours import STALE_AFTER_S, Neighbours
from edge.core.orphanage import Entry, Orphanage
from edge.core.past import Past
from edge.records import RecordFile
from edge.registry import Held, Registry

log = logs.get("orphans")

SWEEP_EVERY_S: Final = 300.0
AFTER_REATTACHING_S: Final = 5.0
BUS_AWAY_AT_MOST_S: Final = 60.0
"""An edge that is cut off from NATS holds its calls this long."""
_LOOK_EVERY_S: Final = 0.25
_SPREAD_S: Final = 1.0
"""Edges that notice a loss at the same moment look one after the other."""
_AGAIN_AFTER_S: Final = 2.0
_FACTS_WITHIN_S: Final = 5.0

Lost = Callable[[str, str], None]
"""Told the edge and the call of each orphan of an edge that was just lost."""


class Orphans:
    """Watches the other edges. Of all edges that see an orphan, one gives it up, by compare-and-set.

    Exactly one record: whoever ends a call, its edge or one of us, first enters it as ended (one wins), then writes
    the record, then enters that too. If the one that won dies between, its entry says ended but not recorded, and it
    is an orphan again. What remains: death after the record was written and before that was entered leads to a
    second record, unless the edges share the file and the record is found in it.
    """

    def __init__(
        self,
        around: Surroundings,
        calls: Calls,
        records: RecordFile,
        neighbours: Neighbours,
        on_orphan: Lost | None = None,
    ) -> None:
        self._edge_id = around.edge_id
        self._bus: Bus = around.bus
        self._registry: Registry = around.registry
        self._facts: FactWriter = around.facts
        self._calls = calls
        self._records = records
        self._neighbours = neighbours
        self._on_orphan = on_orphan
        grace_s = around.reattach_within_s + AFTER_REATTACHING_S
        self._orphanage = Orphanage(grace_s, grace_s + BUS_AWAY_AT_MOST_S)
        self._held: dict[str, Held] = {}
        self._just_lost: set[str] = set()
        self._sweep_at = time.monotonic() + random.uniform(0, _SPREAD_S)  # noqa: S311 - spreads work, hides nothing

    def on_heartbeat(self, message: Msg) -> None:
        """A sign of life of an edge, or its farewell."""
        lost = self._neighbours.feed(Heartbeat.decode(message.data), time.monotonic())
        if lost is not None:
            self._orphanage.said_farewell(lost)
            self._lost(lost)

    async def run(self) -> None:
        """Notice lost edges and care for their calls, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            now = time.monotonic()
            if not self._sees_clearly(now):
                continue
            for edge_id in self._neighbours.fallen_silent(now):
                self._lost(edge_id)
            if now >= self._sweep_at:
                await self._sweep()
            for call_id in self._orphanage.due(self._living(), time.monotonic()):
                await self._close(call_id, self._held[call_id])

    def _lost(self, edge_id: str) -> None:
        log.warning("an edge is gone; looking for its calls", extra=logs.fields(edge=edge_id))
        self._just_lost.add(edge_id)
        soon = time.monotonic() + random.uniform(0, _SPREAD_S)  # noqa: S311
        self._sweep_at = min(self._sweep_at, soon)

    def _sees_clearly(self, now: float) -> bool:
        """False while it may be ourselves or the bus that are away: then others seem silent."""
        is_settled = now - self._bus.last_event_at > 2 * STALE_AFTER_S
        return self._bus.is_connected and is_settled and LoopLag.seconds < STALE_AFTER_S / 4

    def _living(self) -> set[str]:
        return {*self._neighbours.living(time.monotonic()), self._edge_id}

    async def _sweep(self) -> None:
        """Look through the registry, once."""
        self._sweep_at = time.monotonic() + SWEEP_EVERY_S * random.uniform(0.8, 1.2)  # noqa: S311
        just_lost, self._just_lost = self._just_lost, set()
        try:
            self._held = await self._registry.unfinished()
        except UpstreamUnavailable:
            self._just_lost |= just_lost
            self._sweep_at = time.monotonic() + _AGAIN_AFTER_S
            return
        found = {call_id: self._entry(call_id, held) for call_id, held in self._held.items()}
        for call_id in self._orphanage.feed(found, self._living(), time.monotonic()):
            edge_id = self._held[call_id].entry.edge_id
            if edge_id in just_lost and self._on_orphan is not None:
                self._on_orphan(edge_id, call_id)

    def _entry(self, call_id: str, held: Held) -> Entry:
        """A call of our own that we do not carry is nobody's, such as one whose new stream broke at once."""
        is_live = held.entry.state == "live"
        is_missed_here = is_live and held.entry.edge_id == self._edge_id and not self._is_here(call_id)
        edge_id = "" if is_missed_here else held.entry.edge_id
        return Entry(edge_id, held.revision, is_live, float(held.entry.transfer_within_s) if is_live else 0.0)

    def _is_here(self, call_id: str) -> bool:
        return self._calls.get(call_id) is not None or self._calls.carries(call_id)

    # --- giving up ----------------------------------------------------------------------------------------------------

    async def end(self, call_id: str, reason: EndReason) -> None:
        """The carrier says that a call is over which no edge answers for: it need not be watched any longer.

        One whose edge fell silent a moment ago is left to it, or to the watch.
        """
        try:
            held = await self._registry.read(call_id)
        except UpstreamUnavailable:
            return
        if held is not None and held.entry.state == "live" and held.entry.edge_id not in self._living():
            await self._close(call_id, held, reason)

    async def _close(self, call_id: str, held: Held, told: EndReason | None = None) -> None:
        """End the call in the name of its edge, unless somebody was faster. `told`: why, if the carrier said so."""
        if await self._has_changed(call_id, held):
            return
        facts, is_whole = await facts_of(self._bus, call_id, _FACTS_WITHIN_S)
        if not is_whole:
            self._sweep_at = min(self._sweep_at, time.monotonic() + _AGAIN_AFTER_S)
            return
        ended = _end(facts)
        reason = held.entry.end_reason or (ended.reason if ended else told or _likely(held))
        over = {"state": "ended", "end_reason": reason, "transfer_to": "", "summary": "", "transfer_within_s": 0}
        entry = held.entry.model_copy(update={"edge_id": self._edge_id, **over})
        if self._is_here(call_id) or await self._registry.claim(call_id, entry, over=held) != "ours":
            return
        past = Past()
        past.add(facts)
        duration_ms = ended.duration_ms if ended else past.clock_ms
        if ended is None:
            self._facts.write(telling.ended(call_id, past.last_epoch, reason, duration_ms))
        if (ended or held.entry.state == "ended") and await self._records.holds(call_id):
            self._registry.recorded(call_id)
            return
        started = past.memory.started or CallStarted(
            call_id=call_id, leg="twilio", edge_id=held.entry.edge_id, profile=held.entry.profile, started_at=""
        )
        await self._records.append(telling.record(started, past.memory, reason, duration_ms))
        metrics.ORPHANS_CLOSED.inc()
        metrics.CALLS_ENDED.labels("inbound", str(reason)).inc()
        log.warning("closed a call that its edge left behind", extra=logs.fields(call=call_id, reason=reason))

    async def _has_changed(self, call_id: str, held: Held) -> bool:
        """True if somebody has taken the call since it was looked at; also if that cannot be said now."""
        try:
            return await self._registry.read(call_id) != held
        except UpstreamUnavailable:
            self._sweep_at = min(self._sweep_at, time.monotonic() + _AGAIN_AFTER_S)
            return True


def _likely(held: Held) -> EndReason:
    """How a call ended that nobody came back for: if a human was dialled, the carrier has it."""
    return EndReason.TRANSFERRED if held.entry.transfer_to else EndReason.LEG_LOST


def _end(facts: Sequence[AnyFact]) -> CallEnded | None:
    """The call's last word, unless it went on after it."""
    ended: CallEnded | None = None
    for fact in facts:
        match fact:
            case CallEnded():
                ended = fact
            case LegReattached() | EpochChanged():
                ended = None
            case _:
                pass
    return ended
