"""What the edge knows of its talkers."""

from common.messages.heartbeat import Heartbeat
from edge.core.fleet import STALE_AFTER_S, Fleet


def beat(
    process_id: str, calls: int = 0, capacity: int = 10, *, draining: bool = False, bye: bool = False
) -> Heartbeat:
    return Heartbeat(
        kind="realtime_worker",
        process_id=process_id,
        calls=calls,
        capacity=capacity,
        is_draining=draining,
        is_farewell=bye,
    )


def test_an_empty_fleet_has_no_free_slot() -> None:
    assert Fleet().free_slots(0.0) == 0


def test_free_slots_are_what_the_living_can_still_take() -> None:
    fleet = Fleet()
    fleet.feed(beat("a", 3, 10), 0.0)
    fleet.feed(beat("b", 10, 10), 0.0)
    fleet.feed(beat("over", 12, 10), 0.0)
    fleet.feed(beat("none", 0, 0), 0.0)
    assert fleet.free_slots(1.0) == 7


def test_the_newest_heartbeat_counts() -> None:
    fleet = Fleet()
    fleet.feed(beat("a", 0), 0.0)
    fleet.feed(beat("a", 9), 0.2)
    assert fleet.free_slots(0.3) == 1


def test_draining_silent_and_departed_talkers_offer_nothing() -> None:
    fleet = Fleet()
    fleet.feed(beat("draining", draining=True), 5.0)
    fleet.feed(beat("silent"), 5.0 - STALE_AFTER_S)
    fleet.feed(beat("departed"), 5.0)
    fleet.feed(beat("departed", bye=True), 5.0)
    fleet.feed(beat("dropped"), 5.0)
    fleet.drop("dropped")
    fleet.drop("never seen")
    assert fleet.free_slots(5.0) == 0


def test_a_talker_that_fell_silent_is_told_once() -> None:
    fleet = Fleet()
    fleet.feed(beat("a"), 0.0)
    fleet.feed(beat("b"), 1.0)
    assert fleet.fallen_silent(STALE_AFTER_S - 0.01) == ()
    assert fleet.fallen_silent(STALE_AFTER_S) == ("a",)
    assert fleet.fallen_silent(STALE_AFTER_S + 0.5) == ()


def test_a_talker_that_comes_back_counts_again() -> None:
    fleet = Fleet()
    fleet.feed(beat("a"), 0.0)
    fleet.fallen_silent(10.0)
    fleet.feed(beat("a"), 11.0)
    assert fleet.free_slots(11.0) == 10
