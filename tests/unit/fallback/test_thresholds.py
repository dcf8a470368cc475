"""Thresholds that contradict each other are refused with names and values."""

from typing import Any

import pytest

from common.errors import ConfigError
from fallback.core.thresholds import Thresholds


def test_the_defaults_are_those_of_the_design() -> None:
    limits = Thresholds()
    assert (limits.window_s, limits.failed_share, limits.attempts_at_least) == (10.0, 0.5, 10)
    assert (limits.connects_failed_in_a_row, limits.ready_p95_s) == (5, 3.0)
    assert limits.ramp == (0.1, 0.25, 0.5, 1.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window_s": 0}, "window_s is 0: it must be more than 0"),
        ({"dwell_s": -1.0}, "dwell_s is -1.0"),
        ({"probes_to_pass": 0}, "probes_to_pass is 0"),
        ({"ready_p95_s": float("nan")}, "ready_p95_s is nan"),
        ({"failed_share": 0.0}, "failed_share is 0.0: it must be more than 0 and at most 1"),
        ({"failed_share": 1.01}, "failed_share is 1.01"),
        ({"open_s": 90.0}, "open_at_most_s is 60.0, less than open_s, which is 90.0"),
        ({"ramp": ()}, "ramp is empty"),
        ({"ramp": (0.5, 0.25, 1.0)}, "ramp is 0.5, 0.25, 1: it must rise"),
        ({"ramp": (0.5, 0.5, 1.0)}, "ramp is 0.5, 0.5, 1"),
        ({"ramp": (0.0, 1.0)}, "ramp is 0, 1"),
        ({"ramp": (0.1, 0.9)}, "ramp is 0.1, 0.9"),
    ],
)
def test_a_contradiction_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        Thresholds(**changes)


def test_a_ramp_of_one_step_is_none() -> None:
    assert Thresholds(ramp=(1.0,)).ramp == (1.0,)
