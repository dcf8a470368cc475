"""How much the edge's talkers can still take."""

from common.messages.heartbeat import Heartbeat
from edge.core.fleet import Fleet


def beat(process_id: str, calls: int = 0, capacity: int = 10, *, draining: bool = False) -> Heartbeat:
    return Heartbeat(
        kind="realtime_worker", process_id=process_id, calls=calls, capacity=capacity, is_draining=draining
    )


def test_an_empty_fleet_has_no_free_slot() -> None:
    assert Fleet().free_slots() == 0


def test_free_slots_are_what_the_living_can_still_take() -> None:
    fleet = Fleet()
    fleet.feed(beat("a", 3, 10))
    fleet.feed(beat("b", 10, 10))
    fleet.feed(beat("over", 12, 10))
    fleet.feed(beat("none", 0, 0))
    assert fleet.free_slots() == 7


def test_the_newest_heartbeat_counts() -> None:
    fleet = Fleet()
    fleet.feed(beat("a", 0))
    fleet.feed(beat("a", 9))
    assert fleet.free_slots() == 1


def test_draining_suspected_and_lost_talkers_offer_nothing() -> None:
    fleet = Fleet()
    fleet.feed(beat("draining", draining=True))
    fleet.feed(beat("suspected"))
    fleet.feed(beat("lost"))
    fleet.drop("lost")
    fleet.drop("never seen")
    assert fleet.free_slots({"suspected", "never seen"}) == 0


def test_a_talker_that_comes_back_counts_again() -> None:
    fleet = Fleet()
    fleet.feed(beat("a"))
    fleet.drop("a")
    fleet.feed(beat("a"))
    assert fleet.free_slots() == 10
