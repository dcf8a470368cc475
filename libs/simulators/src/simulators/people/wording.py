"""Which words two texts share, whatever their case and punctuation; texts without spaces are compared by character."""

from collections.abc import Sequence
from difflib import SequenceMatcher


def pieces(text: str) -> list[str]:
    """The words of a text, or its characters where words are not spaced. What is only punctuation becomes ""."""
    words = text.split()
    parts: Sequence[str] = words if len(words) > 1 else text.strip()
    return ["".join(filter(str.isalnum, part)).casefold() for part in parts]


def wording(text: str) -> tuple[str, ...]:
    """The pieces that are heard."""
    return tuple(filter(None, pieces(text)))


def shared_run(one: Sequence[str], other: Sequence[str]) -> int:
    """How many pieces in a row occur in both."""
    return SequenceMatcher(None, one, other, autojunk=False).find_longest_match().size
