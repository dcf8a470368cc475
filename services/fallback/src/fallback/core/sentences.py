"""Sentences out of a stream of text, so that the first can be spoken while the model still writes."""

import re
from typing import Final

_LONG: Final = 220
"""Characters after which a sentence is broken at the next comma or space: the caller waits for all of it."""
_END: Final = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s)|[。！？]+[」』）]*|\n+")
_SOFT_END: Final = re.compile(r"[,;:、，]\s*|\s")
_ABBREVIATION: Final = re.compile(r"(?:^|\s)(?:Mr|Mrs|Ms|Dr|St|No|Prof|approx|etc|vs|e\.g|i\.e|[A-Z])\.$")
_MARKUP: Final = re.compile(r"[*_`#]+")
"""Models write Markdown now and then; nobody wants to hear it."""


class Sentences:
    """`feed` it text as it comes; `rest` is what is left at the end."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, text: str) -> tuple[str, ...]:
        """The sentences that are whole now."""
        self._text += _MARKUP.sub("", text)
        whole: list[str] = []
        while (end := self._end()) is not None:
            sentence, self._text = self._text[:end], self._text[end:].lstrip()
            if sentence.strip():
                whole.append(sentence.strip())
        return tuple(whole)

    def rest(self) -> str:
        """What was not a whole sentence yet; empty afterwards."""
        rest, self._text = self._text.strip(), ""
        return rest

    def _end(self) -> int | None:
        for match in _END.finditer(self._text):
            if not _ABBREVIATION.search(self._text[: match.end()]):
                return match.end()
        if len(self._text) < _LONG:
            return None
        soft = _SOFT_END.search(self._text, _LONG // 2)
        return soft.end() if soft is not None else _LONG
