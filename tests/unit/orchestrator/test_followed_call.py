"""A call folded from its facts: each counts once, in whatever order and however often they come."""

import json

from hypothesis import given
from hypothesis import strategies as st

from common.messages.commands import EndReason
from common.messages.facts import (
    AnyFact,
    CallEnded,
    DigitsPressed,
    InstructionsApplied,
    ServiceLevelChanged,
    TransferFailed,
)
from common.messages.facts import LevelCause as Cause
from orchestrator.core.followed_call import MOST_TURNS, begin, fold
from unit.orchestrator.following import answered, asked_tool, followed, returned, said, started

ALL = (
    started(caller_number="+14155550100"),
    answered(1, "Hello."),
    said(2, "An invoice, please."),
    asked_tool(3, "get_invoice"),
    returned(3, '{"sum": 12}'),
    answered(4, "Twelve."),
    DigitsPressed(call_id="CA1", fact_id="fact-d", at_ms=5_000, digits="12#"),
)


def test_a_call_holds_what_was_said_and_done_in_its_order() -> None:
    call = followed(*ALL)
    assert [(each["kind"], each["text"]) for each in call["conversation"]] == [
        ("agent", "Hello."),
        ("caller", "An invoice, please."),
        ("tool", '{"sum": 12}'),
        ("agent", "Twelve."),
        ("keys", "12#"),
    ]
    assert (call["profile"], call["caller_number"], call["agent_turns"]) == ("desk", "+14155550100", 2)
    assert [each["kind"] for each in call["due"]] == ["start", "agent", "caller", "tool", "agent", "keys"]


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=40))
def test_facts_that_come_again_change_nothing(facts: list[AnyFact]) -> None:
    once = followed(*dict.fromkeys(facts))
    twice = once
    for fact in facts:
        twice = fold(twice, fact)
    assert twice["conversation"] == once["conversation"]
    assert twice["agent_turns"] == once["agent_turns"]
    known = [each["fact_id"] for each in once["due"]]
    late = [each for each in twice["due"][len(known) :] if each["fact_id"] in known]
    assert not late, "what was decided would be decided again"


def test_the_state_is_json_all_through() -> None:
    call = followed(*ALL)
    assert json.loads(json.dumps(call)) == call


def test_silence_keys_without_text_and_unheard_speech_are_not_said() -> None:
    call = followed(started(), said(1, "  "), answered(2, "Hm?", heard_ms=0), answered(3, ""))
    assert call["conversation"] == []
    assert [each["kind"] for each in call["due"]] == ["start"]


def test_a_turn_told_again_at_full_length_replaces_what_was_known_of_it() -> None:
    call = followed(answered(1, "We are"), answered(1, "We are open."))
    assert [each["text"] for each in call["conversation"]] == ["We are open."]
    assert call["agent_turns"] == 1


def test_of_several_results_of_a_tool_the_first_counts() -> None:
    call = followed(asked_tool(1, "pay"), returned(1, "first"), returned(1, "second"))
    assert call["conversation"][0]["text"] == "first"
    assert [each["kind"] for each in call["due"]] == ["tool"]


def test_a_result_may_come_before_its_call() -> None:
    call = followed(returned(1, "done"), asked_tool(1, "pay"))
    assert [(each["text"], each.get("name")) for each in call["conversation"]] == [("done", "pay")]


def test_a_long_call_keeps_its_newest_turns() -> None:
    call = followed(*(said(number, f"Turn {number}") for number in range(MOST_TURNS + 5)))
    assert len(call["conversation"]) == MOST_TURNS
    assert call["conversation"][0]["text"] == "Turn 5"


def test_a_very_long_turn_is_cut() -> None:
    assert len(followed(said(1, "x" * 50_000))["conversation"][0]["text"]) == 4_000


def test_levels_revisions_and_lost_humans_are_known() -> None:
    call = followed(
        ServiceLevelChanged(call_id="CA1", level=2, before=0, cause=Cause.PROVIDER_FAILED),
        InstructionsApplied(call_id="CA1", revision=3),
        InstructionsApplied(call_id="CA1", revision=2),
        TransferFailed(call_id="CA1", to="front-desk", why="busy"),
    )
    assert (call["service_level"], call["applied_revision"]) == (2, 3)
    assert [(each["kind"], each["id"]) for each in call["due"]] == [("transfer_failed", "front-desk")]


def test_after_the_end_nothing_is_due() -> None:
    ended = CallEnded(call_id="CA1", reason=EndReason.CALLER_HANGUP, duration_ms=9_000)
    call = followed(*ALL, ended, said(8, "Hello?"))
    assert call["is_ended"]
    assert call["due"] == []


def test_a_call_of_which_nothing_is_known_has_no_profile() -> None:
    assert begin("CA1")["profile"] == ""
