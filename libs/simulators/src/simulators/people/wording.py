"""Which words two texts share, whatever their case and punctuation; texts without spaces are compared by character."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

_ENOUGH: Final = 0.6
"""Part of one text's words, or of the other's, that must follow each other for it to be what was said."""


def parts(text: str) -> tuple[str, ...]:
    """The words of a text, or its characters where words are not spaced."""
    words = text.split()
    return tuple(words) if len(words) > 1 or text.isascii() else tuple(text.strip())


def pieces(text: str) -> list[str]:
    """The parts without case and punctuation; one that is only punctuation becomes ""."""
    return ["".join(filter(str.isalnum, part)).casefold() for part in parts(text)]


def wording(text: str) -> tuple[str, ...]:
    """The pieces that are heard."""
    return tuple(filter(None, pieces(text)))


def shared_run(one: Sequence[str], other: Sequence[str]) -> int:
    """How many pieces in a row occur in both."""
    return SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size


def is_said_in(text: str, known: str) -> bool:
    """`text` holds the words of `known`, or most of them; or it is most of a piece of it."""
    words, others = wording(text), wording(known)
    return shared_run(words, others) >= _ENOUGH * min(len(words), len(others)) > 0
