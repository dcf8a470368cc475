"""How interruptions are measured."""

from simulators.twilio.audibility import Interval
from simulators.twilio.barge_in import BargeIn, barge_ins


def test_speech_while_the_agent_is_silent_is_no_interruption() -> None:
    assert barge_ins([0.5, 2.0], [Interval(1.0, 2.0)], []) == []


def test_the_agents_end_and_the_first_clear_are_measured() -> None:
    assert barge_ins([1.5], [Interval(1.0, 1.7)], [1.2, 1.6, 1.8]) == [BargeIn(1.5, 1.7, 1.6)]


def test_an_agent_who_talks_on_is_measured_to_the_end_over_pauses() -> None:
    agent = [Interval(1.0, 2.0), Interval(2.3, 4.0), Interval(5.0, 6.0)]
    assert barge_ins([1.5], agent, []) == [BargeIn(1.5, 4.0, None)]


def test_an_onset_in_a_short_pause_of_the_agent_counts() -> None:
    assert barge_ins([2.1], [Interval(1.0, 2.0), Interval(2.3, 4.0)], []) == [BargeIn(2.1, 4.0, None)]


def test_what_follows_a_clear_is_a_new_answer() -> None:
    agent = [Interval(1.0, 2.0), Interval(2.3, 4.0)]
    assert barge_ins([1.9], agent, [1.98]) == [BargeIn(1.9, 2.0, 1.98)]


def test_a_clear_belongs_to_the_last_onset_before_it() -> None:
    agent = [Interval(1.0, 2.0), Interval(5.0, 6.0)]
    assert barge_ins([1.5, 5.5], agent, [5.6]) == [BargeIn(1.5, 2.0, None), BargeIn(5.5, 6.0, 5.6)]


def test_the_intervals_themselves_stay_as_they_are() -> None:
    agent = [Interval(1.0, 2.0), Interval(2.3, 4.0)]
    barge_ins([1.5], agent, [])
    assert agent == [Interval(1.0, 2.0), Interval(2.3, 4.0)]
