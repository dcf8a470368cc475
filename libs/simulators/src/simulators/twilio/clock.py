"""The 20 ms clock of all calls of one process, in one task; it says how late it ran."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

FRAME_S = 0.02
_SLOTS = 20
_SLOT_S = FRAME_S / _SLOTS
# A frame that leaves later than this is counted: half its length, beyond what the jitter of a healthy loop explains.
LATE_S = 0.01

Tick = Callable[[float], None]


@dataclass(slots=True)
class Lateness:
    """How honest a clock was."""

    frames: int = 0
    late_frames: int = 0
    max_s: float = 0.0

    def add(self, late_s: float) -> None:
        """Count one frame that left so much after its time."""
        self.frames += 1
        self.late_frames += late_s > LATE_S
        self.max_s = max(self.max_s, late_s)


class FrameClock:
    """Ticks every subscriber each 20 ms, with the time at which the tick was due.

    The subscribers are spread over twenty slots of a millisecond, as real calls are. After a stall every missed tick
    is made up for, so the number of frames always follows from the time.
    """

    def __init__(self) -> None:
        self.lateness = Lateness()
        self._slots: list[list[Tick]] = [[] for _ in range(_SLOTS)]
        self._next_slot = 0
        self._base_s = time.monotonic()

    def subscribe(self, tick: Tick) -> None:
        """Call `tick` every 20 ms from now on, in the slot that has least to do."""
        min(self._slots, key=len).append(tick)

    def unsubscribe(self, tick: Tick) -> None:
        """Stop calling `tick`."""
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)

    async def run(self) -> None:
        """Tick until cancelled."""
        self._base_s = time.monotonic()
        while True:
            self._next_slot += self._empty_slots_ahead()
            due = self._base_s + self._next_slot * _SLOT_S
            wait = due - time.monotonic()
            # Far behind: let the sockets breathe between the ticks that are made up for.
            if wait > 0 or wait < -FRAME_S:
                await asyncio.sleep(max(0.0, wait))
            self._run_slot(due)

    def _empty_slots_ahead(self) -> int:
        ahead = (step for step in range(_SLOTS) if self._slots[(self._next_slot + step) % _SLOTS])
        return next(ahead, _SLOTS - 1)

    def _run_slot(self, due: float) -> None:
        slot = self._slots[self._next_slot % _SLOTS]
        self._next_slot += 1
        for tick in tuple(slot):
            self.lateness.add(time.monotonic() - due)
            tick(due)
