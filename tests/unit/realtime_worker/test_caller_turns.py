"""When the caller really spoke, from what turn detection says."""

from common.profile import SemanticVad, ServerVad
from talker.core.caller_turns import CallerTurns, Span
from talker.core.leg_clock import LegClock


def heard(ms: int) -> LegClock:
    clock = LegClock()
    for at_ms in range(1_000, 1_000 + ms, 20):
        clock.sent(at_ms, 160)
    return clock


def test_lead_in_and_closing_silence_are_no_part_of_a_turn() -> None:
    turns = CallerTurns(heard(5_000), ServerVad(prefix_padding_ms=300, silence_duration_ms=500))
    assert turns.began("i", 1_000) == 1_000 + 1_300
    assert turns.ended("i", 3_000) == 1_000 + 2_500
    assert turns.transcribed("i") == Span(2_300, 3_500)


def test_semantic_turn_detection_has_no_fixed_silence() -> None:
    turns = CallerTurns(heard(5_000), SemanticVad())
    assert turns.began("i", 1_000) == 2_000
    assert turns.ended("i", 3_000) == 4_000


def test_a_turn_is_put_into_words_once() -> None:
    turns = CallerTurns(heard(1_000), ServerVad())
    turns.began("i", 0)
    assert turns.transcribed("i") is not None
    assert turns.transcribed("i") is None


def test_a_turn_whose_beginning_was_missed_still_has_an_end() -> None:
    turns = CallerTurns(heard(2_000), ServerVad())
    turns.ended("i", 1_500)
    assert turns.transcribed("i") == Span(2_000, 2_000)


def test_a_start_cannot_lie_in_the_future() -> None:
    turns = CallerTurns(heard(200), ServerVad(prefix_padding_ms=300))
    assert turns.began("i", 0) == 1_200


def test_turns_without_words_are_forgotten_in_time() -> None:
    turns = CallerTurns(heard(200), ServerVad())
    for number in range(100):
        turns.began(str(number), 0)
    assert turns.transcribed("0") is None
    assert turns.transcribed("99") is not None
