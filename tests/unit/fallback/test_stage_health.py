"""Which endpoints may be asked, and when the others are tried again."""

import pytest

from fallback.core.stage_health import PROBE_AT_MOST_S, PROBE_FIRST_S, StageHealth, Trouble
from fallback.core.vocabulary import Stage, StagesChanged

CHAT = Stage.CHAT


def health() -> StageHealth:
    """Two chat endpoints, one of each other stage."""
    return StageHealth({Stage.TRANSCRIPTION: ("t",), CHAT: ("a", "b"), Stage.SPEECH: ("s",)})


def due_at(health: StageHealth, after: float) -> float:
    """When the next probe comes, to a tenth of a second."""
    return next(at / 10 for at in range(round(after * 10), 100_000) if health.take_probes(at / 10))


def test_endpoints_are_asked_in_the_order_of_the_call_unless_they_failed() -> None:
    known = health()
    assert known.usable(CHAT, ("b", "a")) == ("b", "a")
    known.failed(CHAT, "b", Trouble.FAILED, 0.0)
    assert known.usable(CHAT, ("b", "a")) == ("a",)
    known.worked(CHAT, "b")
    assert known.usable(CHAT, ("b", "a")) == ("b", "a")


def test_an_endpoint_that_failed_is_tried_after_a_while_that_doubles() -> None:
    known, now = health(), 0.0
    known.failed(CHAT, "a", Trouble.FAILED, now)
    waits = []
    for _ in range(8):
        due = due_at(known, now)
        waits.append(round(due - now))
        now = due
        known.failed(CHAT, "a", Trouble.FAILED, now)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert (PROBE_FIRST_S, PROBE_AT_MOST_S) == (1.0, 30.0)


def test_a_probe_is_handed_out_once_until_it_is_known_what_came_of_it() -> None:
    known = health()
    known.failed(CHAT, "a", Trouble.FAILED, 0.0)
    assert known.take_probes(0.9) == ()
    assert known.take_probes(1.0) == ((CHAT, "a"),)
    assert known.take_probes(50.0) == ()
    known.failed(CHAT, "a", Trouble.FAILED, 50.0)
    assert known.take_probes(52.0) == ((CHAT, "a"),)
    known.worked(CHAT, "a")
    assert known.take_probes(1_000.0) == ()


def test_many_calls_that_find_out_together_do_not_put_the_probe_off() -> None:
    known = health()
    for number in range(20):
        known.failed(CHAT, "a", Trouble.FAILED, number * 0.01)
    assert due_at(known, 0.2) == PROBE_FIRST_S


def test_an_endpoint_that_worked_begins_anew() -> None:
    known = health()
    known.failed(CHAT, "a", Trouble.FAILED, 0.0)
    known.take_probes(1.0)
    known.failed(CHAT, "a", Trouble.FAILED, 1.0)
    known.worked(CHAT, "a")
    known.failed(CHAT, "a", Trouble.FAILED, 10.0)
    assert due_at(known, 10.0) == 11.0


@pytest.mark.parametrize(
    ("trouble", "wait_s", "after_s"),
    [
        (Trouble.THROTTLED, 7.0, 7.0),
        (Trouble.THROTTLED, None, 2.0),
        (Trouble.THROTTLED, 3_600.0, 30.0),
        (Trouble.THROTTLED, 0.0, 0.0),
        (Trouble.REJECTED, None, 30.0),
    ],
)
def test_how_long_an_endpoint_is_left_alone(trouble: Trouble, wait_s: float | None, after_s: float) -> None:
    known = health()
    known.failed(CHAT, "a", trouble, 0.0, wait_s)
    assert due_at(known, 0.0) == after_s


def test_the_pipeline_stands_while_every_stage_has_an_endpoint() -> None:
    known = health()
    known.failed(CHAT, "a", Trouble.FAILED, 0.0)
    assert known.standing == StagesChanged(are_up=True)
    known.failed(CHAT, "b", Trouble.FAILED, 0.0)
    assert known.standing == StagesChanged(are_up=False)
    assert [known.is_up(stage) for stage in Stage] == [True, False, True]
    known.worked(CHAT, "b")
    assert known.standing == StagesChanged(are_up=True)


def test_it_is_throttled_only_if_nothing_worse_is_amiss_in_a_stage_that_is_down() -> None:
    known = health()
    known.failed(CHAT, "a", Trouble.FAILED, 0.0)
    known.failed(Stage.SPEECH, "s", Trouble.THROTTLED, 0.0)
    assert known.standing == StagesChanged(are_up=False, is_throttled=True)
    known.failed(CHAT, "b", Trouble.THROTTLED, 0.0)
    assert known.standing == StagesChanged(are_up=False)


def test_a_process_without_a_pipeline_has_no_stage_that_is_up() -> None:
    assert StageHealth({}).standing == StagesChanged(are_up=False)


def test_at_most_a_tenth_of_what_is_asked_is_asked_twice() -> None:
    known = health()
    at_once = sum(known.may_retry(CHAT) for _ in range(100))
    retries = 0
    for _ in range(1_000):
        known.asked(CHAT)
        retries += known.may_retry(CHAT)
    assert at_once == 3
    assert 95 <= retries <= 100
    assert known.may_retry(Stage.SPEECH), "each stage has its own budget"


def test_an_agent_that_names_its_endpoints_goes_by_those_alone() -> None:
    health = StageHealth({stage: ["a", "b"] for stage in Stage})
    own = {stage: ["b"] for stage in Stage}
    health.failed(Stage.CHAT, "b", Trouble.FAILED, 0.0)
    assert health.standing == StagesChanged(are_up=True)
    assert health.standing_of(own) == StagesChanged(are_up=False)
    assert health.troubled == {(Stage.CHAT, "b")}
    health.worked(Stage.CHAT, "b")
    assert health.standing_of(own) == StagesChanged(are_up=True)


def test_an_endpoint_that_was_too_slow_once_is_not_given_up_for_that() -> None:
    """The delay may be ours: every other call would hear the menu for it."""
    health = StageHealth({stage: ["a"] for stage in Stage})
    health.failed(Stage.CHAT, "a", Trouble.SLOW, 0.0)
    assert health.standing == StagesChanged(are_up=True)
    health.worked(Stage.CHAT, "a")
    health.failed(Stage.CHAT, "a", Trouble.SLOW, 1.0)
    assert health.standing == StagesChanged(are_up=True), "it had worked in between"
    health.failed(Stage.CHAT, "a", Trouble.SLOW, 2.0)
    assert health.standing == StagesChanged(are_up=False)
    assert health.take_probes(2.0 + PROBE_FIRST_S) == ((Stage.CHAT, "a"),)
