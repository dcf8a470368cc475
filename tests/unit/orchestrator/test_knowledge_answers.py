"""The list of answers: ordered, bounded, and honest about what is left out."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.answers import (
    ANSWERS_AT_MOST,
    ENTRY_BYTES_AT_MOST,
    AnswerList,
    fitting,
    from_pairs,
    from_text,
)


def test_pairs_are_told_in_the_alphabets_order_whatever_order_they_come_in() -> None:
    pairs = [("When  do you\nclose?", " At six. "), ("Are dogs allowed?", "No.")]
    told = ("Q: Are dogs allowed?\nA: No.", "Q: When do you close?\nA: At six.")
    assert from_pairs(pairs) == from_pairs(reversed(pairs)) == AnswerList(told)


def test_the_same_pair_twice_is_told_once() -> None:
    assert from_pairs([("Q?", "A."), ("Q? ", " A.")]).answers == ("Q: Q?\nA: A.",)


def test_what_is_no_question_with_an_answer_is_left_out_and_counted() -> None:
    bad = [("", "A."), ("Q?", ""), (" \n", "A."), (None, "A."), ("Q?", 7), ("Q?", "x" * ENTRY_BYTES_AT_MOST)]
    assert from_pairs([*bad, ("Q?", "A.")]) == AnswerList(("Q: Q?\nA: A.",), malformed=len(bad))


def test_no_more_than_two_hundred_are_told() -> None:
    found = from_pairs((f"Question {number:03}?", "A.") for number in range(250))
    assert len(found.answers) == ANSWERS_AT_MOST == 200
    assert found.answers[-1].startswith("Q: Question 199?")
    assert found.too_many == 50


def test_a_text_is_taken_apart_at_blank_lines() -> None:
    assert from_text("\n\nOne\nstill one.\r\n\r\n \t\n\nTwo.\n") == AnswerList(("One\nstill one.", "Two."))
    assert from_text(" \n") == AnswerList()


def test_the_longest_entries_are_left_out_first() -> None:
    answers = ("aaaa", "bb", "cccccc", "dddd")
    assert fitting(answers, 100) == ("aaaa\n\nbb\n\ncccccc\n\ndddd", 0)
    assert fitting(answers, 22) == ("aaaa\n\nbb\n\ncccccc\n\ndddd", 0)
    assert fitting(answers, 21) == ("aaaa\n\nbb\n\ndddd", 1)
    assert fitting(answers, 13) == ("aaaa\n\nbb", 2)
    assert fitting(answers, 1) == ("", 4)
    assert fitting((), 0) == ("", 0)


@given(st.lists(st.text(max_size=40), max_size=12).map(tuple), st.integers(0, 300))
def test_what_is_told_fits_and_nothing_is_left_out_that_would_have_fitted(answers: tuple[str, ...], room: int) -> None:
    text, left_out = fitting(answers, room)
    assert len(text.encode()) <= room
    if left_out:
        assert len("\n\n".join(answers).encode()) > room
