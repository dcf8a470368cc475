"""Texts are compared by what is heard of them."""

import pytest

from simulators.people.recordings import load_all
from simulators.people.wording import is_said_in, pieces, shared_run, wording


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


def test_every_recordings_words_mean_it_and_no_other() -> None:
    for text in (recording.text for recording in load_all()):
        assert [known.text for known in load_all() if is_said_in(text, known.text)] == [text]


@pytest.mark.parametrize("text", ["", "?", "he might have gone away this morning"])
def test_other_words_mean_no_recording(text: str) -> None:
    assert not any(is_said_in(text, known.text) for known in load_all())
