"""What an agent is told before its placeholders are filled: the profile's text with what belongs to it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

PLACEHOLDER: Final = re.compile(r"\{([A-Z][A-Z0-9_]*)\}")
FAQ_KB: Final = "FAQ_KB"
"""The list of questions and answers. Whoever reads it from a file or a table fills it late, when a call begins."""
LATE: Final = frozenset({FAQ_KB})
"""Placeholders of instructions that a profile need not give a value for."""
_NOT_AT_HAND: Final = {
    "en": {FAQ_KB: "No list of answers is at hand right now."},
    "ja": {FAQ_KB: "回答集は現在手元にありません。"},
}


class Unfilled(ValueError):
    """A placeholder that nobody gives a value for. `name` is the operator's word for it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no value for {{{name}}} under placeholders")
        self.name = name


@dataclass(frozen=True, slots=True)
class Wording:
    """One agent's instructions, still with `{PLACEHOLDERS}`."""

    text: str
    placeholders: Mapping[str, str]
    language: str
    persona: str = ""
    """Conversation settings written out (`common.persona`); they follow the text."""

    def saying(self, text: str) -> Self:
        """The same agent with another text: persona and placeholders stay."""
        return replace(self, text=text)

    @property
    def whole(self) -> str:
        """Text and persona, unfilled."""
        return "\n\n".join(
            part for part in (self.text.rstrip("\n") if self.persona else self.text, self.persona) if part
        )

    def wants(self, name: str) -> int:
        """How often the late placeholder `name` stands in it and is not filled by the profile itself."""
        return 0 if name in self.placeholders else PLACEHOLDER.findall(self.whole).count(name)

    def filled(self, late: Mapping[str, str] | None = None) -> str:
        """What the model is told. `late`: values of late placeholders; without one it is told that there is none.

        Raises `Unfilled`. Values are put in as they are: braces in them are not placeholders.
        """
        missing = next(self.unfilled(self.whole), None)
        if missing is not None:
            raise Unfilled(missing)
        values = {**_NOT_AT_HAND.get(self.language, _NOT_AT_HAND["en"]), **(late or {}), **self.placeholders}
        return PLACEHOLDER.sub(lambda match: values[match[1]], self.whole)

    def unfilled(self, text: str, late: frozenset[str] = LATE) -> Iterator[str]:
        """Placeholders in `text` without a value, by name."""
        return iter(sorted(set(PLACEHOLDER.findall(text)) - set(self.placeholders) - late))
