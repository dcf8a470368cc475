"""What agents must not say, and must: found whatever its case, width or punctuation, in any script."""

import pytest

from common.agents import OutputRules
from orchestrator.core.output_rules import breaches
from unit.orchestrator.following import answered, followed, said, started

NOTHING: frozenset[str] = frozenset()


def broken(text: str, *forbidden: str) -> list[str]:
    call = followed(started(), answered(1, text))
    return [each.rule for each in breaches(call, OutputRules(forbidden=forbidden), NOTHING)]


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("That is GUARANTEED!", "guaranteed"),
        ("It is free of charge.", "free of charge"),
        ("It is free,  of\ncharge", "Free of Charge"),
        ("ｇｕａｒａｎｔｅｅｄ", "guaranteed"),
        ("必ず儲かります。", "儲かり"),
        ("Das ist STRASSE", "straße"),
    ],
)
def test_forbidden_words_are_found(text: str, forbidden: str) -> None:
    assert broken(text, "never said", forbidden) == ["forbidden:1"]


@pytest.mark.parametrize("text", ["We guarantee nothing.", "Freedom of charges", "unguaranteed"])
def test_words_are_whole_words(text: str) -> None:
    assert broken(text, "guaranteed", "free of charge") == []


def test_what_the_caller_says_breaks_no_rule() -> None:
    call = followed(started(), said(1, "Is that guaranteed?"))
    assert breaches(call, OutputRules(forbidden=("guaranteed",)), NOTHING) == ()


def test_only_turns_that_are_due_are_looked_at() -> None:
    call = followed(started(), answered(1, "guaranteed"))
    assert breaches({**call, "due": []}, OutputRules(forbidden=("guaranteed",)), NOTHING) == ()


def test_a_rule_of_nothing_but_punctuation_forbids_nothing() -> None:
    assert broken("Well... !", "...") == []


def test_a_disclosure_is_missed_once_the_agent_had_its_turns() -> None:
    rules = OutputRules(must_say=("This call is recorded",), must_say_within_turns=2)
    first = followed(started(), answered(1, "Hello."))
    assert breaches(first, rules, NOTHING) == ()
    second = followed(started(), answered(1, "Hello."), answered(2, "How are you?"))
    assert [each.rule for each in breaches(second, rules, NOTHING)] == ["must_say:0"]
    assert breaches(second, rules, frozenset({"must_say:0"})) == (), "it is said once"
    kept = followed(started(), answered(1, "Hello. this call is RECORDED."), answered(2, "How are you?"))
    assert breaches(kept, rules, NOTHING) == ()
