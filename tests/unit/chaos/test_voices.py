"""Two voices are heard as such, whatever the order of the sessions' numbers."""

from chaos.voices import double_talk_frames, foreign_frames, order_heard, repeated_frames
from unit.chaos.hand_made import CALLER, heard, session


def test_one_session_after_the_other_is_no_double_talk() -> None:
    assert double_talk_frames([heard(0, 7), heard(10, 3), heard(20, 3, 600), heard(30, 9)]) == 0


def test_a_session_heard_after_a_later_one_is_double_talk() -> None:
    assert (
        double_talk_frames([heard(0, 1, 0, 100), heard(1, 2, 0, 100), heard(2, 1, 100, 40), heard(3, 2, 100, 9)]) == 20
    )


def test_frames_in_turns_are_double_talk_and_a_begun_frame_counts() -> None:
    woven = [heard(0, 1, 0, 2), heard(0.02, 2, 0, 2), heard(0.04, 1, 2, 1), heard(0.05, 2, 2, 2), heard(0.07, 1, 3, 3)]
    assert double_talk_frames(woven) == 1 + 2


def test_the_order_is_that_of_hearing() -> None:
    assert order_heard([heard(0, 7), heard(10, 3), heard(20, 7)]) == [7, 3]


def test_speech_heard_twice_is_counted() -> None:
    assert repeated_frames([heard(0, 1, 0, 100), heard(1, 1, 80, 40)]) == 10
    assert repeated_frames([heard(0, 1, 0, 100), heard(1, 1, 100, 40)]) == 0


def test_another_calls_agent_is_foreign() -> None:
    sessions = {1: session(1), 2: session(2, caller=CALLER + 1)}
    run = [heard(0, 1), heard(10, 2, 0, 50)]
    assert foreign_frames(run, CALLER, sessions) == 25
    assert foreign_frames(run[:1], CALLER, sessions) == 0
