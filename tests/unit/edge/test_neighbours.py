"""What an edge knows of the other edges."""

import pytest

from common.messages.heartbeat import Heartbeat
from edge.core.neighbours import STALE_AFTER_S, Neighbours


def beat(edge_id: str, calls: int = 0, *, draining: bool = False, bye: bool = False) -> Heartbeat:
    return Heartbeat(kind="edge", process_id=edge_id, calls=calls, capacity=10, is_draining=draining, is_farewell=bye)


def test_an_edge_does_not_count_itself() -> None:
    neighbours = Neighbours("me")
    assert neighbours.feed(beat("me"), 0.0) is None
    assert neighbours.living(0.1) == ()
    assert not neighbours.is_room_elsewhere(0.1)
    assert neighbours.fallen_silent(100.0) == ()


def test_there_is_room_elsewhere_while_another_edge_lives_and_does_not_drain() -> None:
    neighbours = Neighbours("me")
    neighbours.feed(beat("draining", draining=True), 0.0)
    assert not neighbours.is_room_elsewhere(0.1)
    neighbours.feed(beat("other"), 0.0)
    assert neighbours.is_room_elsewhere(0.1)
    assert not neighbours.is_room_elsewhere(STALE_AFTER_S)
    neighbours.feed(beat("other", draining=True), 3.0)
    assert not neighbours.is_room_elsewhere(3.1)


def test_an_edge_that_falls_silent_is_told_once() -> None:
    neighbours = Neighbours("me")
    neighbours.feed(beat("a"), 0.0)
    neighbours.feed(beat("b"), 1.0)
    assert neighbours.fallen_silent(STALE_AFTER_S - 0.01) == ()
    assert neighbours.living(1.5) == ("a", "b")
    assert neighbours.fallen_silent(STALE_AFTER_S) == ("a",)
    assert neighbours.fallen_silent(STALE_AFTER_S) == ()
    assert neighbours.living(STALE_AFTER_S) == ("b",)


@pytest.mark.parametrize(("calls_before", "calls_at_last", "lost"), [(0, 0, None), (3, 0, "a"), (0, 1, "a")])
def test_a_farewell_matters_if_there_were_calls(calls_before: int, calls_at_last: int, lost: str | None) -> None:
    neighbours = Neighbours("me")
    neighbours.feed(beat("a", calls_before), 0.0)
    assert neighbours.feed(beat("a", calls_at_last, bye=True), 0.2) == lost
    assert neighbours.living(0.2) == ()
    assert neighbours.fallen_silent(100.0) == ()


def test_an_edge_that_comes_back_lives_again() -> None:
    neighbours = Neighbours("me")
    neighbours.feed(beat("a"), 0.0)
    neighbours.fallen_silent(10.0)
    neighbours.feed(beat("a"), 11.0)
    assert neighbours.living(11.0) == ("a",)
