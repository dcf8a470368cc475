"""Where a list goes on, and numbers that look different and are the same."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.cursor import Cursor
from orchestrator.core.phone_numbers import normalised

MOMENTS = st.integers(0, 253_402_300_799_999_999).map(
    lambda microseconds: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
)


@given(MOMENTS, st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True))
def test_a_cursor_is_read_as_it_was_written(moment: datetime, call_id: str) -> None:
    cursor = Cursor(moment, call_id)
    assert Cursor.read(cursor.written()) == cursor


@given(st.text(max_size=80))
def test_anything_else_is_refused_with_one_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^not a cursor of this API$"):
        assert Cursor.read(f"{text}!") is None


@pytest.mark.parametrize("text", ["", "====", "MTIz", "OTk5OTk5OTk5OTk5OTk5OTk5Ong", "ü"])
def test_cursors_of_somebody_else_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        Cursor.read(text)


@pytest.mark.parametrize(
    ("given_as", "is_kept_as"),
    [
        ("+15550100123", "+15550100123"),
        ("+1 555-010-0123", "+15550100123"),
        (" +49 (0) 30 901820 ", "+4930901820"),
        ("anonymous", "anonymous"),
        ("sip:me@example.com", "sip:me@example.com"),
        ("\x00\n", None),
        ("", None),
        ("x" * 500, "x" * 64),
    ],
)
def test_numbers_have_one_form(given_as: str, is_kept_as: str | None) -> None:
    assert normalised(given_as) == is_kept_as
