"""Which replicas are gone, judged by their heartbeats."""

from collections import OrderedDict
from typing import Final

GONE_AFTER_S: Final = 2.0
_KNOWN_AT_MOST: Final = 1_000


class Owners:
    """What runs tools elsewhere. Times are monotonic seconds of this process."""

    def __init__(self, now: float) -> None:
        self._listening_since = now
        self._heard: OrderedDict[str, float] = OrderedDict()

    def heard(self, replica_id: str, now: float) -> None:
        """A sign of life."""
        self._heard[replica_id] = now
        self._heard.move_to_end(replica_id)
        if len(self._heard) > _KNOWN_AT_MOST:
            self._heard.popitem(last=False)

    def was_deaf(self, now: float) -> None:
        """Until now signs of life may have been missed: this process or the bus was away."""
        self._listening_since = now

    def is_gone(self, replica_id: str, now: float) -> bool:
        """True if nothing was heard of it for so long that it cannot be living, though we listened."""
        return now - max(self._heard.get(replica_id, self._listening_since), self._listening_since) > GONE_AFTER_S
