"""When another replica counts as gone, and how keys that callers press are gathered."""

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.keyed_digits import KeyedDigits
from orchestrator.core.owners import GONE_AFTER_S, Owners


def test_who_is_heard_lives_and_who_falls_silent_is_gone() -> None:
    owners = Owners(0.0)
    owners.heard("a", 10.0)
    assert not owners.is_gone("a", 10.0 + GONE_AFTER_S)
    assert owners.is_gone("a", 10.1 + GONE_AFTER_S)


def test_who_was_never_heard_is_gone_once_we_have_listened_long_enough() -> None:
    owners = Owners(10.0)
    assert not owners.is_gone("b", 11.0)
    assert owners.is_gone("b", 12.1)


def test_nobody_is_gone_because_we_were_deaf() -> None:
    owners = Owners(0.0)
    owners.heard("a", 10.0)
    owners.was_deaf(20.0)
    assert not owners.is_gone("a", 21.0)
    assert not owners.is_gone("b", 21.0)
    assert owners.is_gone("a", 22.1)


def test_replicas_that_come_and_go_for_years_are_forgotten() -> None:
    owners = Owners(0.0)
    for number in range(5_000):
        owners.heard(f"r{number}", float(number))
    assert len(owners._heard) == 1_000
    assert not owners.is_gone("r4999", 4_999.0)


def test_digits_end_by_their_number() -> None:
    keyed = KeyedDigits(4, "#")
    keyed.press("f1", "12")
    keyed.press("f2", "345")
    assert (keyed.digits, keyed.is_complete, keyed.ended_by) == ("1234", True, "length")


def test_digits_end_by_the_key_that_says_so() -> None:
    keyed = KeyedDigits(10, "#")
    for index, key in enumerate("12#9"):
        keyed.press(f"f{index}", key)
    assert (keyed.digits, keyed.is_complete, keyed.ended_by) == ("12", True, "terminator")


def test_without_such_a_key_it_is_one_like_others() -> None:
    keyed = KeyedDigits(3)
    keyed.press("f1", "1#2")
    assert keyed.digits == "1#2"


@given(st.lists(st.sampled_from("0123456789*#"), max_size=40), st.integers(1, 32))
def test_presses_told_twice_count_once(keys: list[str], length: int) -> None:
    once, twice = KeyedDigits(length, "#"), KeyedDigits(length, "#")
    for index, key in enumerate(keys):
        once.press(f"f{index}", key)
        twice.press(f"f{index}", key)
        twice.press(f"f{index}", key)
    assert (once.digits, once.is_complete) == (twice.digits, twice.is_complete)
    assert len(once.digits) <= length
