"""The other edges as this one sees them: who lives, who could take calls, who was lost with calls."""

from typing import Final

from common.messages.heartbeat import Heartbeat

STALE_AFTER_S: Final = 2.0
"""Without a heartbeat for this long an edge takes part in nothing."""


class Neighbours:
    """Fed with the heartbeats of edges, our own among them."""

    def __init__(self, edge_id: str) -> None:
        self._edge_id = edge_id
        self._seen: dict[str, tuple[Heartbeat, float]] = {}

    def feed(self, heartbeat: Heartbeat, now: float) -> str | None:
        """Take a sign of life. Returns the edge's id if it was the last one, while it still had calls."""
        if heartbeat.process_id == self._edge_id:
            return None
        if not heartbeat.is_farewell:
            self._seen[heartbeat.process_id] = heartbeat, now
            return None
        before = self._seen.pop(heartbeat.process_id, None)
        had_calls = heartbeat.calls > 0 or (before is not None and before[0].calls > 0)
        return heartbeat.process_id if had_calls else None

    def fallen_silent(self, now: float) -> tuple[str, ...]:
        """Edges that said nothing for `STALE_AFTER_S`, not even farewell. Each is told once."""
        silent = tuple(name for name, (_, at) in self._seen.items() if now - at >= STALE_AFTER_S)
        for name in silent:
            del self._seen[name]
        return silent

    def living(self, now: float) -> tuple[str, ...]:
        """Everybody else who gave a sign of life just now."""
        return tuple(name for name, (_, at) in self._seen.items() if now - at < STALE_AFTER_S)

    def is_room_elsewhere(self, now: float) -> bool:
        """True if another edge lives that takes calls."""
        return any(not beat.is_draining and now - at < STALE_AFTER_S for beat, at in self._seen.values())
