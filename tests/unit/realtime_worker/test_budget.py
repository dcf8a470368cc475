"""What a model's context can hold of a conversation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.conversation import AnyTurn, ToolTurn, Turn
from talker.core.budget import fitting, room_tokens


def turns(count: int, text: str = "word " * 10) -> list[AnyTurn]:
    return [
        Turn(speaker="caller", item_id=f"item_{index}", text=text, start_ms=index, end_ms=index)
        for index in range(count)
    ]


@pytest.mark.parametrize(
    ("model", "context"),
    [
        ("gpt-realtime-2.1", 128_000),
        ("gpt-realtime-2.1-mini", 128_000),
        ("gpt-realtime-2", 128_000),
        ("gpt-realtime-1.5", 28_000),
        ("gpt-realtime", 28_000),
        ("gpt-realtime-2025-08-28", 28_000),
        ("somebody-elses", 28_000),
    ],
)
def test_half_of_the_context_is_for_what_was_said(model: str, context: int) -> None:
    assert room_tokens(model, "") == context // 2


def test_long_instructions_leave_less_but_never_nothing() -> None:
    assert room_tokens("gpt-realtime", "word " * 1_000) == 14_000 - 2_500
    assert room_tokens("gpt-realtime", "word " * 20_000) == 2_000


def test_an_hour_of_talk_fits_into_the_default_model() -> None:
    hour = turns(600, "word " * 16)
    assert fitting(hour, room_tokens("gpt-realtime-2.1", "word " * 2_000)) == (tuple(hour), 0)


def test_the_newest_turns_are_kept() -> None:
    kept, omitted = fitting(turns(100), 1_000)
    assert kept
    assert kept == tuple(turns(100)[omitted:])


def test_japanese_is_not_taken_for_english() -> None:
    english, _ = fitting(turns(1_000, "a" * 100), 4_000)
    japanese, _ = fitting(turns(1_000, "\u3042" * 100), 4_000)
    assert len(japanese) * 2 <= len(english) + 2


def test_one_enormous_result_does_not_push_out_what_was_said() -> None:
    result = ToolTurn(item_id="t", tool_call_id="c", name="search", arguments="{}", start_ms=9, output="x" * 1_000_000)
    kept, omitted = fitting([*turns(5), result], 2_000)
    assert omitted == 0
    assert isinstance(kept[-1], ToolTurn)
    assert kept[-1].output is not None
    assert len(kept[-1].output) < 2_000


@given(st.lists(st.text(max_size=300), max_size=60), st.integers(2_000, 6_000))
def test_what_is_kept_fits_and_is_the_end_of_what_was_said(texts: list[str], most_tokens: int) -> None:
    said = [turn for text in texts for turn in turns(1, text)]
    kept, omitted = fitting(said, most_tokens)
    assert len(kept) + omitted == len(said)
    assert kept == tuple(said[omitted:])
    assert sum(len(text) // 2 + 12 for text in texts[omitted:]) <= most_tokens
