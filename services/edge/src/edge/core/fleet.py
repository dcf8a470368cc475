"""The talkers as this edge sees them: how many calls each can still take, and which one to offer the next."""

from collections import Counter
from collections.abc import Iterator, Set
from random import Random

from common.messages.heartbeat import Heartbeat


class Fleet:
    """The newest heartbeat of each talker. Who is lost, `edge.core.suspicion` decides; then `drop` it."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._heartbeats: dict[str, Heartbeat] = {}
        self._chosen: Counter[str] = Counter()
        """How often each was chosen since its last heartbeat, which does not tell of these calls yet."""

    def feed(self, heartbeat: Heartbeat) -> None:
        """Take a talker's newest word on its load."""
        self._heartbeats[heartbeat.process_id] = heartbeat
        del self._chosen[heartbeat.process_id]

    def drop(self, talker_id: str) -> None:
        """The talker is lost; nothing happens if it was not known."""
        self._heartbeats.pop(talker_id, None)
        del self._chosen[talker_id]

    def __contains__(self, talker_id: object) -> bool:
        return talker_id in self._heartbeats

    @property
    def takes_calls(self) -> bool:
        """True if any talker would take calls, had it room."""
        return any(each.capacity > 0 and not each.is_draining for each in self._heartbeats.values())

    def free_slots(self, suspected: Set[str] = frozenset()) -> int:
        """Calls that talkers neither draining nor `suspected` can still take."""
        return sum(free for _, free in self._with_room(suspected))

    def choose(self, without: Set[str] = frozenset()) -> str | None:
        """Whom to offer a call: of two taken by chance the one with more room. None: nobody known has any.

        Always the emptiest would be one and the same for all edges, whose heartbeats are a tenth of a second old.
        """
        free = dict(self._with_room(without))
        candidates = self._random.sample(sorted(free), min(2, len(free)))
        chosen = max(candidates, key=lambda talker_id: free[talker_id], default=None)
        if chosen is not None:
            self._chosen[chosen] += 1
        return chosen

    def _with_room(self, without: Set[str]) -> Iterator[tuple[str, int]]:
        for talker_id, heartbeat in self._heartbeats.items():
            free = heartbeat.capacity - heartbeat.calls - self._chosen[talker_id]
            if free > 0 and not heartbeat.is_draining and talker_id not in without:
                yield talker_id, free
