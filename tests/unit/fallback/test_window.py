"""What a breaker remembers of the last seconds."""

from hypothesis import given
from hypothesis import strategies as st

from fallback.core.window import BUCKET_S, Numbers, Window


def test_an_empty_window_says_nothing_against_anybody() -> None:
    numbers = Window(10.0).numbers(0.0)
    assert (numbers, numbers.failed_share) == (Numbers(), 0.0)


def test_attempts_and_failures_of_both_kinds_are_counted_together() -> None:
    window = Window(10.0)
    window.connected(0.2, 0.0)
    window.connected(None, 0.5)
    window.responded(is_failed=True, now=3.0)
    window.responded(is_failed=False, now=3.1)
    numbers = window.numbers(3.2)
    assert (numbers.attempts, numbers.failures, numbers.failed_share) == (4, 2, 0.5)
    assert (numbers.sessions, numbers.ready_p95_s) == (1, 0.2)


def test_what_is_older_than_the_window_is_forgotten_by_the_second() -> None:
    window = Window(10.0)
    window.responded(is_failed=True, now=0.0)
    window.responded(is_failed=True, now=BUCKET_S)
    assert window.numbers(9.9).failures == 2
    assert window.numbers(10.0).failures == 1
    assert window.numbers(11.0).failures == 0


def test_failed_connects_count_in_a_row_however_far_apart_and_a_success_ends_the_row() -> None:
    window = Window(10.0)
    for minute in range(4):
        window.connected(None, 60.0 * minute)
    assert window.numbers(181.0).connects_failed_in_a_row == 4
    window.responded(is_failed=False, now=182.0)
    assert window.numbers(182.0).connects_failed_in_a_row == 4, "a session that runs says nothing about new ones"
    window.connected(1.0, 183.0)
    assert window.numbers(183.0).connects_failed_in_a_row == 0


def test_the_95th_percentile_is_one_of_the_samples() -> None:
    window = Window(10.0)
    for tenth in range(1, 21):
        window.connected(tenth / 10, 1.0)
    assert window.numbers(1.0).ready_p95_s == 1.9


def test_cleared_it_is_as_new() -> None:
    window = Window(10.0)
    window.connected(None, 0.0)
    window.clear()
    assert window.numbers(0.0) == Numbers()


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=60))
def test_it_never_holds_more_than_came_within_its_length(steps: list[tuple[float, bool]]) -> None:
    window, now, came = Window(5.0), 0.0, []
    for pause_s, is_failed in steps:
        now += pause_s
        window.responded(is_failed=is_failed, now=now)
        came.append(now)
        numbers = window.numbers(now)
        assert sum(at > now - 5.0 + BUCKET_S for at in came) <= numbers.attempts <= sum(at > now - 5.0 for at in came)
        assert 0 <= numbers.failures <= numbers.attempts
