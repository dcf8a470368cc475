"""Who an agent is, as fields: company, role, tone and what it talks about, written out as instructions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from common.profile_part import Part

_ONE_LINE: Final = r"^[^\r\n]*[^\s][^\r\n]*$"
_AT_MOST: Final = 50

Line: TypeAlias = Annotated[str, Field(min_length=1, max_length=500, pattern=_ONE_LINE)]
Item: TypeAlias = Annotated[str, Field(min_length=1, max_length=200, pattern=_ONE_LINE)]


class Persona(Part):
    """Conversation settings. What the operator writes, never what a caller said: it becomes instructions."""

    company: Line | None = None
    """For whom the agent speaks."""
    role: Line | None = None
    """What it is there, such as `receptionist`."""
    tone: Line | None = None
    topics: tuple[Item, ...] = Field((), max_length=_AT_MOST)
    """What it talks about; none given: whatever the instructions say."""
    forbidden_subjects: tuple[Item, ...] = Field((), max_length=_AT_MOST)
    hand_over_words: tuple[Item, ...] = Field((), max_length=_AT_MOST)
    """Upon these, a caller is given to a human."""


@dataclass(frozen=True, slots=True)
class _Wording:
    """How one language says it."""

    title: str
    sentences: Mapping[str, str]
    """By field of `Persona`, in the order they are said."""
    listed: Callable[[Sequence[str]], str]


_ENGLISH: Final = _Wording(
    "How you speak for us:",
    {
        "company": "You speak on the telephone for {}.",
        "role": "Your role: {}.",
        "tone": "Your tone: {}.",
        "topics": "Talk about these topics only: {}. Say politely that you cannot help with anything else.",
        "forbidden_subjects": (
            "Never talk about: {}. If the caller asks, say that you cannot, and return to what you can help with."
        ),
        "hand_over_words": (
            "If the caller says one of the following, or asks for the same in other words, hand the call over to a "
            "human at once; if you have no way to do that, say so: {}."
        ),
    },
    "; ".join,
)
_JAPANESE: Final = _Wording(
    "話し方の決まり：",
    {
        "company": "あなたは{}の電話窓口として話します。",
        "role": "あなたの役割：{}。",
        "tone": "話し方：{}。",
        "topics": "次の話題だけを扱ってください：{}。それ以外のご用件は、お答えできないことを丁寧にお伝えください。",
        "forbidden_subjects": (
            "次の話題には決して触れないでください：{}。"
            "尋ねられたら、お答えできないことを伝え、ご案内できる話題に戻ってください。"
        ),
        "hand_over_words": (
            "お客様が次の言葉、または同じ意味のことをおっしゃったら、すぐに担当者におつなぎください。"
            "つなぐ手段がなければ、その旨をお伝えください：{}。"
        ),
    },
    "、".join,
)
_WORDINGS: Final = {"ja": _JAPANESE}


def written_out(persona: Persona, language: str) -> str:
    """The fields that are given as lines of instructions, always in the same words; empty if none is.

    Japanese for `ja`, English for every other language: models read it, callers do not hear it.
    """
    wording = _WORDINGS.get(language, _ENGLISH)
    lines = [
        sentence.replace("{}", value if isinstance(value, str) else wording.listed(value))
        for field, sentence in wording.sentences.items()
        if (value := getattr(persona, field))
    ]
    return "\n".join((wording.title, *(f"- {line}" for line in lines))) if lines else ""
