"""The fleet's capacity as this edge sees it: how many calls its talkers can still take."""

from collections.abc import Set

from common.messages.heartbeat import Heartbeat


class Fleet:
    """The newest heartbeat of each talker. Who is lost, `edge.core.suspicion` decides; then `drop` it."""

    def __init__(self) -> None:
        self._heartbeats: dict[str, Heartbeat] = {}

    def feed(self, heartbeat: Heartbeat) -> None:
        """Take a talker's newest word on its load."""
        self._heartbeats[heartbeat.process_id] = heartbeat

    def drop(self, talker_id: str) -> None:
        """The talker is lost; nothing happens if it was not known."""
        self._heartbeats.pop(talker_id, None)

    def free_slots(self, suspected: Set[str] = frozenset()) -> int:
        """Calls that talkers neither draining nor `suspected` can still take."""
        return sum(
            max(0, heartbeat.capacity - heartbeat.calls)
            for talker_id, heartbeat in self._heartbeats.items()
            if not heartbeat.is_draining and talker_id not in suspected
        )
