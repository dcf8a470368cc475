"""Admission: whether one more call can be taken."""

from dataclasses import replace
from typing import Any

import pytest

from edge.core.admission import Situation, refusal

GOOD = Situation(is_draining=False, calls=3, max_calls=4, is_bus_connected=True, free_slots=1)


def test_a_call_is_taken_when_nothing_speaks_against_it() -> None:
    assert refusal(GOOD) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"is_draining": True}, "draining"),
        ({"calls": 4}, "edge_full"),
        ({"calls": 9}, "edge_full"),
        ({"is_bus_connected": False}, "bus_down"),
        ({"free_slots": 0}, "no_talker"),
        ({"free_slots": -1}, "no_talker"),
    ],
)
def test_each_obstacle_has_its_reason(change: dict[str, Any], reason: str) -> None:
    assert refusal(replace(GOOD, **change)) == reason


def test_of_several_obstacles_the_one_nearest_to_us_is_named() -> None:
    worst = Situation(is_draining=True, calls=4, max_calls=4, is_bus_connected=False, free_slots=0)
    assert refusal(worst) == "draining"
    assert refusal(replace(worst, is_draining=False)) == "edge_full"
    assert refusal(replace(worst, is_draining=False, calls=0)) == "bus_down"
