"""The fleet as this edge sees it: which talkers live, how much they can take, who was just lost."""

from dataclasses import dataclass
from typing import Final

from common.messages.heartbeat import Heartbeat

STALE_AFTER_S: Final = 2.0
"""Without a heartbeat for this long a talker takes part in nothing."""


@dataclass(frozen=True, slots=True)
class _Seen:
    heartbeat: Heartbeat
    at: float


class Fleet:
    """Fed with heartbeats of one kind of process."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def feed(self, heartbeat: Heartbeat, now: float) -> None:
        """Take a sign of life, or a farewell."""
        if heartbeat.is_farewell:
            self._seen.pop(heartbeat.process_id, None)
        else:
            self._seen[heartbeat.process_id] = _Seen(heartbeat, now)

    def drop(self, process_id: str) -> None:
        """The process is known to be gone."""
        self._seen.pop(process_id, None)

    def free_slots(self, now: float) -> int:
        """Calls the living, not draining processes can still take."""
        return sum(
            max(0, seen.heartbeat.capacity - seen.heartbeat.calls)
            for seen in self._seen.values()
            if not seen.heartbeat.is_draining and now - seen.at < STALE_AFTER_S
        )

    def fallen_silent(self, now: float) -> tuple[str, ...]:
        """Processes without a heartbeat for `STALE_AFTER_S`. They are forgotten: each is told once."""
        silent = tuple(name for name, seen in self._seen.items() if now - seen.at >= STALE_AFTER_S)
        for name in silent:
            del self._seen[name]
        return silent
