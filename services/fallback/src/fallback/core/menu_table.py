"""Where a caller can be in the keypad menu, and every way from there to elsewhere."""

from enum import Enum, auto
from typing import Final


class Stand(Enum):
    """Where the caller is."""

    IDLE = auto()
    """Not in the menu: a model talks, or the call is over."""
    MENU = auto()
    HOLDING = auto()
    INSTRUCTING = auto()
    """Being told to speak after the tone."""
    RECORDING = auto()
    KEEPING = auto()
    """The message is being put on disk."""
    THANKING = auto()
    TRANSFERRING = auto()
    """Being told so."""
    GIVEN = auto()
    """The carrier was asked to dial the human."""
    PARTING = auto()


class Move(Enum):
    """What happens to a caller in the menu."""

    OFFER = auto()
    HOLD = auto()
    TAKE_MESSAGE = auto()
    RECORD = auto()
    KEEP = auto()
    ACKNOWLEDGE = auto()
    TRANSFER = auto()
    GIVE = auto()
    PART = auto()
    LEAVE = auto()


TABLE: Final = {
    (Stand.IDLE, Move.OFFER): Stand.MENU,
    (Stand.IDLE, Move.HOLD): Stand.HOLDING,
    (Stand.MENU, Move.OFFER): Stand.MENU,
    (Stand.MENU, Move.HOLD): Stand.HOLDING,
    (Stand.MENU, Move.TAKE_MESSAGE): Stand.INSTRUCTING,
    (Stand.MENU, Move.ACKNOWLEDGE): Stand.THANKING,
    (Stand.MENU, Move.TRANSFER): Stand.TRANSFERRING,
    (Stand.MENU, Move.PART): Stand.PARTING,
    (Stand.MENU, Move.LEAVE): Stand.IDLE,
    (Stand.HOLDING, Move.OFFER): Stand.MENU,
    (Stand.HOLDING, Move.HOLD): Stand.HOLDING,
    (Stand.HOLDING, Move.PART): Stand.PARTING,
    (Stand.HOLDING, Move.LEAVE): Stand.IDLE,
    (Stand.INSTRUCTING, Move.OFFER): Stand.MENU,
    (Stand.INSTRUCTING, Move.RECORD): Stand.RECORDING,
    (Stand.INSTRUCTING, Move.LEAVE): Stand.IDLE,
    (Stand.RECORDING, Move.OFFER): Stand.MENU,
    (Stand.RECORDING, Move.KEEP): Stand.KEEPING,
    (Stand.RECORDING, Move.LEAVE): Stand.IDLE,
    (Stand.KEEPING, Move.OFFER): Stand.MENU,
    (Stand.KEEPING, Move.ACKNOWLEDGE): Stand.THANKING,
    (Stand.KEEPING, Move.LEAVE): Stand.IDLE,
    (Stand.THANKING, Move.OFFER): Stand.MENU,
    (Stand.THANKING, Move.HOLD): Stand.HOLDING,
    (Stand.THANKING, Move.LEAVE): Stand.IDLE,
    (Stand.TRANSFERRING, Move.OFFER): Stand.MENU,
    (Stand.TRANSFERRING, Move.GIVE): Stand.GIVEN,
    (Stand.TRANSFERRING, Move.LEAVE): Stand.IDLE,
    (Stand.GIVEN, Move.OFFER): Stand.MENU,
    (Stand.GIVEN, Move.LEAVE): Stand.IDLE,
    (Stand.PARTING, Move.LEAVE): Stand.IDLE,
}
