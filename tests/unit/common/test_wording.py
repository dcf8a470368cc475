"""Instructions with placeholders: filled once, late ones included, and never twice."""

import pytest

from common.wording import LATE, Unfilled, Wording


def wording(text: str, language: str = "en", persona: str = "", **placeholders: str) -> Wording:
    return Wording(text, placeholders, language, persona)


def test_values_are_put_in_as_they_are() -> None:
    assert wording("{A}{B}", A="{B}", B="{FAQ_KB}").filled({"FAQ_KB": "{A}"}) == "{B}{FAQ_KB}"


@pytest.mark.parametrize("language", ["en", "ja", "fr"])
@pytest.mark.parametrize("name", sorted(LATE))
def test_without_a_late_value_the_agent_is_told_that_there_is_none(language: str, name: str) -> None:
    text = wording(f"{{{name}}}", language).filled()
    assert text
    assert "{" not in text


def test_a_japanese_agent_is_told_so_in_japanese() -> None:
    assert wording("{FAQ_KB}", "ja").filled() == "回答集は現在手元にありません。"


def test_the_profiles_own_value_comes_first() -> None:
    own = wording("{FAQ_KB}", FAQ_KB="ours")
    assert own.filled({"FAQ_KB": "theirs"}) == "ours"
    assert own.wants("FAQ_KB") == 0


def test_a_late_placeholder_is_counted_wherever_it_stands() -> None:
    assert wording("{FAQ_KB} {FAQ_KB}", persona="{FAQ_KB}").wants("FAQ_KB") == 3


def test_a_placeholder_without_a_value_is_named() -> None:
    with pytest.raises(Unfilled) as unfilled:
        wording("{B} {A}", B="b").filled()
    assert unfilled.value.name == "A"


def test_another_text_keeps_persona_and_placeholders() -> None:
    other = wording("old", persona="Be {TONE}.", TONE="calm").saying("New at {TONE}.\n")
    assert other.filled() == "New at calm.\n\nBe calm."


def test_a_text_without_persona_is_not_touched() -> None:
    assert wording("Line.\n").filled() == "Line.\n"
