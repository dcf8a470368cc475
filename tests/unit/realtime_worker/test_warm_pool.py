"""Sessions kept ahead of need."""

from itertools import repeat

from realtime_worker.core.warm_pool import REFILL_AFTER_S, Close, Open, WarmPool


def pool(target: int = 2, max_age_s: float = 100.0) -> WarmPool[str]:
    return WarmPool(target, max_age_s, lambda: 1.0, lambda: iter((1.0, 2.0, *repeat(4.0, 10))))


def filled(*sessions: str) -> WarmPool[str]:
    filling = pool(len(sessions))
    filling.due(0.0)
    for session in sessions:
        filling.opened(session, 0.0)
    return filling


def test_it_opens_what_is_missing_and_no_more() -> None:
    warm = pool()
    assert warm.due(0.0) == (Open(), Open())
    assert warm.due(0.0) == ()
    warm.opened("a", 0.1)
    assert warm.due(0.1) == ()


def test_a_taken_session_is_replaced_when_the_rush_is_over() -> None:
    warm = filled("a", "b", "c")
    assert warm.take(5.0) == "a"
    assert warm.due(5.0) == ()
    assert warm.take(5.9) == "b"
    assert warm.next_deadline() == 5.0 + REFILL_AFTER_S
    assert warm.due(5.0 + REFILL_AFTER_S) == (Open(), Open())


def test_what_is_taken_while_the_provider_refuses_shortens_no_wait() -> None:
    warm = filled("a", "b")
    warm.died("a")
    warm.due(1.0)
    for _ in range(3):
        warm.open_failed(1.0)
        warm.due(10.0)
    warm.open_failed(10.0)
    assert warm.take(10.0) == "b"
    assert warm.next_deadline() == 14.0


def test_with_none_idle_there_is_none_to_take() -> None:
    assert pool().take(0.0) is None


def test_a_session_that_is_too_old_is_replaced() -> None:
    warm = filled("a")
    assert warm.next_deadline() == 100.0
    assert warm.due(99.0) == ()
    assert warm.due(100.0) == (Close("a"), Open())
    assert warm.take(100.0) is None


def test_a_session_the_provider_closed_is_replaced() -> None:
    warm = filled("a")
    warm.died("a")
    warm.died("a")
    assert warm.due(1.0) == (Open(),)


def test_failures_back_off_and_a_success_forgives() -> None:
    warm = pool(1)
    warm.due(0.0)
    warm.open_failed(0.0)
    assert warm.due(0.9) == ()
    assert warm.next_deadline() == 1.0
    assert warm.due(1.0) == (Open(),)
    warm.open_failed(1.0)
    assert warm.next_deadline() == 3.0
    warm.due(3.0)
    warm.opened("a", 3.0)
    warm.died("a")
    warm.due(4.0)
    warm.open_failed(4.0)
    assert warm.next_deadline() == 5.0


def test_retired_it_closes_everything_also_what_opens_late() -> None:
    warm = pool()
    warm.due(0.0)
    warm.opened("a", 0.0)
    assert warm.retire() == (Close("a"),)
    warm.opened("b", 0.1)
    assert warm.due(0.1) == (Close("b"),)
    assert warm.next_deadline() == float("inf")


def test_a_pool_of_none_never_wakes() -> None:
    warm = pool(0)
    assert warm.due(0.0) == ()
    assert warm.next_deadline() == float("inf")
