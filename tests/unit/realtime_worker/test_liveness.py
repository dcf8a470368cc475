"""Whether a speech session still lives."""

from talker.core.liveness import ANSWER_WITHIN_S, QUIET_AFTER_S, Liveness


def test_a_session_that_says_something_now_and_then_is_never_asked() -> None:
    liveness = Liveness(0.0)
    for tenth in range(1, 100):
        liveness.heard(tenth * 1.4)
        assert liveness.check(tenth * 1.4 + 1.3) is None


def test_a_silent_session_is_asked_and_an_answer_starts_anew() -> None:
    liveness = Liveness(0.0)
    assert liveness.next_check == QUIET_AFTER_S
    assert liveness.check(QUIET_AFTER_S) == "ask"
    assert liveness.next_check == QUIET_AFTER_S + ANSWER_WITHIN_S
    liveness.heard(2.0)
    assert liveness.check(2.5) is None
    assert liveness.next_check == 2.0 + QUIET_AFTER_S


def test_a_session_that_does_not_answer_is_dead() -> None:
    liveness = Liveness(0.0)
    liveness.check(QUIET_AFTER_S)
    assert liveness.check(QUIET_AFTER_S + 0.1) is None
    assert liveness.check(QUIET_AFTER_S + ANSWER_WITHIN_S) == "dead"


def test_when_our_own_loop_was_late_the_session_is_asked_before_it_is_given_up() -> None:
    assert Liveness(0.0).check(60.0) == "ask"
