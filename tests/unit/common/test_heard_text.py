"""Which words were heard, given how much of the audio was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.heard_text import heard_text

ENGLISH = [(0, "Good morning, "), (800, "how can "), (1_400, "I help you today?")]
JAPANESE = [(0, "もしもし、"), (1_000, "本日のご用件は何でしょうか？")]


def test_all_of_it_was_heard_when_all_audio_was() -> None:
    assert heard_text(ENGLISH, 2_000, 2_000) == "Good morning, how can I help you today?"


def test_nothing_was_heard_of_audio_that_never_played() -> None:
    assert heard_text(ENGLISH, 2_000, 0) == ""


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (400, "Good"),
        (700, "Good"),
        (800, "Good morning,"),
        (1_100, "Good morning, how"),
        (1_400, "Good morning, how can"),
        (1_700, "Good morning, how can I help"),
        (1_999, "Good morning, how can I help you"),
    ],
)
def test_english_is_cut_at_the_end_of_a_word(heard_ms: int, text: str) -> None:
    assert heard_text(ENGLISH, 2_000, heard_ms) == text


@pytest.mark.parametrize(
    ("heard_ms", "text"),
    [
        (500, "もし"),
        (1_000, "もしもし、"),
        (2_000, "もしもし、本日のご用件は"),
        (2_999, "もしもし、本日のご用件は何でしょうか"),
    ],
)
def test_japanese_is_cut_at_a_character(heard_ms: int, text: str) -> None:
    assert heard_text(JAPANESE, 3_000, heard_ms) == text


def test_a_space_somewhere_in_japanese_does_not_lose_the_sentence_after_it() -> None:
    assert heard_text([(0, "はい 本日はどのようなご用件でしょうか")], 1_800, 1_000) == "はい 本日はどのよう"


def test_without_pieces_there_is_no_text() -> None:
    assert heard_text([], 1_000, 500) == ""
    assert heard_text([], 0, 0) == ""


def test_text_announced_ahead_of_its_audio_is_not_taken_as_heard() -> None:
    assert heard_text([(0, "Heard. "), (5_000, "Never spoken.")], 1_000, 900) == "Heard."


def test_one_piece_is_shared_out_over_its_audio() -> None:
    assert heard_text([(0, "one two three four")], 1_800, 800) == "one two"


@given(
    st.lists(st.tuples(st.integers(0, 5_000), st.text(max_size=12)), max_size=8),
    st.integers(0, 5_000),
    st.integers(0, 6_000),
)
def test_what_was_heard_is_always_the_beginning_of_what_was_said(
    pieces: list[tuple[int, str]], audio_ms: int, heard_ms: int
) -> None:
    whole = "".join(piece for _, piece in pieces)
    assert whole.startswith(heard_text(pieces, audio_ms, heard_ms))
    assert heard_text(pieces, audio_ms, audio_ms) == whole
