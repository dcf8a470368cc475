"""Whether the edge takes another call now: gathers what admission looks at."""

import time

from common.bus.connection import Bus
from edge.calls import Calls
from edge.core.admission import Refusal, Situation, refusal
from edge.core.fleet import Fleet


class Reception:
    """Asked by every leg before it answers."""

    def __init__(self, bus: Bus, calls: Calls, talkers: Fleet, max_calls: int) -> None:
        self._bus = bus
        self._calls = calls
        self._talkers = talkers
        self._max_calls = max_calls
        self.is_draining = False

    def refusal(self) -> Refusal | None:
        """None: take the call."""
        return refusal(
            Situation(
                is_draining=self.is_draining,
                calls=len(self._calls),
                max_calls=self._max_calls,
                is_bus_connected=self._bus.is_connected,
                free_slots=self._talkers.free_slots(time.monotonic()),
            )
        )
