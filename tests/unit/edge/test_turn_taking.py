"""Whose move it is, by the facts of a call."""

from edge.core.turn_taking import TurnTaking


def test_nobody_has_spoken_yet_so_nothing_is_awaited() -> None:
    assert TurnTaking().is_free


def test_the_line_is_taken_from_the_callers_first_word_to_the_answers() -> None:
    turns = TurnTaking()
    turns.caller_began()
    assert not turns.is_free
    turns.caller_ended(5.0)
    assert not turns.is_free
    assert turns.awaited_since == 5.0
    turns.agent_began()
    assert turns.is_free


def test_a_caller_who_goes_on_speaking_awaits_nothing_yet() -> None:
    turns = TurnTaking()
    turns.caller_began()
    turns.caller_ended(5.0)
    turns.caller_began()
    assert turns.awaited_since is None
    assert not turns.is_free


def test_a_new_talker_tells_of_the_open_turn_anew_but_the_answer_stays_due() -> None:
    turns = TurnTaking()
    turns.caller_began()
    turns.talker_changed()
    assert turns.is_free
    turns.caller_began()
    turns.caller_ended(5.0)
    turns.talker_changed()
    assert turns.awaited_since == 5.0
