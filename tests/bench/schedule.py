"""When everything happens: the callers' frame clock, the agent's turns, the interruptions."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

FRAME_S: Final = 0.02
DELTA_S: Final = 0.2
"""Audio in one delta of the model's."""
DELTA_EVERY_S: Final = DELTA_S / 4.5
"""The model sends 4.5 times faster than real time, as measured on the real one."""
REPLY_DELTAS: Final = 20
GREETING_DELTAS: Final = 10
CYCLE_S: Final = 9.0
"""One cycle of the conversation; over four of them the caller hears the agent half of the time."""
CYCLES: Final = 4


class Act(Enum):
    """What the model does at a step."""

    HEAR_SPEECH = auto()
    """The caller starts to speak; nothing is being played."""
    INTERRUPT = auto()
    """The caller starts to speak while the agent is heard: a barge-in."""
    HEAR_SILENCE = auto()
    """The caller stopped: turn committed and transcribed."""
    REPLY = auto()
    """A response begins; its deltas follow on their own."""


@dataclass(frozen=True, slots=True)
class Step:
    """An act and its second within the cycle."""

    at_s: float
    act: Act


_TURN: Final = (Step(0.0, Act.HEAR_SPEECH), Step(0.8, Act.HEAR_SILENCE), Step(1.2, Act.REPLY))
_INTERRUPTED_EARLY: Final = (
    *_TURN,
    Step(1.7, Act.INTERRUPT),
    Step(2.5, Act.HEAR_SILENCE),
    Step(2.9, Act.REPLY),
)
_INTERRUPTED_LATE: Final = (
    Step(0.0, Act.REPLY),
    Step(1.5, Act.INTERRUPT),
    Step(2.1, Act.HEAR_SILENCE),
    Step(2.5, Act.REPLY),
)


def cycle(number: int) -> tuple[Step, ...]:
    """The steps of cycle `number`: plain, cut while still being generated, plain, cut when only playing."""
    return (_TURN, _INTERRUPTED_EARLY, _TURN, _INTERRUPTED_LATE)[number % CYCLES]


def first_cycle_at(call: int, calls: int, epoch: float, not_before: float) -> float:
    """When a call's first cycle begins: spread over `CYCLE_S` by its number, on the grid that starts at `epoch`."""
    due = epoch + CYCLE_S * call / calls
    missed = max(0.0, not_before - due)
    return due + CYCLE_S * -(-missed // CYCLE_S)


@dataclass(slots=True)
class FrameClock:
    """Says which call sends its next frame when: every call each 20 ms, the calls spread evenly over them.

    The due times are computed from the start and never shifted, so a late tick sends late, not less.
    """

    calls: int
    started_at: float
    sent: int = 0

    def next_due(self) -> tuple[int, float]:
        """The call whose turn it is, and when."""
        rounds, call = divmod(self.sent, self.calls)
        return call, self.started_at + (rounds + call / self.calls) * FRAME_S

    def advance(self) -> None:
        """The frame of `next_due` was sent."""
        self.sent += 1
