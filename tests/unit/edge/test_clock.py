"""The leg's clock: the carrier's timestamps, and ours in between."""

import pytest

from edge.core.clock import LegClock


def test_before_the_first_frame_the_clock_stands_at_zero() -> None:
    assert LegClock().at(1_000.0) == 0


def test_a_frame_sets_the_clock_and_between_frames_it_runs() -> None:
    clock = LegClock()
    assert clock.feed(120, 10.0) == 120
    assert clock.at(10.0) == 120
    assert clock.at(10.015) == 135


def test_a_moment_a_little_in_the_past_has_its_time_too() -> None:
    clock = LegClock()
    clock.feed(120, 10.0)
    assert clock.at(9.95) == 70
    assert clock.at(5.0) == 0


def test_a_new_stream_of_the_same_call_goes_on_where_the_last_one_was() -> None:
    clock = LegClock(7_000)
    assert clock.at(12.5) == 7_000
    assert clock.feed(0, 13.0) == 7_000
    assert clock.feed(20, 13.02) == 7_020
    assert clock.at(13.1) == 7_100


def test_a_stream_that_began_later_than_was_known_is_put_forward_with_all_that_came_of_it() -> None:
    clock = LegClock(1_000)
    clock.feed(100, 5.0)
    assert clock.begin_at(3_000) == 2_000
    assert clock.base_ms == 3_000
    assert clock.at(5.5) == 3_600
    assert clock.feed(600, 5.5) == 3_600


def test_a_clock_is_never_put_back() -> None:
    clock = LegClock(1_000)
    assert clock.begin_at(400) == 0
    assert clock.feed(0, 5.0) == 1_000


def test_the_moment_of_a_time_on_the_clock_is_never_in_the_future() -> None:
    clock = LegClock(1_000)
    clock.feed(500, 10.0)
    assert clock.moment(1_500, 10.0) == 10.0
    assert clock.moment(1_200, 10.1) == pytest.approx(9.7)
    assert clock.moment(9_999, 10.1) == 10.1
