"""The leg's clock: the carrier's timestamps, and ours in between."""

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
    clock = LegClock()
    clock.feed(5_000, 10.0)
    clock.rebase(12.0)
    assert clock.at(12.5) == 7_000
    assert clock.feed(0, 13.0) == 7_000
    assert clock.feed(20, 13.02) == 7_020
    assert clock.at(13.1) == 7_100


def test_a_second_rebase_adds_to_the_first() -> None:
    clock = LegClock()
    clock.feed(1_000, 0.0)
    clock.rebase(0.0)
    clock.feed(1_000, 1.0)
    clock.rebase(1.5)
    assert clock.feed(0, 2.0) == 2_500


def test_a_rebase_before_any_audio_changes_nothing() -> None:
    clock = LegClock()
    clock.rebase(3.0)
    assert clock.feed(40, 3.1) == 40
