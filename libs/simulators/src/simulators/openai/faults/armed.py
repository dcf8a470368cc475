"""The faults one session carries: which are due, and which bend its next response."""

from dataclasses import dataclass
from typing import Final, TypeVar

from simulators.openai.faults.book import Entry
from simulators.openai.faults.kinds import (
    BlackHole,
    CloseSession,
    Fault,
    GarbageEvent,
    SessionCap,
)

Happening = CloseSession | BlackHole | GarbageEvent | SessionCap
HAPPENINGS: Final = (CloseSession, BlackHole, GarbageEvent, SessionCap)
T = TypeVar("T", bound=Fault)


@dataclass(slots=True)
class _Armed:
    entry: Entry
    since: float
    responses_before: int
    has_happened: bool = False


class ArmedFaults:
    """Times are monotonic seconds; `responses` is how many responses of the session have ended."""

    def __init__(self) -> None:
        self._opened_at = 0.0
        self._armed: list[_Armed] = []

    def open(self, now: float) -> None:
        """The session's socket opened."""
        self._opened_at = now

    def arm(self, entry: Entry, now: float, responses: int) -> None:
        """Carry this fault from now on."""
        self._armed.append(_Armed(entry, now, responses))

    def due(self, now: float, responses: int) -> list[Happening]:
        """What happens now; each fault once in a session."""
        happening: list[Happening] = []
        for armed in self._armed:
            fault = armed.entry.fault
            if not isinstance(fault, HAPPENINGS) or armed.has_happened or not self._is_ripe(armed, now, responses):
                continue
            armed.has_happened = True
            if armed.entry.use():
                happening.append(fault)
        return happening

    def next_deadline(self, responses: int) -> float | None:
        """When to ask `due` again, if only time is missing."""
        waiting = (
            self._ripe_at(armed)
            for armed in self._armed
            if isinstance(armed.entry.fault, HAPPENINGS)
            and not armed.has_happened
            and armed.entry.is_live
            and self._responses_reached(armed, responses)
        )
        return min(waiting, default=None)

    def bending(self, kind: type[T], now: float, responses: int) -> T | None:
        """The fault of this kind that meets the response starting now; counts as having happened."""
        for armed in self._armed:
            fault = armed.entry.fault
            if isinstance(fault, kind) and self._is_ripe(armed, now, responses) and armed.entry.use():
                return fault
        return None

    def _is_ripe(self, armed: _Armed, now: float, responses: int) -> bool:
        return now >= self._ripe_at(armed) and self._responses_reached(armed, responses)

    def _ripe_at(self, armed: _Armed) -> float:
        fault = armed.entry.fault
        if isinstance(fault, SessionCap):
            return self._opened_at + fault.seconds
        at = getattr(fault, "at", None)
        return armed.since + at.after_s if at else armed.since

    def _responses_reached(self, armed: _Armed, responses: int) -> bool:
        at = getattr(armed.entry.fault, "at", None)
        return at is None or responses - armed.responses_before >= at.after_responses
