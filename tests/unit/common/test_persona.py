"""A persona written out: the same words every time, in the agent's language."""

import pytest

from common.persona import Persona, written_out

WHOLE = Persona(
    company="The Reading Room",
    role="receptionist",
    tone="calm and friendly",
    topics=("books", "opening hours"),
    forbidden_subjects=("politics", "other libraries"),
    hand_over_words=("human", "manager"),
)
JAPANESE = Persona(
    company="閲覧室",
    role="受付",
    tone="丁寧語で落ち着いて",
    topics=("本", "開館時間"),
    forbidden_subjects=("政治",),
    hand_over_words=("担当者", "人間"),
)


def test_every_field_is_a_line_in_english() -> None:
    assert (
        written_out(WHOLE, "en")
        == """\
How you speak for us:
- You speak on the telephone for The Reading Room.
- Your role: receptionist.
- Your tone: calm and friendly.
- Talk about these topics only: books; opening hours. Say politely that you cannot help with anything else.
- Never talk about: politics; other libraries. If the caller asks, say that you cannot, and return to what you can \
help with.
- If the caller says one of the following, or asks for the same in other words, hand the call over to a human at \
once; if you have no way to do that, say so: human; manager."""
    )


def test_every_field_is_a_line_in_japanese() -> None:
    assert (
        written_out(JAPANESE, "ja")
        == """\
話し方の決まり：
- あなたは閲覧室の電話窓口として話します。
- あなたの役割：受付。
- 話し方：丁寧語で落ち着いて。
- 次の話題だけを扱ってください：本、開館時間。それ以外のご用件は、お答えできないことを丁寧にお伝えください。
- 次の話題には決して触れないでください：政治。尋ねられたら、お答えできないことを伝え、ご案内できる話題に戻ってください。
- お客様が次の言葉、または同じ意味のことをおっしゃったら、すぐに担当者におつなぎください。\
つなぐ手段がなければ、その旨をお伝えください：担当者、人間。"""
    )


def test_a_language_without_words_of_its_own_is_told_in_english() -> None:
    assert written_out(WHOLE, "fr") == written_out(WHOLE, "en")


@pytest.mark.parametrize("field", list(Persona.model_fields))
@pytest.mark.parametrize(("persona", "language"), [(WHOLE, "en"), (JAPANESE, "ja")])
def test_what_is_not_given_is_not_said(persona: Persona, language: str, field: str) -> None:
    without = persona.model_copy(update={field: Persona.model_fields[field].default})
    assert len(written_out(persona, language).splitlines()) - len(written_out(without, language).splitlines()) == 1


def test_an_empty_persona_says_nothing() -> None:
    assert written_out(Persona(), "en") == ""


def test_braces_in_a_field_stay_as_they_are() -> None:
    assert "for {} and {json}." in written_out(Persona(company="{} and {json}"), "en")
