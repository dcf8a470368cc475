"""Callers' numbers: the same caller is the same number, and nobody is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.phone_numbers import e164, national


@pytest.mark.parametrize(
    ("text", "country", "expected"),
    [
        ("+14155550100", "US", "+14155550100"),
        ("+14155550100", "JP", "+14155550100"),
        (" +1 (415) 555-0100 ", "JP", "+14155550100"),
        ("(415) 555-0100", "US", "+14155550100"),
        ("415.555.0100", "US", "+14155550100"),
        ("090-1234-5678", "JP", "+819012345678"),
        ("０９０－１２３４－５６７８", "JP", "+819012345678"),
        ("＋８１９０１２３４５６７８", "US", "+819012345678"),
        ("+442079460123", "US", "+442079460123"),
        ("020 7946 0123", "GB", "+442079460123"),
        ("sip:+14155550100@sbc.example.com;user=phone", "US", "+14155550100"),
        ("SIPS:+14155550100@sbc.example.com", "US", "+14155550100"),
        ("tel:+1-415-555-0100;ext=5", "US", "+14155550100"),
    ],
)
def test_a_number_is_kept_in_one_form_however_it_is_written(text: str, country: str, expected: str) -> None:
    assert e164(text, country) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "anonymous",
        "Anonymous",
        "Restricted",
        "unknown",
        "client:alice",
        "sip:alice@example.com",
        "sip:anonymous@anonymous.invalid",
        "1-800-FLOWERS",
        "+266696687",
        "266696687",
        "+7378742833",
        "+2562533",
        "+8656696",
        "+86282452253",
        "+",
        "++14155550100",
        "+1",
        "110",
        "+999999999999999",
        "+1415555010012345678901234567890",
        "1" * 65,
        "4155550100; drop table",
        "\x00+14155550100",
        "+14155550100\n+14155550101",
    ],
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert e164(text, "US") is None


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("+819012345678", "JP", "090-1234-5678"),
        ("+81312345678", "JP", "03-1234-5678"),
        ("+819012345678", "US", "+81 90-1234-5678"),
        ("+14155550100", "US", "(415) 555-0100"),
        ("+14155550100", "JP", "+1 415-555-0100"),
        ("+442079460123", "GB", "020 7946 0123"),
        ("+81101000000", "JP", "+81 101-00-0000"),
        ("anonymous", "JP", "anonymous"),
    ],
)
def test_a_number_is_shown_as_people_of_the_country_write_it(number: str, country: str, expected: str) -> None:
    assert national(number, country) == expected


@given(st.text(max_size=80), st.sampled_from(["US", "JP", "ZZ", ""]))
def test_no_text_breaks_it_and_what_comes_out_stays_as_it_is(text: str, country: str) -> None:
    number = e164(text, country)
    assert number is None or e164(number, country) == number


@given(st.from_regex(r"\A[+]?[0-9 ()-]{1,20}\Z"), st.sampled_from(["US", "JP", "DE"]))
def test_what_is_shown_is_the_same_number(text: str, country: str) -> None:
    number = e164(text, country)
    if number is not None:
        assert e164(national(number, country), country) == number


@given(st.text(max_size=80), st.sampled_from(["US", "JP", "ZZ", ""]))
def test_no_text_breaks_how_it_is_shown(text: str, country: str) -> None:
    assert isinstance(national(text, country), str)
