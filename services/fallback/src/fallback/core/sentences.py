"""Sentences out of a stream of text, so that the first can be spoken while the model still writes."""

import re
from typing import Final

_LONG: Final = 220
"""Characters after which a sentence is broken at the next comma or space: the caller waits for all of it."""
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]*_]*(?=\s)|[。！？]+[」』）”]*|\n+")
_PAUSE: Final = re.compile(r"[,;:]\s+|[、，]")
_GAP: Final = re.compile(r"\s+")
_NO_END: Final = re.compile(
    r"(?:^|[\s(])(?:Mr|Mrs|Ms|Dr|St|No|Prof|approx|etc|vs|e\.g|i\.e|a\.m|p\.m|[A-Z])\.$|^\d{1,2}\.$"
)
"""Abbreviations, and the numbers of a list."""
_MARKUP: Final = re.compile(r"[*`#]+|(?<!\w)_+|_+(?!\w)")
"""Models write Markdown now and then; nobody wants to hear it."""


class Sentences:
    """`feed` it text as it comes; `rest` is what is left at the end. Only what can be spoken is a sentence."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> tuple[str, ...]:
        """The sentences that are whole now."""
        self._text += text
        whole: list[str] = []
        while (end := self._end()) is not None:
            sentence, self._text = _plain(self._text[:end]), self._text[end:].lstrip()
            if _is_speakable(sentence):
                whole.append(sentence)
        return tuple(whole)

    def rest(self) -> str:
        """What was not a whole sentence yet; empty afterwards."""
        rest, self._text = _plain(self._text), ""
        return rest if _is_speakable(rest) else ""

    def _end(self) -> int | None:
        begin = self._text[: _LONG + 1]
        for match in _END.finditer(begin):
            end = match.end()
            if end <= _LONG and _is_speakable(begin[:end]) and not _NO_END.search(begin[:end]):
                return end
        return _break_in(begin) if len(begin) > _LONG else None


def _break_in(text: str) -> int:
    """Where a sentence that is too long is best interrupted."""
    for interruption in (_PAUSE, _GAP):
        if found := interruption.search(text, _LONG // 2, _LONG):
            return found.end()
    return _LONG


def _plain(text: str) -> str:
    return _MARKUP.sub("", text).strip()


def _is_speakable(text: str) -> bool:
    """A dash, a bullet or a smile alone makes no sound, and whoever speaks sentences would call that a failure."""
    return any(character.isalnum() for character in text)
