"""Positions in the caller audio we sent, on the leg's clock."""

from hypothesis import given
from hypothesis import strategies as st

from talker.core.leg_clock import LegClock

FRAME = 160


def test_without_gaps_both_clocks_run_alike() -> None:
    clock = LegClock()
    for at_ms in range(1_000, 1_200, 20):
        clock.sent(at_ms, FRAME)
    assert clock.sent_ms == 200
    assert clock.leg_ms == 1_200
    assert [clock.to_leg(ms) for ms in (0, 1, 100, 200)] == [1_000, 1_001, 1_100, 1_200]


def test_a_gap_the_carrier_never_sent_is_skipped() -> None:
    clock = LegClock()
    clock.sent(0, FRAME)
    clock.sent(500, FRAME)
    assert clock.to_leg(19) == 19
    assert clock.to_leg(20) == 500
    assert clock.to_leg(30) == 510


def test_a_position_beyond_what_was_sent_counts_as_its_end() -> None:
    clock = LegClock()
    clock.sent(100, FRAME)
    assert clock.to_leg(10**12) == 120
    assert clock.to_leg(-5) == 100


def test_replayed_audio_goes_back_on_the_leg() -> None:
    clock = LegClock()
    clock.sent(1_000, FRAME)
    clock.sent(200, FRAME)
    assert clock.to_leg(25) == 205


def test_before_any_audio_the_clock_stands_where_it_was_set() -> None:
    clock = LegClock()
    clock.sent(4_321, 0)
    assert clock.leg_ms == 4_321
    assert clock.to_leg(0) == 4_321


def test_a_call_of_endless_gaps_keeps_its_newest_anchors() -> None:
    clock = LegClock()
    for number in range(5_000):
        clock.sent(number * 100, FRAME)
    assert clock.to_leg(clock.sent_ms - 10) == 499_910


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 800)), max_size=40), st.integers(-100, 100_000))
def test_any_position_lies_on_the_leg(frames: list[tuple[int, int]], position: int) -> None:
    clock = LegClock()
    for leg_ms, size in frames:
        clock.sent(leg_ms, size)
    assert 0 <= clock.to_leg(position) <= 10_000 + 100
