"""Callers' numbers: one form to keep them in, another to show them in."""

import re
from collections.abc import Callable
from typing import Final, TypeAlias

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat

CountryOf: TypeAlias = Callable[[str], str]
"""The country (ISO 3166) of a profile, by its name."""

_AT_MOST: Final = 64
_LOOKS_DIALLED: Final = re.compile(r"[+＋]?[\d\s().\-/‐-―－（）]+")
_ADDRESS: Final = re.compile(r"(?:sips?|tel):([^@;?]+)", re.IGNORECASE)
_SPELLED_WORDS: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""What carriers send for a caller without a number: ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN, UNAVAILABLE on a keypad
(https://help.twilio.com/articles/223179988)."""


def e164(text: str, country: str) -> str | None:
    """The number in E.164, such as `+819012345678`; None if `text` is no telephone number: anonymous, a name, garbage.

    `country` (ISO 3166) is where a number without `+` was dialled. A number is believed if it has a possible length:
    numbering plans grow faster than tables of them.
    """
    given = _dialled(text)
    if given is None:
        return None
    try:
        number = phonenumbers.parse(given, country)
    except NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    written = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return None if written in _SPELLED_WORDS else written


def normalised(number: str) -> str | None:
    """E.164 if it can be read as an international number, else as it was given (a SIP address, a word); None: none.

    For records, where a caller without a number is still told from the next, and found again however it was written.
    """
    given = "".join(character for character in number if character.isprintable()).strip()[:_AT_MOST]
    if not given:
        return None
    try:
        parsed = phonenumbers.parse(given, None)
    except NumberParseException:
        return given
    return phonenumbers.format_number(parsed, PhoneNumberFormat.E164)


def national(number: str, country: str) -> str:
    """A number in E.164 as people of `country` write it: `090-1234-5678` there, `+81 90-1234-5678` elsewhere.

    A number that would be another, or none, if it were read there is written as abroad: `0101-00-0000` begins like a
    call out of Japan. What is no number is given back as it is.
    """
    try:
        parsed = phonenumbers.parse(number)
    except NumberParseException:
        return number
    if parsed.country_code == phonenumbers.country_code_for_region(country):
        at_home = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
        if e164(at_home, country) == number:
            return at_home
    return phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL)


def _dialled(text: str) -> str | None:
    """What may be a number in it: the user of a SIP address, or all of it. Letters would be read as keys otherwise."""
    given = text.strip()
    if len(given) > _AT_MOST:
        return None
    address = _ADDRESS.match(given)
    number = (address[1] if address else given).strip()
    if number in _SPELLED_WORDS or not _LOOKS_DIALLED.fullmatch(number):
        return None
    return number
