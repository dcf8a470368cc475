"""What callers are told by recordings when no model speaks: the name of each prompt, which is also its file's name."""

from enum import StrEnum
from typing import Final

from common.profile import Menu


class Prompt(StrEnum):
    """One recording; `agents/prompts/<folder>/prompts.toml` has the words."""

    TROUBLE = "trouble"
    """There is technical trouble."""
    THROTTLED = "throttled"
    """There are many calls; hold the line."""
    MENU_HOLD = "menu_hold"
    MENU_MESSAGE = "menu_message"
    MENU_CALLBACK = "menu_callback"
    MENU_TRANSFER = "menu_transfer"
    HOLDING = "holding"
    """Thank you for holding; we still try."""
    RECORD = "record"
    """Speak after the tone, press # when done."""
    TONE = "tone"
    RECORDED = "recorded"
    """The message is kept."""
    NOT_RECORDED = "not_recorded"
    """The message could not be kept."""
    CALLBACK_NOTED = "callback_noted"
    STAY_OR_END = "stay_or_end"
    """Hang up now, or stay on the line."""
    TRANSFERRING = "transferring"
    TRANSFER_FAILED = "transfer_failed"
    NOT_UNDERSTOOD = "not_understood"
    """That key means nothing here."""
    PARDON = "pardon"
    """Nothing was made out of what the caller said."""
    ONE_MOMENT = "one_moment"
    RESUMED = "resumed"
    """We are connected again."""
    GOODBYE = "goodbye"


_OF_MESSAGES: Final = frozenset({Prompt.MENU_MESSAGE, Prompt.RECORD, Prompt.TONE, Prompt.RECORDED, Prompt.NOT_RECORDED})
_OF_CALLBACKS: Final = frozenset({Prompt.MENU_CALLBACK, Prompt.CALLBACK_NOTED})
_OF_TRANSFERS: Final = frozenset({Prompt.MENU_TRANSFER, Prompt.TRANSFERRING, Prompt.TRANSFER_FAILED})


def needed(menu: Menu) -> frozenset[Prompt]:
    """The prompts a caller with this menu may be told."""
    unneeded: frozenset[Prompt] = frozenset()
    for is_offered, prompts in (
        (menu.hold, frozenset({Prompt.MENU_HOLD})),
        (menu.message, _OF_MESSAGES),
        (menu.callback, _OF_CALLBACKS),
        (menu.transfer is not None, _OF_TRANSFERS),
    ):
        unneeded |= frozenset() if is_offered else prompts
    return frozenset(Prompt) - unneeded
