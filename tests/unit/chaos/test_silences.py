"""Silence counts when speech was due: a broken answer, or an answer that is late."""

import pytest

from chaos.recorded import Span
from chaos.silences import Silence, silences
from unit.chaos.hand_made import PACE, call, heard, speech, turn

SPEECHES = {1: [speech(0), speech(1)], 2: [speech(0), speech(1)]}


def found(*args: object, **fields: object) -> list[Silence]:
    return silences(call(*args, **fields), SPEECHES, PACE)  # type: ignore[arg-type]


def test_an_answer_in_time_leaves_no_silence() -> None:
    assert found([heard(0, 1), heard(10.8, 1, 600)], [turn(7, 10)]) == []


def test_a_late_answer_counts_from_when_a_healthy_model_would_have_given_it() -> None:
    (silence,) = found([heard(0, 1), heard(12.3, 1, 600)], [turn(7, 10)])
    assert (silence.start_s, silence.covered_s, silence.spoken_s) == pytest.approx((10.8, 12.3, 12.3))
    assert silence.gap_s == pytest.approx(1.5)


def test_an_answer_that_broke_off_is_owed_from_its_last_sound_on() -> None:
    (silence,) = found([heard(0, 1, 0, 200), heard(2.9, 2)])
    assert (silence.start_s, silence.gap_s) == pytest.approx((2.0, 0.9))


def test_an_answer_heard_to_its_end_owes_nothing() -> None:
    assert found([heard(0, 1), heard(20, 2)]) == []
    assert found([heard(0, 1, 0, 597), heard(20, 2)]) == []


def test_another_session_that_goes_on_at_once_leaves_no_silence() -> None:
    assert found([heard(0, 1, 0, 200), heard(2.0, 2)]) == []


def test_speech_that_the_caller_interrupted_is_not_owed() -> None:
    assert found([heard(0, 1, 0, 200), heard(5.2, 2)], [turn(1.8, 4.4)]) == []


def test_a_hole_within_an_answer_is_a_silence() -> None:
    (silence,) = found([heard(0, 1, 0, 200), heard(2.5, 1, 250, 350)])
    assert silence.gap_s == pytest.approx(0.5)


def test_the_local_clip_covers_and_the_longest_stretch_is_kept() -> None:
    clips = [Span(2.3, 2.6), Span(4.6, 4.9)]
    (silence,) = found([heard(0, 1, 0, 200), heard(6.0, 2)], clips=clips)
    assert silence.gap_s == pytest.approx(0.3)
    assert silence.longest_s == pytest.approx(2.0)
    assert silence.spoken_s == pytest.approx(6.0)


def test_the_caller_who_goes_on_ends_the_silence() -> None:
    silence = found([heard(0, 1, 0, 200), heard(9.8, 2)], [turn(5, 9)])[0]
    assert silence.gap_s == pytest.approx(3.0)


def test_silence_to_the_end_of_the_call_is_kept() -> None:
    (silence,) = found([heard(0, 1)], [turn(7, 10)], ended_s=40)
    assert silence.spoken_s is None
    assert silence.gap_s == pytest.approx(29.2)


def test_a_caller_who_hung_up_before_the_answer_was_due_was_owed_none() -> None:
    assert found([heard(0, 1)], [turn(7, 10)], ended_s=10.5) == []
