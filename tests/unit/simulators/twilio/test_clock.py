"""Lateness is counted honestly."""

import pytest

from simulators.twilio.clock import LATE_S, Lateness


def test_frames_beyond_the_limit_are_counted_and_the_worst_is_kept() -> None:
    lateness = Lateness()
    for late_s in (0.001, LATE_S + 0.001, 0.05, 0.0):
        lateness.add(late_s)
    assert (lateness.frames, lateness.late_frames) == (4, 2)
    assert lateness.max_s == pytest.approx(0.05)
