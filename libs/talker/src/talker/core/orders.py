"""What a tool has ordered for the end of the agent's answer: hang up, or give the caller to a human.

The caller is to hear the goodbye, or that somebody else takes over, before it happens. A caller who speaks meanwhile is
answered first. Whoever says "thanks, bye" into the goodbye is not kept on the line for it: the call ends when nothing
more comes for a while after that answer. Whoever speaks twice has something on their mind: then hanging up is off,
until the model orders it anew. A transfer is never off, it only waits: the human can go on from there.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from common.fsm import Machine
from common.messages.tools import HangUpOrder, TransferOrder
from talker.core.vocabulary import AskHangUp, AskTransfer
from talker.core.waiting import NEVER

UNDER_WAY_S: Final = 0.3
"""From us to the caller's ear, beside what the carrier has buffered."""
GRACE_S: Final = 4.0
"""A caller who has spoken into the goodbye may say more for so long after the answer to that."""
TURNS_AT_MOST: Final = 1
"""Caller turns that only put hanging up off."""


class Stand(Enum):
    """How far it is."""

    NONE = "none"
    """Nothing is ordered."""
    ORDERED = "ordered"
    """The agent has still to answer."""
    ANSWERED = "answered"
    """The agent's answer is on its way to the caller's ear."""


class Cue(Enum):
    """What moves it."""

    ORDERED = "ordered"
    ANSWERED = "answered"
    CALLER_BEGAN = "caller_began"
    DROPPED = "dropped"
    """Carried out, or off."""


_S, _C = Stand, Cue

ORDERS: Final[Mapping[tuple[Stand, Cue], Stand]] = {
    (_S.NONE, _C.ORDERED): _S.ORDERED,
    (_S.NONE, _C.ANSWERED): _S.NONE,
    (_S.NONE, _C.CALLER_BEGAN): _S.NONE,
    (_S.NONE, _C.DROPPED): _S.NONE,
    (_S.ORDERED, _C.ORDERED): _S.ORDERED,
    (_S.ORDERED, _C.ANSWERED): _S.ANSWERED,
    (_S.ORDERED, _C.CALLER_BEGAN): _S.ORDERED,
    (_S.ORDERED, _C.DROPPED): _S.NONE,
    (_S.ANSWERED, _C.ORDERED): _S.ORDERED,
    (_S.ANSWERED, _C.ANSWERED): _S.ANSWERED,
    (_S.ANSWERED, _C.CALLER_BEGAN): _S.ORDERED,
    (_S.ANSWERED, _C.DROPPED): _S.NONE,
}
"""Total on purpose: callers and models do as they like."""


class Orders:
    """One at a time; of several the last counts."""

    def __init__(self) -> None:
        self._machine = Machine(ORDERS, Stand.NONE)
        self._order: HangUpOrder | TransferOrder = HangUpOrder()
        self._turns = 0

    @property
    def stand(self) -> Stand:
        """How far it is."""
        return self._machine.state

    def take(self, order: HangUpOrder | TransferOrder) -> None:
        """A tool has ordered this."""
        self._order, self._turns = order, 0
        self._machine.move(Cue.ORDERED)

    def answered(self) -> None:
        """The agent has said all it wanted to say to it."""
        self._machine.move(Cue.ANSWERED)

    def caller_began(self) -> None:
        """The caller speaks."""
        self._machine.move(Cue.CALLER_BEGAN)
        self._turns += 1
        if isinstance(self._order, HangUpOrder) and self._turns > TURNS_AT_MOST:
            self._machine.move(Cue.DROPPED)

    def due_at(self, heard_at: float) -> float:
        """When to carry it out, if the caller will have heard everything at `heard_at` and nothing else happens."""
        if self.stand is not Stand.ANSWERED:
            return NEVER
        has_grace = self._turns > 0 and isinstance(self._order, HangUpOrder)
        return heard_at + UNDER_WAY_S + (GRACE_S if has_grace else 0.0)

    def carry_out(self) -> AskHangUp | AskTransfer:
        """It is due."""
        self._machine.move(Cue.DROPPED)
        return AskHangUp() if isinstance(self._order, HangUpOrder) else AskTransfer(self._order.to, self._order.summary)
