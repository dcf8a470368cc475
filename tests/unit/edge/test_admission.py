"""Admission: whether one more call can be taken."""

from dataclasses import replace
from typing import Any

import pytest

from edge.core.admission import Delay, Situation, delay, refusal, spare

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


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({}, None),
        ({"free_slots": 0}, None),
        ({"calls": 4}, None),
        ({"calls": 5}, "edge_full"),
        ({"is_bus_connected": False}, "bus_down"),
        ({"is_draining": True}, None),
        ({"is_draining": True, "is_room_elsewhere": True}, "elsewhere"),
        ({"is_room_elsewhere": True}, None),
    ],
)
def test_a_running_call_waits_only_when_it_cannot_go_on_here(change: dict[str, Any], why: Delay | None) -> None:
    assert delay(replace(GOOD, **change), is_here=False) == why


def test_a_call_that_waits_here_for_its_stream_needs_neither_room_nor_bus() -> None:
    worst = Situation(is_draining=True, calls=9, max_calls=4, is_bus_connected=False, free_slots=0)
    assert delay(worst, is_here=True) is None
    assert delay(replace(worst, is_room_elsewhere=True), is_here=True) == "elsewhere"


@pytest.mark.parametrize(("max_calls", "room"), [(1, 1), (4, 1), (50, 5), (200, 20)])
def test_a_tenth_is_kept_for_running_calls(max_calls: int, room: int) -> None:
    assert spare(max_calls) == room
