"""The list of questions and answers as one text that fits into instructions."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

ANSWERS_AT_MOST: Final = 200
ENTRY_BYTES_AT_MOST: Final = 8_192
_BLANK_LINES: Final = re.compile(r"\n\s*\n")
_BETWEEN: Final = "\n\n"

Answers: TypeAlias = tuple[str, ...]
"""Entries in the order they are told; each a question with its answer, or a paragraph."""


@dataclass(frozen=True, slots=True)
class AnswerList:
    """What is usable of a source, and what was left out of it."""

    answers: Answers = ()
    malformed: int = 0
    """Without a question or an answer, or too long for one."""
    too_many: int = 0


def from_text(text: str) -> AnswerList:
    """Paragraphs, as the file has them; blank lines stand between."""
    parts = _BLANK_LINES.split(text.replace("\r\n", "\n"))
    return AnswerList(tuple(part.strip() for part in parts if part.strip()))


def from_pairs(pairs: Iterable[tuple[object, object]]) -> AnswerList:
    """Questions with their answers, in the alphabet's order: a source's own order may change, and then the text would.

    At most `ANSWERS_AT_MOST`, the first ones.
    """
    entries, malformed = set[str](), 0
    for question, answer in pairs:
        entry = _entry(question, answer)
        if entry is None:
            malformed += 1
        else:
            entries.add(entry)
    told = sorted(entries)
    return AnswerList(tuple(told[:ANSWERS_AT_MOST]), malformed, max(0, len(told) - ANSWERS_AT_MOST))


def fitting(answers: Answers, bytes_at_most: int) -> tuple[str, int]:
    """The entries as one text of that size at most, and how many had to be left out: the longest, of equals the last.

    So that as many callers as can be find their answer.
    """
    sizes = [len(entry.encode()) for entry in answers]
    whole = sum(sizes) + len(_BETWEEN) * max(0, len(sizes) - 1)
    left_out: set[int] = set()
    for index in _longest_first(sizes):
        if whole <= bytes_at_most:
            break
        left_out.add(index)
        whole -= sizes[index] + (len(_BETWEEN) if len(left_out) < len(sizes) else 0)
    return _BETWEEN.join(entry for index, entry in enumerate(answers) if index not in left_out), len(left_out)


def _longest_first(sizes: Sequence[int]) -> list[int]:
    return sorted(range(len(sizes)), key=lambda index: (-sizes[index], -index))


def _entry(question: object, answer: object) -> str | None:
    if not (isinstance(question, str) and isinstance(answer, str)):
        return None
    asked, told = " ".join(question.split()), answer.strip()
    entry = f"Q: {asked}\nA: {told}"
    return entry if asked and told and len(entry.encode()) <= ENTRY_BYTES_AT_MOST else None
