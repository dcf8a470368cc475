"""How the stack does, in five numbers: how many of each service are ready, and calls."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Final

from common.messages.heartbeat import Heartbeat

STALE_S: Final = 2.0


class CallCount:
    """Calls the edges carry, from their heartbeats. Fed with `now` in monotonic seconds."""

    def __init__(self) -> None:
        self._beats: dict[str, tuple[Heartbeat, float]] = {}

    def feed(self, beat: Heartbeat, now: float) -> None:
        """Take in one heartbeat; those that are not of edges do not count."""
        if beat.kind != "edge":
            return
        if beat.is_farewell:
            self._beats.pop(beat.process_id, None)
        else:
            self._beats[beat.process_id] = (beat, now)

    def total(self, now: float) -> int:
        """Calls of every edge heard of lately; one that died took its calls with it."""
        return sum(beat.calls for beat, at in self._beats.values() if now - at < STALE_S)


@dataclass(frozen=True, slots=True)
class Status:
    """One look at the stack."""

    edges_ready: int
    edges: int
    workers_ready: int
    workers: int
    fallbacks_ready: int
    fallbacks: int
    orchestrators_ready: int
    orchestrators: int
    calls: int
    waiting_for: tuple[str, ...] = ()
    """Processes that are not ready."""
    is_draining: bool = False

    @classmethod
    def look(
        cls,
        edges: Collection[str],
        workers: Collection[str],
        fallbacks: Collection[str],
        orchestrators: Collection[str],
        everything: Collection[str],
        ready: Collection[str],
        *,
        calls: int,
        is_draining: bool,
    ) -> "Status":
        """Count what is ready."""
        return cls(
            edges_ready=sum(name in ready for name in edges),
            edges=len(edges),
            workers_ready=sum(name in ready for name in workers),
            workers=len(workers),
            fallbacks_ready=sum(name in ready for name in fallbacks),
            fallbacks=len(fallbacks),
            orchestrators_ready=sum(name in ready for name in orchestrators),
            orchestrators=len(orchestrators),
            calls=calls,
            waiting_for=() if is_draining else tuple(name for name in everything if name not in ready),
            is_draining=is_draining,
        )

    def as_text(self) -> str:
        """The status line."""
        calls = f"{self.calls} call" + ("" if self.calls == 1 else "s")
        parts = [
            f"edges {self.edges_ready}/{self.edges} ready",
            f"workers {self.workers_ready}/{self.workers} ready",
            f"fallbacks {self.fallbacks_ready}/{self.fallbacks} ready",
            f"orchestrators {self.orchestrators_ready}/{self.orchestrators} ready",
            f"{calls} active",
        ]
        if self.is_draining:
            parts.append("draining, Ctrl-C ends at once")
        elif self.waiting_for:
            parts.append(f"waiting for {', '.join(self.waiting_for)}")
        return " · ".join(parts)

    def as_json(self) -> dict[str, object]:
        """The same for machines."""
        return {"event": "status", **asdict(self)}
