"""Which calls nobody carries any more, and when to give them up: each lost call is watched for a while first."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """What the registry says of a call without a record."""

    edge_id: str
    revision: int
    is_live: bool
    patience_s: float = 0.0
    """How much longer than others it may take to come back: a human is being dialled for its caller."""


@dataclass(frozen=True, slots=True)
class _Orphan:
    entry: Entry
    since: float


class Orphanage:
    """Fed with what the registry holds and who lives; asked who is due.

    An entry that nobody touches while its edge is away is an orphan's. An edge that said farewell is gone, and the
    carrier has brought its calls to others soon after or never will. One that fell silent may only be cut off from
    NATS and still carry its calls, so these are given longer.
    """

    def __init__(self, after_farewell_s: float, after_silence_s: float) -> None:
        self._after_farewell_s = after_farewell_s
        self._after_silence_s = after_silence_s
        self._departed: set[str] = set()
        self._orphans: dict[str, _Orphan] = {}

    @property
    def has_any(self) -> bool:
        """True while calls are watched."""
        return bool(self._orphans)

    def said_farewell(self, edge_id: str) -> None:
        """The edge is gone for certain."""
        self._departed.add(edge_id)

    def feed(self, found: Mapping[str, Entry], living: Collection[str], now: float) -> tuple[str, ...]:
        """Take all of the registry's unfinished calls. Returns those among them that are orphans now, and live."""
        orphans = {call_id: entry for call_id, entry in found.items() if entry.edge_id not in living}
        self._orphans = {
            call_id: before
            if (before := self._orphans.get(call_id)) is not None and before.entry == entry
            else _Orphan(entry, now)
            for call_id, entry in orphans.items()
        }
        self._departed &= {entry.edge_id for entry in orphans.values()}
        return tuple(call_id for call_id, entry in orphans.items() if entry.is_live)

    def due(self, living: Collection[str], now: float) -> tuple[str, ...]:
        """The calls to give up now; they are no longer watched. An edge that came back keeps its calls."""
        ready = tuple(call_id for call_id, orphan in self._orphans.items() if now - orphan.since >= self._grace(orphan))
        given_up = tuple(call_id for call_id in ready if self._orphans[call_id].entry.edge_id not in living)
        for call_id in ready:
            del self._orphans[call_id]
        return given_up

    def _grace(self, orphan: _Orphan) -> float:
        grace_s = self._after_farewell_s if orphan.entry.edge_id in self._departed else self._after_silence_s
        return grace_s + orphan.entry.patience_s
