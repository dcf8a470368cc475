"""Twilio's buffer: plays in order and in real time, returns marks when they are reached."""

from bench.playout import Playout


def test_a_mark_comes_back_when_the_audio_before_it_was_heard() -> None:
    playout = Playout()
    playout.play(1600, 10.0)
    playout.mark("first", 10.0)
    playout.play(1600, 10.05)
    playout.mark("second", 10.05)
    assert playout.due(10.19) == []
    assert playout.due(10.21) == ["first"]
    assert playout.due(10.41) == ["second"]


def test_a_mark_comes_back_at_once_when_nothing_is_buffered() -> None:
    playout = Playout()
    playout.mark("alone", 10.0)
    assert playout.due(10.0) == ["alone"]


def test_a_clear_empties_the_buffer_and_returns_its_marks_at_once() -> None:
    playout = Playout()
    playout.play(8000, 10.0)
    playout.mark("cut", 10.0)
    assert playout.clear(10.5) == ["cut"]
    assert not playout.is_playing(10.5)
    assert playout.due(20.0) == []


def test_a_gap_in_the_audio_is_not_made_up_for() -> None:
    playout = Playout()
    playout.play(800, 10.0)
    playout.play(800, 11.0)
    assert playout.is_playing(11.09)
    assert not playout.is_playing(11.11)
