"""What is recorded of a session while it runs, for tests to judge afterwards."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from simulators.openai.realtime.refusals import Json, Refusal

GAP_MS: Final = 100.0
"""Appends further apart than this are recorded (they should come every 20 ms)."""
MAX_ENTRIES: Final = 1000


@dataclass(slots=True)
class Appends:
    """How the caller's audio arrived."""

    count: int = 0
    total_bytes: int = 0
    first_monotonic_s: float | None = None
    last_monotonic_s: float | None = None
    longest_gap_ms: float = 0.0
    gaps: list[Json] = field(default_factory=list)

    def add(self, size: int, at_byte: int, now: float) -> None:
        """One append of `size` bytes that begins at `at_byte` of the session's audio."""
        if self.last_monotonic_s is None:
            self.first_monotonic_s = now
        else:
            gap_ms = (now - self.last_monotonic_s) * 1000
            if gap_ms > self.longest_gap_ms:
                self.longest_gap_ms = gap_ms
            if gap_ms > GAP_MS and len(self.gaps) < MAX_ENTRIES:
                self.gaps.append({"at_monotonic_s": now, "gap_ms": round(gap_ms, 1), "at_audio_ms": at_byte // 8})
        self.last_monotonic_s = now
        self.count += 1
        self.total_bytes += size

    def describe(self) -> Json:
        """For `GET /_sim/sessions`."""
        return {
            "count": self.count,
            "bytes": self.total_bytes,
            "first_monotonic_s": self.first_monotonic_s,
            "last_monotonic_s": self.last_monotonic_s,
            "longest_gap_ms": round(self.longest_gap_ms, 1),
            "gaps": self.gaps,
        }


@dataclass(slots=True)
class Ledger:
    """Counts and lists, bounded."""

    client_events: Counter[str] = field(default_factory=Counter)
    server_events: Counter[str] = field(default_factory=Counter)
    refused: list[Json] = field(default_factory=list)
    speech: list[Json] = field(default_factory=list)
    truncations: list[Json] = field(default_factory=list)
    faults: list[Json] = field(default_factory=list)
    appends: Appends = field(default_factory=Appends)
    updated_monotonic_s: list[float] = field(default_factory=list)
    """When the session was configured, each time; an update that changes nothing does not count."""
    updates: list[Json] = field(default_factory=list)
    """Every `session.update` that was taken: which fields of the session it held."""
    unanswered: int = 0
    """Messages that came while the session answered nothing any more."""

    def refuse(self, refusal: Refusal, event_type: str, now: float) -> None:
        """A client event was answered with an error."""
        if len(self.refused) < MAX_ENTRIES:
            entry = {"event_type": event_type, "code": refusal.code, "param": refusal.param}
            self.refused.append({**entry, "message": refusal.message, "at_monotonic_s": now})

    def update(self, session: Json, now: float) -> None:
        """The client has updated the session."""
        if len(self.updates) < MAX_ENTRIES:
            self.updates.append({"fields": [name for name in session if name != "type"], "at_monotonic_s": now})

    def hear(self, edge: str, audio_ms: int, now: float) -> None:
        """Speech started or stopped."""
        if len(self.speech) < MAX_ENTRIES:
            self.speech.append({"edge": edge, "audio_ms": audio_ms, "at_monotonic_s": now})
