"""What the keypad menu can offer: the key of each choice, and the prompt that tells it."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from common.profile import Menu
from common.prompt_names import Prompt


class Choice(Enum):
    """What a caller may choose; the value is the key."""

    HOLD = "1"
    MESSAGE = "2"
    CALLBACK = "3"
    HUMAN = "4"


TOLD_BY: Final[Mapping[Choice, Prompt]] = {
    Choice.HOLD: Prompt.MENU_HOLD,
    Choice.MESSAGE: Prompt.MENU_MESSAGE,
    Choice.CALLBACK: Prompt.MENU_CALLBACK,
    Choice.HUMAN: Prompt.MENU_TRANSFER,
}


def allowed(menu: Menu, *, has_number: bool) -> tuple[Choice, ...]:
    """What a profile's menu offers, in the order it is told. Who withholds the number cannot be called back."""
    offered = {
        Choice.HOLD: menu.hold,
        Choice.MESSAGE: menu.message,
        Choice.CALLBACK: menu.callback and has_number,
        Choice.HUMAN: menu.transfer is not None,
    }
    return tuple(choice for choice in Choice if offered[choice])
