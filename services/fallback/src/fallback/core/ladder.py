"""The rungs of the ladder a fallback talker serves a call on, and what moves it between them."""

from enum import Enum, auto
from typing import Final


class Rung(Enum):
    """What answers the caller; the values are the service levels of `design.md` section 8."""

    PIPELINE = 2
    """Transcription, a chat model and speech, turn by turn."""
    MENU = 3
    """Prompts, keys, messages, a human."""


class Step(Enum):
    """What happens to it."""

    DOWN = auto()
    """A stage of the pipeline has no endpoint that works."""
    UP = auto()
    """Every stage has one again."""


LADDER: Final = {
    (Rung.PIPELINE, Step.DOWN): Rung.MENU,
    (Rung.MENU, Step.UP): Rung.PIPELINE,
}
MENU_AT_LEAST_S: Final = 10.0
"""Nobody is tossed about: who has come to the menu stays there for so long."""
