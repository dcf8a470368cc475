"""Whose move it is, by the facts of a call."""

from typing import Any

from common.messages.facts import AnyFact, DigitsPressed, TurnEnded, TurnStarted
from edge.core.clock import LegClock
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


def test_the_rest_of_a_turn_that_broke_off_is_awaited_until_it_comes() -> None:
    turns = TurnTaking()
    turns.agent_broke_off(5.0)
    assert turns.awaited_since == 5.0
    assert not turns.is_free
    turns.agent_began()
    assert turns.is_free


def test_who_speaks_over_a_turn_that_broke_off_does_not_await_its_rest() -> None:
    turns = TurnTaking()
    turns.caller_began()
    turns.agent_broke_off(5.0)
    assert turns.awaited_since is None
    turns.caller_ended(6.0)
    turns.agent_broke_off(7.0)
    assert turns.awaited_since == 6.0


def test_whose_move_it_is_follows_from_the_facts_of_turns_and_from_no_others() -> None:
    turns, clock = TurnTaking(), LegClock()
    clock.feed(3_000, now=10.0)
    about: dict[str, Any] = {"call_id": "CA1", "epoch": 1, "at_ms": 2_000}

    def follow(fact: AnyFact) -> bool:
        return turns.follow(fact, clock, now=10.0)

    assert follow(TurnStarted(**about, speaker="caller", item_id="item_1"))
    assert not turns.is_free
    assert follow(TurnEnded(**about, item_id="item_1", end_ms=2_000))
    assert turns.awaited_since == 9.0
    assert not follow(DigitsPressed(**about, digits="1"))
    assert turns.awaited_since == 9.0
    assert follow(TurnStarted(**about, speaker="agent", item_id="item_2"))
    assert turns.is_free
