"""How far the search for a talker of one call is, and what moves it on: the table of `edge.core.arbiter`."""

from enum import Enum, auto
from typing import Final


class Seeking(Enum):
    """How far the search for a talker is."""

    IDLE = auto()
    OFFERED = auto()
    PREPARING = auto()
    WAITING = auto()
    HOLDING = auto()


class Move(Enum):
    """What happens to the search."""

    SEEK = auto()
    ACCEPTED = auto()
    FAILED = auto()
    RETRY = auto()
    HOLD = auto()
    CUT = auto()
    ABANDON = auto()


TABLE: Final = {
    (Seeking.IDLE, Move.SEEK): Seeking.OFFERED,
    (Seeking.OFFERED, Move.ACCEPTED): Seeking.PREPARING,
    (Seeking.OFFERED, Move.FAILED): Seeking.WAITING,
    (Seeking.OFFERED, Move.HOLD): Seeking.HOLDING,
    (Seeking.OFFERED, Move.CUT): Seeking.IDLE,
    (Seeking.OFFERED, Move.ABANDON): Seeking.IDLE,
    (Seeking.PREPARING, Move.HOLD): Seeking.HOLDING,
    (Seeking.PREPARING, Move.CUT): Seeking.IDLE,
    (Seeking.PREPARING, Move.FAILED): Seeking.WAITING,
    (Seeking.PREPARING, Move.ABANDON): Seeking.IDLE,
    (Seeking.HOLDING, Move.CUT): Seeking.IDLE,
    (Seeking.HOLDING, Move.FAILED): Seeking.WAITING,
    (Seeking.HOLDING, Move.ABANDON): Seeking.IDLE,
    (Seeking.WAITING, Move.RETRY): Seeking.OFFERED,
    (Seeking.WAITING, Move.ABANDON): Seeking.IDLE,
}
