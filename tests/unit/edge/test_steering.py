"""Which pool a call is offered to, as a table: where it is, what for, how each offer ended, and where the next goes."""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias, assert_never

import pytest

from common.messages.offers import HandoverReason
from common.subjects import Pool
from edge.core.steering import (
    AFTER_FAILURE,
    FAILURES_AT_MOST,
    FAILURES_IN_ALL,
    FIRST,
    IN_VAIN,
    OFFER_TRIES_AT_ONCE,
    Course,
    Next,
    Stage,
    Steering,
)

REALTIME: Final = Course("realtime", is_last_resort=False)
FALLBACK: Final = Course("fallback", is_last_resort=False)
ANYHOW: Final = Course("realtime", is_last_resort=True)

FAILED: Final = HandoverReason.UPSTREAM_FAILED
GO_HOME: Final = HandoverReason.BREAKER_CLOSED
IN_PLACE: Final = sorted(set(HandoverReason) - {FAILED, GO_HOME})

Miss: TypeAlias = Literal["not taken", "pool's fault"]
NOT_TAKEN: Final[Miss] = "not taken"
POOLS_FAULT: Final[Miss] = "pool's fault"


def steering(
    home: Pool = "realtime", pool: Pool | None = None, has_fallback: Callable[[], bool] = lambda: True
) -> Steering:
    return Steering(home, has_fallback, pool)


def courses(of: Steering, *misses: Miss, is_silent: bool = True) -> list[Course | Literal["pause", "nowhere"]]:
    """Where the offers go, each of which ends as told."""
    way: list[Course | Literal["pause", "nowhere"]] = [of.course(is_silent=is_silent)]
    for miss in misses:
        step = of.failed(is_pools_fault=miss == "pool's fault")
        match step:
            case Next.NEVER:
                return [*way, "nowhere"]
            case Next.SOON:
                way.append("pause")
            case Next.AT_ONCE:
                pass
            case _:
                assert_never(step)
        way.append(of.course(is_silent=is_silent))
    return way


# --- where a search begins --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", IN_PLACE)
@pytest.mark.parametrize("home", FIRST)
@pytest.mark.parametrize(("pool", "first"), [("realtime", REALTIME), ("fallback", FALLBACK)])
def test_a_talker_is_sought_first_where_the_call_is(
    home: Pool, pool: Pool, first: Course, reason: HandoverReason
) -> None:
    of = steering(home, pool)
    of.begin(reason)
    assert courses(of) == [first]
    assert not of.is_pressed


@pytest.mark.parametrize(("home", "first"), [("realtime", REALTIME), ("fallback", FALLBACK)])
def test_a_new_call_is_at_home(home: Pool, first: Course) -> None:
    of = steering(home)
    of.begin(HandoverReason.START)
    assert courses(of) == [first]
    assert (of.home, of.pool) == (home, home)


@pytest.mark.parametrize(
    ("pool", "is_retryable", "first", "is_pressed"),
    [
        ("realtime", True, REALTIME, True),
        ("realtime", False, FALLBACK, False),
        ("fallback", True, FALLBACK, False),
        ("fallback", False, ANYHOW, False),
    ],
)
def test_after_a_failure_another_session_is_tried_only_where_it_may_work(
    pool: Pool, is_retryable: bool, first: Course, is_pressed: bool
) -> None:
    of = steering("realtime", pool)
    of.begin(FAILED, is_retryable=is_retryable)
    assert of.is_pressed == is_pressed
    assert courses(of) == [first]


@pytest.mark.parametrize("pool", FIRST)
@pytest.mark.parametrize(("home", "first"), [("realtime", REALTIME), ("fallback", FALLBACK)])
def test_a_call_that_may_go_home_is_offered_there_and_nowhere_else(home: Pool, pool: Pool, first: Course) -> None:
    of = steering(home, pool)
    of.begin(GO_HOME)
    assert courses(of, "pool's fault", is_silent=False) == [first, "nowhere"]
    of.begin(GO_HOME)
    assert courses(of, *[NOT_TAKEN] * OFFER_TRIES_AT_ONCE, is_silent=False) == [
        *[first] * OFFER_TRIES_AT_ONCE,
        "nowhere",
    ]


# --- how it goes on ---------------------------------------------------------------------------------------------------


def test_every_stage_says_where_it_goes_on() -> None:
    assert set(IN_VAIN) == set(Stage)
    assert set(AFTER_FAILURE) == {(pool, retryable) for pool in FIRST for retryable in (True, False)}


def test_when_neither_can_be_had_they_are_tried_in_turn_with_a_pause_a_round_and_any_chance_is_taken() -> None:
    of = steering()
    of.begin(HandoverReason.START)
    way = courses(of, *[POOLS_FAULT] * 5)
    assert way == [REALTIME, FALLBACK, ANYHOW, "pause", FALLBACK, ANYHOW, "pause", FALLBACK]


def test_a_few_talkers_of_a_pool_are_asked_before_the_other_pool_is() -> None:
    of = steering()
    of.begin(HandoverReason.START)
    way = courses(of, *[NOT_TAKEN] * (3 * OFFER_TRIES_AT_ONCE))
    assert way == [
        *[REALTIME] * OFFER_TRIES_AT_ONCE,
        *[FALLBACK] * OFFER_TRIES_AT_ONCE,
        *[ANYHOW] * OFFER_TRIES_AT_ONCE,
        "pause",
        FALLBACK,
    ]


def test_a_refusal_that_speaks_for_the_pool_ends_the_tries_there_and_the_next_pool_gets_its_own() -> None:
    of = steering()
    of.begin(HandoverReason.START)
    way = courses(of, "not taken", "pool's fault", "not taken", "not taken", "not taken")
    assert way == [REALTIME, REALTIME, FALLBACK, FALLBACK, FALLBACK, ANYHOW]


def test_a_call_whose_home_is_the_fallback_goes_to_realtime_when_that_cannot_be_had() -> None:
    of = steering("fallback")
    of.begin(HandoverReason.START)
    assert courses(of, "pool's fault", "pool's fault") == [FALLBACK, ANYHOW, "pause", FALLBACK]


def test_no_bad_chance_is_taken_while_somebody_talks() -> None:
    of = steering()
    of.begin(HandoverReason.DRAIN)
    assert courses(of, *[POOLS_FAULT] * 3, is_silent=False) == [REALTIME, FALLBACK, REALTIME, "pause", FALLBACK]
    assert courses(of, "pool's fault") == [FALLBACK, ANYHOW]


def test_the_call_is_where_it_was_cut_over_to() -> None:
    of = steering()
    of.begin(HandoverReason.START)
    courses(of, "pool's fault")
    before = of.pool
    of.found()
    assert (before, of.pool) == ("realtime", "fallback")
    of.begin(HandoverReason.TALKER_LOST)
    assert courses(of) == [FALLBACK]


# --- in the middle of a search ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("home", "goes_on"), [("realtime", FALLBACK), ("fallback", ANYHOW)])
def test_a_search_for_the_way_home_may_not_end_in_vain_once_the_talker_is_lost(home: Pool, goes_on: Course) -> None:
    of = steering(home, "fallback" if home == "realtime" else "realtime")
    of.begin(GO_HOME)
    of.course(is_silent=False)
    of.press(HandoverReason.TALKER_LOST)
    assert not of.is_pressed
    assert of.failed(is_pools_fault=True) is Next.AT_ONCE
    assert of.course(is_silent=True) == goes_on


@pytest.mark.parametrize(("reason", "is_pressed"), [(FAILED, True), (HandoverReason.TALKER_LOST, False)])
def test_a_planned_search_is_pressed_when_the_provider_fails_the_talker(
    reason: HandoverReason, is_pressed: bool
) -> None:
    of = steering()
    of.begin(HandoverReason.SESSION_AGE)
    of.course(is_silent=False)
    of.press(reason)
    assert of.is_pressed == is_pressed
    assert courses(of, "pool's fault") == [REALTIME, FALLBACK]


# --- without another pool ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("miss", ["not taken", "pool's fault"])
@pytest.mark.parametrize("home", FIRST)
@pytest.mark.parametrize("reason", sorted(set(HandoverReason) - {GO_HOME}))
def test_without_a_fallback_all_offers_go_to_realtime_which_has_to_take_them(
    reason: HandoverReason, home: Pool, miss: Miss
) -> None:
    of = steering(home, has_fallback=lambda: False)
    of.begin(reason)
    tries = [ANYHOW] * OFFER_TRIES_AT_ONCE
    assert courses(of, *[miss] * (2 * OFFER_TRIES_AT_ONCE)) == [*tries, "pause", *tries, "pause", ANYHOW]
    assert not of.is_pressed


@pytest.mark.parametrize("home", FIRST)
def test_without_a_fallback_home_is_realtime_and_still_no_last_resort(home: Pool) -> None:
    of = steering(home, has_fallback=lambda: False)
    of.begin(GO_HOME)
    assert courses(of, "pool's fault") == [REALTIME, "nowhere"]


def test_a_fallback_that_comes_in_the_middle_of_a_search_is_used() -> None:
    there: list[str] = []
    of = steering(has_fallback=lambda: bool(there))
    of.begin(HandoverReason.START)
    assert courses(of, "not taken", "not taken") == [ANYHOW] * 3
    there.append("a")
    assert courses(of, "not taken") == [REALTIME, FALLBACK]


# --- giving up --------------------------------------------------------------------------------------------------------


def fails(of: Steering, *, candidate: bool = False, retryable: bool = True, silent: bool = True) -> bool:
    return of.upstream_failed(is_candidate=candidate, is_retryable=retryable, is_silent=silent)


def test_a_call_is_given_up_when_both_pools_have_failed_it_for_good() -> None:
    of = steering()
    for _ in range(FAILURES_AT_MOST + 1):
        assert not fails(of, retryable=False, silent=False)
    of.begin(FAILED, is_retryable=False)
    assert of.course(is_silent=True) == FALLBACK
    for _ in range(FAILURES_AT_MOST):
        assert not fails(of, candidate=True)
    assert fails(of, candidate=True)


def test_one_pool_that_fails_and_fails_is_given_up_too_in_the_end() -> None:
    of = steering()
    assert [fails(of) for _ in range(FAILURES_IN_ALL + 1)] == [*[False] * FAILURES_IN_ALL, True]


def test_a_talker_that_spoke_wipes_out_what_was_before_it() -> None:
    of = steering()
    for _ in range(3 * FAILURES_IN_ALL):
        assert not fails(of)
        of.spoke()


def test_candidates_that_fail_beside_a_talker_end_their_search_and_count_no_more_after_it() -> None:
    of = steering()
    for reason in (HandoverReason.DRAIN, HandoverReason.SESSION_AGE, HandoverReason.OPERATOR):
        of.begin(reason)
        ends = [fails(of, candidate=True, silent=False) for _ in range(FAILURES_AT_MOST + 1)]
        assert ends == [*[False] * FAILURES_AT_MOST, True]
    of.begin(HandoverReason.TALKER_LOST)
    assert not fails(of, candidate=True)


@pytest.mark.parametrize("pool", FIRST)
@pytest.mark.parametrize("silent", [True, False])
def test_without_a_fallback_a_failure_every_session_would_share_is_final_in_realtime_only(
    pool: Pool, silent: bool
) -> None:
    of = steering("realtime", pool, has_fallback=lambda: False)
    assert fails(of, retryable=False, silent=silent) == (pool == "realtime")
    assert not fails(steering(has_fallback=lambda: False), silent=silent)


def test_without_a_fallback_realtime_is_given_up_alone() -> None:
    of = steering(has_fallback=lambda: False)
    assert [fails(of) for _ in range(FAILURES_AT_MOST + 1)] == [*[False] * FAILURES_AT_MOST, True]


def test_a_second_talker_in_a_row_that_nobody_heard_is_the_last_of_its_pool() -> None:
    """Sessions that open and never answer would otherwise be tried one after another while the caller waits."""
    of = Steering("realtime", lambda: True)
    of.found()
    of.upstream_failed(is_candidate=False, is_retryable=True, is_silent=True)
    of.begin(HandoverReason.UPSTREAM_FAILED)
    assert of.course(is_silent=True).pool == "realtime"
    of.found()
    of.upstream_failed(is_candidate=False, is_retryable=True, is_silent=True)
    of.begin(HandoverReason.UPSTREAM_FAILED)
    assert of.course(is_silent=True).pool == "fallback"


def test_a_talker_that_spoke_before_it_failed_leaves_its_pool_another_chance() -> None:
    of = Steering("realtime", lambda: True)
    for _ in range(3):
        of.found()
        of.spoke()
        of.upstream_failed(is_candidate=False, is_retryable=True, is_silent=True)
        of.begin(HandoverReason.UPSTREAM_FAILED)
        assert of.course(is_silent=True).pool == "realtime"
