"""What an agent is told: its wording with the list of answers put in, never more than a message holds."""

from dataclasses import dataclass

from common.profile_part import INSTRUCTIONS_BYTES_AT_MOST
from common.wording import FAQ_KB, Wording
from orchestrator.core.answers import AnswerList, fitting


class TooLong(ValueError):
    """Even without a single answer."""


@dataclass(frozen=True, slots=True)
class Told:
    """Final instructions, and how many answers had no room in them."""

    text: str
    left_out: int = 0


def tell(wording: Wording, answers: AnswerList | None, bytes_at_most: int = INSTRUCTIONS_BYTES_AT_MOST) -> Told:
    """Fill everything in. Answers give way so that the whole has `bytes_at_most`; None: there is no list.

    Raises `Unfilled`, or `TooLong` if it has more than `INSTRUCTIONS_BYTES_AT_MOST` without any answer.
    """
    places = wording.wants(FAQ_KB) if answers is not None else 0
    text, left_out = "", 0
    if answers is not None and places:
        room = bytes_at_most - _size(wording.filled({FAQ_KB: ""}))
        text, left_out = fitting(answers.answers, max(0, room // places))
    filled = wording.filled({FAQ_KB: text} if text else None)
    if _size(filled) > INSTRUCTIONS_BYTES_AT_MOST:
        raise TooLong(f"longer than {INSTRUCTIONS_BYTES_AT_MOST} bytes")
    return Told(filled, left_out)


def _size(text: str) -> int:
    return len(text.encode())
