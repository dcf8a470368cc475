"""The rollout flags: where a call belongs by them, and what may be written into them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.flags import FLAGS, Flags, parse, rollout_of, written
from talker.core.place import place_of

CALLS = [f"CA{number:032x}" for number in range(4_000)]
PERCENT = st.integers(0, 100)


def realtime(flags: Flags, profile: str = "desk") -> set[str]:
    return {call for call in CALLS if flags.home_of(call, profile) == "realtime"}


def test_without_a_word_every_call_belongs_to_realtime() -> None:
    assert realtime(Flags()) == set(CALLS)


def test_at_no_percent_every_call_starts_on_the_fallback_pipeline() -> None:
    assert realtime(Flags(rollout_percent=0)) == set()


@pytest.mark.parametrize("percent", [1, 10, 50, 90])
def test_a_percentage_is_met_by_many_calls(percent: int) -> None:
    assert abs(len(realtime(Flags(rollout_percent=percent))) / len(CALLS) - percent / 100) < 0.025


@given(st.text(), PERCENT, PERCENT)
def test_a_higher_percentage_only_ever_adds_calls(call_id: str, one: int, other: int) -> None:
    lower, higher = sorted((one, other))
    homes = [Flags(rollout_percent=percent).home_of(call_id, "desk") for percent in (lower, lower, higher)]
    assert homes[0] == homes[1]
    assert homes[0] == "fallback" or homes[2] == "realtime"


def test_who_is_in_the_rollout_says_nothing_about_the_breakers_ramp() -> None:
    rolled_out = realtime(Flags(rollout_percent=50))
    tenths = Counter(int(place_of(call) * 10) for call in rolled_out)
    assert min(tenths.values()) > 150, tenths


def test_a_profiles_own_percentage_wins() -> None:
    flags = Flags(rollout_percent=0, rollout_percents={"desk": 100})
    assert (realtime(flags), realtime(flags, "sales")) == (set(CALLS), set())


def test_with_realtime_disabled_no_percentage_counts() -> None:
    flags = Flags(is_realtime_enabled=False, rollout_percents={"desk": 100})
    assert realtime(flags) == set()


def test_with_the_fallback_disabled_every_call_belongs_to_realtime() -> None:
    for flags in (Flags(is_fallback_enabled=False, rollout_percent=0), Flags(False, 0, {"desk": 0}, False)):
        assert realtime(flags) == set(CALLS)


def test_what_was_set_wins_over_what_stood_before() -> None:
    first = Flags(rollout_percent=10, rollout_percents={"desk": 1})
    assert first.changed_by({}) == first
    assert first.changed_by(
        {"realtime.enabled": False, "realtime.rollout": 30, "realtime.rollout.sales": 40, "fallback.enabled": False}
    ) == Flags(False, 30, {"desk": 1, "sales": 40}, False)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("realtime.enabled", "true", True),
        ("fallback.enabled", " FALSE\n", False),
        ("realtime.rollout", "0", 0),
        ("realtime.rollout", " 100 ", 100),
        ("realtime.rollout.support-en", "007", 7),
        ("realtime.rollout.x", "25", 25),
    ],
)
def test_a_value_is_read_and_written_back_alike(name: str, text: str, value: bool | int) -> None:
    read = parse(name, text)
    assert (read, type(read)) == (value, type(value))
    assert parse(name, written(read)) == value


@pytest.mark.parametrize("text", ["", "yes", "1", "truee", "\x00", "true false"])
def test_what_is_neither_true_nor_false_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^realtime\.enabled: give true or false$"):
        parse("realtime.enabled", text)


@pytest.mark.parametrize("text", ["", "101", "-1", "50%", "0.5", "1e1", "٥٠", "true", "1000000000", "5 0"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^realtime\.rollout\.desk: give a whole number from 0 to 100"):
        parse("realtime.rollout.desk", text)


@pytest.mark.parametrize("name", ["", "realtime", "realtime.rollout.", "realtime.rollout.De", "realtime.rollout.a.b"])
def test_a_name_there_is_not_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        parse(name, "1")
    assert all(flag in str(refusal.value) for flag in FLAGS)


def test_a_misspelt_name_gets_a_hint() -> None:
    with pytest.raises(ConfigError, match=r"did you mean realtime\.rollout\? There are "):
        parse("realtime.rolout", "1")


def test_a_profiles_flag_is_named_by_the_profile() -> None:
    assert parse(rollout_of("support-en"), "1") == 1
