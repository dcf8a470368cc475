"""How long a tool is asked for."""

import pytest

from talker.core.tool_patience import AT_MOST_S, SILENT_S, UNANSWERED_S, WORD_AFTER_S, ToolPatience


def test_nobody_who_ever_answered_is_waited_for_a_while_only() -> None:
    patience = ToolPatience(100.0)
    assert not patience.is_over(100.0 + UNANSWERED_S - 0.1)
    assert patience.is_over(100.0 + UNANSWERED_S)


def test_somebody_who_has_answered_is_waited_for_from_the_last_answer_on() -> None:
    patience = ToolPatience(100.0)
    for at in (102.0, 150.0):
        patience.answered(at)
    assert not patience.is_over(150.0 + SILENT_S - 0.1)
    assert patience.is_over(150.0 + SILENT_S)


def test_nothing_is_waited_for_for_ever() -> None:
    patience = ToolPatience(100.0)
    patience.answered(100.0 + AT_MOST_S - 1.0)
    assert patience.is_over(100.0 + AT_MOST_S)


@pytest.mark.parametrize(
    ("after_s", "was_answered", "is_due"), [(2.9, False, False), (3.0, False, True), (3.0, True, False)]
)
def test_a_word_is_due_when_nobody_answers(after_s: float, was_answered: bool, is_due: bool) -> None:
    assert WORD_AFTER_S == 3.0
    patience = ToolPatience(100.0)
    if was_answered:
        patience.answered(101.0)
    assert patience.is_word_due(100.0 + after_s) is is_due
