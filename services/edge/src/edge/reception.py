"""Whether the edge takes another call now: gathers what admission looks at."""

from collections.abc import Callable

from common.bus.connection import Bus
from edge.calls import Calls
from edge.core import admission
from edge.core.admission import Delay, Refusal, Situation


class Reception:
    """Asked by every leg before it answers."""

    def __init__(
        self,
        bus: Bus,
        calls: Calls,
        free_slots: Callable[[], int],
        is_room_elsewhere: Callable[[], bool],
        max_calls: int,
    ) -> None:
        """`free_slots`: calls the talkers can still take; `is_room_elsewhere`: another edge takes calls."""
        self._bus = bus
        self._calls = calls
        self._free_slots = free_slots
        self._is_room_elsewhere = is_room_elsewhere
        self._max_calls = max_calls
        self.is_draining = False

    @property
    def sends_elsewhere(self) -> bool:
        """True while callers are better served by another edge: this one ends, and there is one."""
        return self.is_draining and self._is_room_elsewhere()

    def refusal(self) -> Refusal | None:
        """None: take the new call."""
        return admission.refusal(self._situation())

    def delay(self, call_id: str) -> Delay | None:
        """None: let this running call, whose stream ended, go on here."""
        return admission.delay(self._situation(), is_here=self._calls.get(call_id) is not None)

    def _situation(self) -> Situation:
        return Situation(
            is_draining=self.is_draining,
            calls=len(self._calls),
            max_calls=self._max_calls,
            is_bus_connected=self._bus.is_connected,
            free_slots=self._free_slots(),
            is_room_elsewhere=self._is_room_elsewhere(),
        )
