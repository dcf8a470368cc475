"""At which endpoint a call is opened."""

from collections import Counter

import pytest

from realtime_worker.core.preference import may_have, order
from talker.core.place import place_of

A, B, C = ("openai", "m"), ("eu", "m"), ("other", "n")


def test_with_nothing_against_anybody_the_list_is_the_order() -> None:
    assert order([A, B, C], {}, 0.5, has_failed=False) == (0, 1, 2)
    assert order([A, B, C], {A: 1.0, C: 1.0}, 0.999, has_failed=False) == (0, 1, 2)


def test_an_endpoint_whose_breaker_is_open_comes_last_but_is_not_forgotten() -> None:
    assert order([A, B, C], {A: 0.0}, 0.5, has_failed=False) == (1, 2, 0)
    assert order([A], {A: 0.0}, 0.5, has_failed=False) == (0,)
    assert order([A, B], {A: 0.0, B: 0.0}, 0.5, has_failed=True) == (0, 1)


@pytest.mark.parametrize(("share", "may"), [(0.0, False), (0.4, False), (0.5, False), (0.51, True), (1.0, True)])
def test_an_endpoint_may_have_the_calls_whose_place_is_within_its_share(share: float, may: bool) -> None:
    assert may_have(A, {A: share, B: 0.0}, 0.5) == may
    assert may_have(C, {A: share, B: 0.0}, 0.5)


def test_a_breaker_is_of_a_model_too() -> None:
    assert order([A, B], {("openai", "another"): 0.0}, 0.5, has_failed=False) == (0, 1)


@pytest.mark.parametrize(("place", "first"), [(0.0, 0), (0.09, 0), (0.1, 1), (0.9, 1)])
def test_on_the_way_back_a_share_of_the_calls_goes_first(place: float, first: int) -> None:
    assert order([A, B], {A: 0.1}, place, has_failed=False)[0] == first


def test_a_call_that_lost_its_session_tries_another_endpoint_first() -> None:
    assert order([A, B, C], {}, 0.5, has_failed=True) == (1, 2, 0)
    assert order([A, B, C], {A: 0.0}, 0.5, has_failed=True) == (2, 1, 0)
    assert order([A], {}, 0.5, has_failed=True) == (0,)


def test_a_call_keeps_its_place_and_calls_are_spread_evenly() -> None:
    places = [place_of(f"CA{number:032x}") for number in range(2_000)]
    assert places == [place_of(f"CA{number:032x}") for number in range(2_000)]
    assert all(0 <= place < 1 for place in places)
    tenths = Counter(int(place * 10) for place in places)
    assert min(tenths.values()) > 150, tenths
