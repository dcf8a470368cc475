"""Texts are compared by what is heard of them."""

import pytest

from simulators.people.wording import pieces, shared_run, wording


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World!", ("hello", "world")),
        ("  It's nine – o'clock. ", ("its", "nine", "oclock")),
        ("もしもし、はい。", ("も", "し", "も", "し", "は", "い")),
        ("Goodbye!", ("goodbye",)),
        ("", ()),
        ("?!", ()),
    ],
)
def test_case_and_punctuation_are_not_heard(text: str, words: tuple[str, ...]) -> None:
    assert wording(text) == words


def test_pieces_stand_where_the_text_has_them() -> None:
    assert pieces("well – yes") == ["well", "", "yes"]


def test_the_longest_run_counts() -> None:
    assert shared_run(wording("he was not ill"), wording("she was not very ill")) == 2
    assert shared_run((), ("a",)) == 0
