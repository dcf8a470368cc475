"""How much the edge's talkers can still take, and which of them is offered a call."""

from collections import Counter
from random import Random

from common.messages.heartbeat import Heartbeat
from edge.core.fleet import Fleet


def beat(process_id: str, calls: int = 0, capacity: int = 10, *, draining: bool = False) -> Heartbeat:
    return Heartbeat(
        kind="realtime_worker", process_id=process_id, calls=calls, capacity=capacity, is_draining=draining
    )


def fleet_of(*beats: Heartbeat, seed: int = 1) -> Fleet:
    fleet = Fleet(Random(seed))
    for each in beats:
        fleet.feed(each)
    return fleet


def test_an_empty_fleet_has_no_free_slot() -> None:
    assert fleet_of().free_slots() == 0


def test_free_slots_are_what_the_living_can_still_take() -> None:
    fleet = fleet_of()
    fleet.feed(beat("a", 3, 10))
    fleet.feed(beat("b", 10, 10))
    fleet.feed(beat("over", 12, 10))
    fleet.feed(beat("none", 0, 0))
    assert fleet.free_slots() == 7


def test_the_newest_heartbeat_counts() -> None:
    fleet = fleet_of()
    fleet.feed(beat("a", 0))
    fleet.feed(beat("a", 9))
    assert fleet.free_slots() == 1


def test_draining_suspected_and_lost_talkers_offer_nothing() -> None:
    fleet = fleet_of()
    fleet.feed(beat("draining", draining=True))
    fleet.feed(beat("suspected"))
    fleet.feed(beat("lost"))
    fleet.drop("lost")
    fleet.drop("never seen")
    assert fleet.free_slots({"suspected", "never seen"}) == 0


def test_a_talker_that_comes_back_counts_again() -> None:
    fleet = fleet_of()
    fleet.feed(beat("a"))
    fleet.drop("a")
    fleet.feed(beat("a"))
    assert fleet.free_slots() == 10


def test_nobody_is_chosen_of_a_fleet_without_room() -> None:
    assert fleet_of().choose() is None
    fleet = fleet_of(beat("full", 10), beat("draining", draining=True), beat("passed"), beat("lost"))
    fleet.drop("lost")
    assert fleet.choose({"passed"}) is None


def test_the_only_one_with_room_is_chosen() -> None:
    assert fleet_of(beat("full", 10), beat("free", 9), beat("draining", draining=True)).choose() == "free"


def test_of_two_the_one_with_more_room_is_chosen() -> None:
    assert {fleet_of(beat("a", 8), beat("b", 2), seed=seed).choose() for seed in range(20)} == {"b"}


def test_what_was_chosen_since_the_last_heartbeat_counts_as_a_call() -> None:
    fleet = fleet_of(beat("a", 0, 2), beat("b", 0, 2))
    assert Counter(fleet.choose() for _ in range(5)) == {"a": 2, "b": 2, None: 1}
    assert fleet.free_slots() == 0
    fleet.feed(beat("a", 1, 2))
    assert [fleet.choose(), fleet.choose()] == ["a", None]


def test_many_calls_at_once_are_spread_over_all_that_have_room() -> None:
    fleet = fleet_of(*(beat(name, 0, 100) for name in "abcd"), beat("busy", 90, 100))
    chosen = Counter(fleet.choose() for _ in range(60))
    assert all(10 <= chosen[name] <= 20 for name in "abcd"), chosen
    assert chosen["busy"] == 0, chosen


def test_a_pool_takes_calls_while_anybody_in_it_would_even_if_it_is_full() -> None:
    fleet = fleet_of(beat("none", 0, 0), beat("draining", draining=True))
    assert not fleet.takes_calls
    fleet.feed(beat("full", 10, 10))
    assert fleet.takes_calls
    assert "full" in fleet
    fleet.drop("full")
    assert "full" not in fleet
    assert not fleet.takes_calls
