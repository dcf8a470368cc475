"""What is due is done, in order of its time."""

from functools import partial

from bench.timeline import Timeline


def test_actions_run_by_time_and_equal_times_in_the_order_given() -> None:
    timeline = Timeline()
    done: list[tuple[str, float]] = []
    for due, name in ((2.0, "c"), (1.0, "a"), (1.0, "b"), (3.0, "d")):
        timeline.at(due, partial(_note, done, name))
    timeline.run(2.5)
    assert done == [("a", 2.5), ("b", 2.5), ("c", 2.5)]


def test_an_action_may_add_another_that_is_due_as_well() -> None:
    timeline = Timeline()
    done: list[float] = []
    timeline.at(1.0, lambda now: timeline.at(now, done.append))
    timeline.run(1.5)
    assert done == [1.5]


def _note(done: list[tuple[str, float]], name: str, now: float) -> None:
    done.append((name, now))
