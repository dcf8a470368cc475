"""Sentences out of a stream of text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallback.core.sentences import Sentences


def split(*chunks: str) -> list[str]:
    """Everything that would be spoken, the rest included."""
    sentences = Sentences()
    whole = [sentence for chunk in chunks for sentence in sentences.feed(chunk)]
    rest = sentences.rest()
    return [*whole, rest] if rest else whole


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We open at nine. Do you want to come?", ["We open at nine.", "Do you want to come?"]),
        ("Really?! Yes… of course.", ["Really?!", "Yes…", "of course."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("One line\nand another\n\nand a third", ["One line", "and another", "and a third"]),
        ("No end at all", ["No end at all"]),
        ("", []),
        (" \n \n", []),
        ("Ask for Dr. Tanaka, please. Thanks.", ["Ask for Dr. Tanaka, please.", "Thanks."]),
        ("It is open, e.g. on Mondays. Bye.", ["It is open, e.g. on Mondays.", "Bye."]),
        ("We meet at 3 p.m. on Friday. Bye.", ["We meet at 3 p.m. on Friday.", "Bye."]),
        ("J. S. Bach (b. 1685) wrote it.", ["J. S. Bach (b.", "1685) wrote it."]),
        ("That is 3.50 euros. Fine?", ["That is 3.50 euros.", "Fine?"]),
        ("See www.example.org/a.html for more. Bye.", ["See www.example.org/a.html for more.", "Bye."]),
        ("はい、承知しました。何時がよろしいですか？", ["はい、承知しました。", "何時がよろしいですか？"]),
        ("「はい。」と言いました。", ["「はい。」", "と言いました。"]),
        ("**Two** rooms are `free`. # Good", ["Two rooms are free.", "Good"]),
        ("_Really_ good, ask for john_doe.", ["Really good, ask for john_doe."]),
        ("1. Apples\n2. Pears", ["1. Apples", "2. Pears"]),
        ("- Apples\n- Pears\n---\n", ["- Apples", "- Pears"]),
        ("With pleasure! 😊", ["With pleasure!"]),
        ("… Well. — Yes.", ["… Well.", "— Yes."]),
        ("!!! ??? ...", []),
    ],
)
def test_a_text_is_spoken_as(text: str, expected: list[str]) -> None:
    assert split(text) == expected
    assert split(*text) == expected or "」" in text, "letter by letter"


def test_a_sentence_is_whole_as_soon_as_something_follows_it() -> None:
    sentences = Sentences()
    assert sentences.feed("It costs 3.") == ()
    assert sentences.feed("5 euros.") == ()
    assert sentences.feed(" A") == ("It costs 3.5 euros.",)
    assert sentences.rest() == "A"
    assert sentences.rest() == ""


def test_a_japanese_sentence_needs_nothing_after_it() -> None:
    assert Sentences().feed("はい。") == ("はい。",)


def test_a_long_sentence_is_broken_at_a_pause_not_in_a_number_or_an_address() -> None:
    text = (
        "I can offer "
        + "a room with a view, " * 8
        + "it costs 1,200 euros from 10:30 at https://example.org "
        + "or so " * 20
    )
    parts = split(text)
    assert len(parts) > 1
    assert all(len(part) <= 220 for part in parts)
    assert parts[0].endswith("view,")
    assert all(each in " | ".join(parts) for each in ("1,200", "10:30", "https://example.org"))


def test_a_long_sentence_without_a_comma_is_broken_between_words() -> None:
    parts = split("word " * 100)
    assert all(set(part.split()) == {"word"} for part in parts)
    assert max(map(len, parts)) <= 220


def test_a_long_word_is_broken_somewhere() -> None:
    assert list(map(len, split("a" * 500))) == [220, 220, 60]


def test_nobody_waits_for_a_long_sentence_whatever_comes_behind_it() -> None:
    assert max(map(len, split("word " * 100 + "end. Next."))) <= 220


WORDS = ("Hello", "Dr.", "3.5", "e.g.", "no", "はい", "https://a.b/c", "x" * 90)
MARKS = ("*", "`", "#", "_", " ", "\n", ".", "!", "?", "…", ",", "、", "。", "？", "😊", "-", '"', ")")
TEXTS = st.lists(st.sampled_from(WORDS + MARKS) | st.text(max_size=9), max_size=60).map("".join)


@given(TEXTS, st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_whatever_the_pieces_nothing_that_can_be_spoken_is_lost_doubled_or_moved(text: str, sizes: list[int]) -> None:
    chunks, at = list[str](), 0
    while at < len(text):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(text[at : at + size])
        at += size
    parts = split(*chunks)
    assert _bare("".join(parts)) == _bare(text)
    assert all(part == part.strip() and _bare(part) for part in parts)
    assert max(map(len, parts), default=0) <= 220


def _bare(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


@given(TEXTS)
def test_english_is_split_the_same_however_it_comes(text: str) -> None:
    """Not Japanese: a sentence there is spoken without waiting for the bracket that may close it."""
    text = text.translate({ord(character): None for character in "。！？、，"})
    assert split(*text) == split(text)
