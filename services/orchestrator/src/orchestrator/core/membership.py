"""Which replicas of the orchestrator live, by their heartbeats, and which partitions are this one's by that."""

from typing import Final

from common.messages.heartbeat import Heartbeat
from orchestrator.core.partitions import PARTITIONS, preferred

SILENT_AFTER_S: Final = 1.0
"""Five heartbeats missed. The lease decides in the end; this only says who tries to have it."""


class Membership:
    """Fed with heartbeats; times are monotonic seconds."""

    def __init__(self, replica_id: str) -> None:
        self._replica_id = replica_id
        self._heard: dict[str, float] = {}
        self.is_leaving = False
        """True once this replica drains: everything is another's."""

    def feed(self, heartbeat: Heartbeat, now: float) -> None:
        """One sign of life; a draining replica or a farewell counts as gone."""
        if heartbeat.is_draining or heartbeat.is_farewell:
            self._heard.pop(heartbeat.process_id, None)
        elif heartbeat.process_id != self._replica_id:
            self._heard[heartbeat.process_id] = now

    def living(self, now: float) -> frozenset[str]:
        """Who can have partitions, this replica among them unless it leaves."""
        self._heard = {name: at for name, at in self._heard.items() if now - at < SILENT_AFTER_S}
        return frozenset(self._heard) if self.is_leaving else frozenset({*self._heard, self._replica_id})

    def ours(self, now: float) -> frozenset[int]:
        """The partitions this replica should have."""
        living = self.living(now)
        return frozenset(each for each in range(PARTITIONS) if preferred(each, living) == self._replica_id)
