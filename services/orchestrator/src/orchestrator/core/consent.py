"""Whether a caller's words are a yes or a no, in the languages agents speak."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Consent(StrEnum):
    """How a caller's turn reads."""

    YES = "yes"
    NO = "no"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class _Words:
    yes: tuple[str, ...]
    no: tuple[str, ...]
    has_spaces: bool = True
    """Words are told apart by spaces; otherwise they are looked for anywhere."""


def _words(yes: str, no: str, *, has_spaces: bool = True) -> _Words:
    return _Words(tuple(yes.split("|")), tuple(no.split("|")), has_spaces)


_OTHERWISE: Final = "en"
WORDS: Final[Mapping[str, _Words]] = {
    "en": _words(
        "yes|yeah|yep|yup|sure|ok|okay|correct|confirm|confirmed|absolutely|certainly|of course|go ahead|please do"
        "|do it|that's right|sounds good",
        "no|nope|nah|not|don't|dont|never|stop|wait|cancel|hold on|wrong",
    ),
    "de": _words(
        "ja|jawohl|jo|genau|gern|gerne|einverstanden|richtig|ok|okay|stimmt|mach das|machen sie das|in ordnung"
        "|selbstverständlich|natürlich",
        "nein|nee|nö|nicht|kein|keine|stopp|stop|halt|warte|warten|abbrechen|falsch",
    ),
    "fr": _words(
        "oui|ouais|d'accord|ok|okay|exactement|absolument|confirmé|volontiers|bien sûr|allez-y|vas-y|je confirme"
        "|c'est ça|tout à fait",
        "non|pas|jamais|arrête|arrêtez|attends|attendez|annule|annulez|stop|faux",
    ),
    "es": _words(
        "sí|claro|vale|ok|okay|correcto|exacto|confirmo|adelante|hágalo|hazlo|de acuerdo|por supuesto|está bien",
        "no|nunca|pare|basta|espera|espere|cancela|cancele|cancelar|tampoco|incorrecto",
    ),
    "ja": _words(
        "はい|ええ|うん|お願いします|おねがいします|お願い致します|お願いいたします|そうです|その通り|オーケー|オッケー|了解|いいですよ|よろしく",
        "いいえ|いえ|いや|違い|違う|ちがい|やめ|だめ|ダメ|駄目|待って|キャンセル|結構です|けっこうです|しないで|いらない|不要|ストップ"
        "|じゃない|ではない|よくない|ううん",
        has_spaces=False,
    ),
}
"""By language. Spanish `si` without its accent is an if, and not among them."""


def reads_as(text: str, language: str) -> Consent:
    """How `text` reads in `language`; in one without words here, as English.

    A no anywhere outweighs a yes: whoever is misunderstood that way is asked once more, nothing worse.
    """
    words = WORDS.get(language, WORDS[_OTHERWISE])
    said = _plain(text)
    if any(_holds(said, each, words.has_spaces) for each in words.no):
        return Consent.NO
    if any(_holds(said, each, words.has_spaces) for each in words.yes):
        return Consent.YES
    return Consent.NEITHER


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.sub(r"[^\w'\-]+", " ", folded).split())


def _holds(said: str, words: str, has_spaces: bool) -> bool:
    return f" {words} " in f" {said} " if has_spaces else words in said
