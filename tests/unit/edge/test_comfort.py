"""The local clip: when it covers silence, and when it keeps quiet."""

import math
from dataclasses import replace

from edge.core.comfort import (
    ANSWER_AFTER_S,
    CLIPS_A_TURN,
    COVER_AFTER_S,
    COVER_LATE_ANSWER_AFTER_S,
    COVER_TURN_AFTER_S,
    LISTEN_ON_FOR_S,
    NOISE_AFTER_S,
    REPEAT_EVERY_S,
    Comfort,
    Line,
)

TALKING = Line(is_silent=False, is_talker_reachable=True)
IDLE = Line(is_silent=True, is_talker_reachable=True)
LOST = Line(is_silent=True, is_talker_reachable=False)
MID_TURN = Line(is_silent=False, is_talker_reachable=True, is_mid_turn=True)
FALTERING = Line(is_silent=True, is_talker_reachable=True, is_mid_turn=True)
LOUD, QUIET = b"\x90" * 160, b"\xf0" * 160
LOST_WHILE_PLAYING = Line(is_silent=False, is_talker_reachable=False)


def begun(line: Line, now: float) -> Comfort:
    comfort = Comfort(0.0)
    comfort.feed(IDLE, 1.0)
    comfort.feed(line, now)
    return comfort


def test_silence_is_covered_soon_after_the_talker_was_lost() -> None:
    comfort = begun(LOST, 5.0)
    assert comfort.next_deadline() == 5.0 + COVER_AFTER_S
    assert not comfort.is_due(5.19)
    assert comfort.is_due(5.0 + COVER_AFTER_S)


def test_what_the_carrier_still_plays_needs_no_cover_until_it_ends() -> None:
    comfort = begun(LOST_WHILE_PLAYING, 5.0)
    assert comfort.next_deadline() == math.inf
    comfort.feed(LOST, 9.0)
    assert comfort.next_deadline() == 9.0 + COVER_AFTER_S


def test_the_clip_is_repeated_while_nobody_talks() -> None:
    comfort = begun(LOST, 5.0)
    assert comfort.is_due(5.0 + COVER_AFTER_S)
    comfort.feed(LOST_WHILE_PLAYING, 5.2)
    assert comfort.next_deadline() == math.inf
    comfort.feed(LOST, 5.5)
    assert comfort.next_deadline() == 5.0 + COVER_AFTER_S + REPEAT_EVERY_S
    assert not comfort.is_due(6.0)
    assert comfort.is_due(7.25)


def test_a_new_talker_ends_it() -> None:
    comfort = begun(LOST, 5.0)
    comfort.feed(IDLE, 5.1)
    assert comfort.next_deadline() == math.inf


def test_a_pause_in_the_conversation_is_no_silence_of_ours() -> None:
    assert begun(IDLE, 5.0).next_deadline() == math.inf


def test_an_answer_that_is_long_overdue_is_covered() -> None:
    comfort = begun(Line(is_silent=True, is_talker_reachable=True, awaited_since=6.0), 6.0)
    assert comfort.next_deadline() == 6.0 + COVER_LATE_ANSWER_AFTER_S
    assert comfort.is_due(8.0)
    comfort.feed(TALKING, 8.1)
    assert not comfort.is_due(20.0)


def test_an_answer_that_a_silent_talker_owes_is_covered_before_the_talker_is_given_up() -> None:
    waiting = Line(is_silent=True, is_talker_reachable=True, awaited_since=6.0)
    comfort = begun(waiting, 6.0)
    comfort.feed(replace(waiting, missed_since=5.9), 6.21)
    assert comfort.is_due(6.21)
    comfort = begun(waiting, 6.0)
    comfort.feed(replace(waiting, missed_since=6.1), 6.2)
    assert comfort.next_deadline() == 6.1 + COVER_AFTER_S


def test_a_pause_is_not_covered_for_a_talker_that_only_hesitates() -> None:
    assert begun(replace(IDLE, missed_since=4.0), 5.0).next_deadline() == math.inf


def test_the_silence_of_a_talker_that_froze_counts_from_its_last_sign_of_life() -> None:
    assert begun(replace(LOST, missed_since=4.5), 5.0).is_due(5.0)
    comfort = begun(TALKING, 4.0)
    comfort.feed(replace(LOST, missed_since=4.5), 5.0)
    assert comfort.next_deadline() == 5.0 + COVER_AFTER_S, "the line was silent no longer than that"


def test_the_answer_a_lost_talker_owed_is_covered_though_the_next_one_is_there_already() -> None:
    waiting = Line(is_silent=True, is_talker_reachable=True, awaited_since=4.9)
    comfort = begun(replace(LOST, awaited_since=4.9), 5.0)
    comfort.feed(waiting, 5.1)
    assert comfort.next_deadline() == 5.0 + COVER_AFTER_S
    assert comfort.is_due(5.2)
    comfort.feed(TALKING, 5.4)
    comfort.feed(replace(waiting, awaited_since=9.0), 9.1)
    assert comfort.next_deadline() == 9.1 + COVER_LATE_ANSWER_AFTER_S, "this answer is only the new talker's"


def test_a_turn_that_ended_while_nobody_listened_is_owed_an_answer_as_soon_as_that_is_known() -> None:
    comfort = begun(LOST, 5.0)
    comfort.feed(IDLE, 5.1)
    assert comfort.next_deadline() == math.inf
    comfort.feed(Line(is_silent=True, is_talker_reachable=True, awaited_since=4.8), 5.4)
    assert comfort.is_due(5.4)


def test_who_spoke_before_the_first_talker_came_is_given_time_to_hear_the_greeting() -> None:
    comfort = Comfort(0.0)
    comfort.feed(Line(is_silent=True, is_talker_reachable=True, awaited_since=0.5), 1.0)
    assert comfort.next_deadline() == 0.5 + COVER_LATE_ANSWER_AFTER_S


def test_a_turn_that_falters_is_covered_before_its_talker_is_known_to_be_lost() -> None:
    comfort = begun(MID_TURN, 5.0)
    assert comfort.next_deadline() == math.inf
    comfort.feed(FALTERING, 6.0)
    assert comfort.next_deadline() == 6.0 + COVER_TURN_AFTER_S
    comfort.feed(MID_TURN, 6.2)
    assert comfort.next_deadline() == math.inf, "it went on"


def test_a_turn_whose_end_never_comes_is_not_covered_without_end() -> None:
    comfort, now = begun(FALTERING, 5.0), 5.0
    for _ in range(CLIPS_A_TURN):
        now = comfort.next_deadline()
        assert comfort.is_due(now)
        comfort.feed(MID_TURN, now)
        comfort.feed(FALTERING, now + 0.3)
    assert comfort.next_deadline() == math.inf
    comfort.feed(TALKING, now + 1)
    comfort.feed(FALTERING, now + 5)
    assert comfort.next_deadline() == now + 5 + COVER_TURN_AFTER_S, "another turn"


def test_who_speaks_while_nobody_listens_is_not_spoken_over_and_then_answered() -> None:
    comfort = begun(LOST, 5.0)
    assert comfort.listens(60.0)
    for at in (5.1, 5.5, 6.0):
        comfort.hear(LOUD, at)
        assert not comfort.is_due(at + 0.3)
    comfort.hear(QUIET, 6.3)
    assert comfort.next_deadline() == 6.0 + ANSWER_AFTER_S
    assert comfort.is_due(6.0 + ANSWER_AFTER_S)
    assert comfort.next_deadline() == 6.0 + ANSWER_AFTER_S + REPEAT_EVERY_S
    comfort.hear(LOUD, 7.5)
    assert comfort.next_deadline() == 7.5 + ANSWER_AFTER_S, "sooner than it would be repeated"


def test_a_noisy_place_does_not_keep_the_clip_away() -> None:
    comfort = begun(LOST, 5.0)
    played = []
    for tenth in range(50, 300):
        comfort.hear(LOUD, tenth / 10)
        if comfort.is_due(tenth / 10):
            played.append(tenth / 10)
    assert played == [5.0 + NOISE_AFTER_S * each for each in (1, 2)]


def test_who_spoke_while_nobody_listened_is_answered_though_the_next_talker_has_not_noticed_yet() -> None:
    comfort = begun(LOST, 5.0)
    assert comfort.is_due(5.2)
    comfort.feed(LOST_WHILE_PLAYING, 5.2)
    comfort.feed(LOST, 5.5)
    comfort.hear(LOUD, 5.9)
    comfort.feed(IDLE, 6.0)
    assert comfort.next_deadline() == 5.9 + ANSWER_AFTER_S
    comfort.feed(TALKING, 6.1)
    comfort.feed(IDLE, 6.2)
    assert comfort.next_deadline() == math.inf, "the agent has answered"


def test_who_goes_on_speaking_when_the_next_talker_listens_is_left_to_it() -> None:
    comfort = begun(LOST, 5.0)
    comfort.feed(IDLE, 6.0)
    for tenth in range(50, 75):
        comfort.hear(LOUD, tenth / 10)
        assert comfort.listens(tenth / 10)
        assert not comfort.is_due(tenth / 10)
    assert not comfort.listens(6.0 + LISTEN_ON_FOR_S)
    assert comfort.next_deadline() == math.inf


def test_what_was_heard_in_one_disturbance_is_forgotten_in_the_next() -> None:
    comfort = begun(LOST, 5.0)
    comfort.hear(LOUD, 5.9)
    comfort.feed(IDLE, 6.0)
    comfort.feed(LOST, 6.1)
    assert comfort.next_deadline() == 6.1 + COVER_AFTER_S


def test_before_the_first_talker_the_caller_is_given_time_to_hear_the_greeting() -> None:
    comfort = Comfort(0.0)
    comfort.feed(LOST, 0.1)
    assert comfort.next_deadline() == COVER_LATE_ANSWER_AFTER_S
