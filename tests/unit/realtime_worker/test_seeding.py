"""What a new session is told of the call, and what it is asked for first."""

from typing import Any

import pytest

from common.conversation import AnyTurn, ToolTurn, Turn
from common.messages.commands import CutOver
from talker.core.seeding import (
    BACK,
    CONTINUED,
    NO_RESULT,
    TRIMMED,
    UNREACHED,
    Seed,
    apologise,
    go_on,
    greet,
    seed,
    situation,
)
from talker.port import AddToolCall, AddToolOutput, AddTurn, Respond

ASKED = Turn(speaker="caller", item_id="item_1", text="When do you open?", start_ms=0, end_ms=900)
ANSWERED = Turn(speaker="agent", item_id="item_2", text="At nine.", start_ms=1000, end_ms=1900)
MUMBLED = Turn(speaker="caller", item_id="item_3", text="", start_ms=2000, end_ms=2900)
UNHEARD = Turn(speaker="agent", item_id="item_4", text="", start_ms=3000, end_ms=3000, is_unfinished=True)
CALLED = ToolTurn(item_id="item_5", tool_call_id="call_1", name="list_tasks", arguments="{}", start_ms=1500)


def seeded(*turns: AnyTurn, **cut: Any) -> Seed:
    return seed(CutOver(is_granted=True, conversation=turns, **cut), "gpt-realtime-2.1", "Be kind.")


def opening(*turns: AnyTurn, replayed_ms: int = -1) -> Respond | None:
    return situation(turns).opening("Hello.", "Be kind.", replayed_ms)


def changed(turn: Turn, **changes: Any) -> Turn:
    return turn.model_copy(update=changes)


# --- told -----------------------------------------------------------------------------------------------------------


def test_of_a_call_that_has_just_begun_there_is_nothing_to_tell() -> None:
    assert seeded().steps == ()
    assert seeded(MUMBLED, UNHEARD).steps == ()


def test_a_running_call_is_told_in_order_and_not_greeted_again() -> None:
    assert seeded(ASKED, ANSWERED).steps == (
        AddTurn("caller", "When do you open?", "item_1"),
        AddTurn("agent", "At nine.", "item_2"),
        AddTurn("system", CONTINUED),
    )


def test_turns_without_words_are_not_items() -> None:
    assert seeded(ANSWERED, MUMBLED).steps == (AddTurn("agent", "At nine.", "item_2"), AddTurn("system", CONTINUED))


def test_a_tool_call_is_told_with_its_result() -> None:
    done = CALLED.model_copy(update={"output": "[]"})
    assert seeded(done).steps[:2] == (
        AddToolCall("call_1", "list_tasks", "{}", "item_5"),
        AddToolOutput("call_1", "[]", "item_5_output"),
    )


def test_a_tool_call_whose_result_nobody_knows_is_to_be_asked_for_again() -> None:
    told = seeded(CALLED)
    assert told.steps == (AddToolCall("call_1", "list_tasks", "{}", "item_5"), AddTurn("system", CONTINUED))
    assert told.open_tools == (CALLED,)
    assert seeded(CALLED.model_copy(update={"output": "[]"})).open_tools == ()


@pytest.mark.parametrize("change", [{"name": "List.*>"}, {"name": "x" * 65}, {"arguments": "x" * 17_000}])
def test_a_tool_call_nobody_could_run_does_not_dangle(change: dict[str, str]) -> None:
    told = seeded(CALLED.model_copy(update=change))
    assert told.steps[1] == AddToolOutput("call_1", NO_RESULT, "item_5_output")
    assert told.open_tools == ()


def test_what_was_left_out_is_said() -> None:
    told = seeded(ANSWERED, omitted_turns=7)
    assert told.steps[0] == AddTurn("system", TRIMMED)
    assert (told.kept, told.omitted) == (1, 7)


# --- asked for ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conversation", [(), (MUMBLED,), (UNHEARD,)])
def test_a_caller_who_has_heard_nobody_is_greeted_with_the_very_words_of_the_profile(
    conversation: tuple[AnyTurn, ...],
) -> None:
    assert opening(*conversation) == greet("Hello.")
    assert greet("Hello.").instructions.endswith("Hello.")


def test_a_caller_who_has_spoken_meanwhile_is_answered_instead_of_greeted() -> None:
    assert opening(replayed_ms=800) == Respond()


def test_a_caller_who_was_answered_is_left_alone() -> None:
    assert opening(ASKED, ANSWERED) is None


@pytest.mark.parametrize("asked", [ASKED, MUMBLED])
def test_a_caller_who_waits_is_answered(asked: Turn) -> None:
    assert opening(ANSWERED, changed(asked, start_ms=2_000, end_ms=2_900)) == Respond()


def test_an_answer_that_nobody_heard_is_no_answer() -> None:
    assert opening(ANSWERED, changed(ASKED, start_ms=2_000, end_ms=2_900), UNHEARD) == Respond()


def test_a_turn_that_ended_before_the_answer_began_was_answered() -> None:
    assert opening(ASKED, ANSWERED, replayed_ms=950) is None
    assert opening(ASKED, ANSWERED, replayed_ms=2_500) == Respond()


def test_a_caller_who_spoke_over_the_agent_waits() -> None:
    assert opening(ANSWERED, changed(ASKED, start_ms=1_200, end_ms=1_800)) == Respond()


def test_a_turn_that_broke_off_is_gone_on_with_in_the_agents_own_role() -> None:
    request = opening(ASKED, changed(ANSWERED, is_unfinished=True))
    assert request == go_on("Be kind.")
    assert request.instructions.startswith("Be kind.")


def test_a_caller_who_spoke_after_a_turn_broke_off_is_answered() -> None:
    assert opening(changed(ANSWERED, is_unfinished=True), MUMBLED) == Respond()


def test_a_tools_result_wants_an_answer() -> None:
    assert opening(ASKED, ANSWERED, CALLED) == Respond()
    assert opening(CALLED, changed(ANSWERED, start_ms=1_600)) is None


def test_recordings_answer_nothing_and_keys_ask_nothing() -> None:
    prompt = changed(ANSWERED, item_id="prompt-1", start_ms=3_000, end_ms=9_000)
    pressed = changed(ASKED, item_id="keys-1", start_ms=9_500, end_ms=9_500)
    asked = changed(ASKED, start_ms=2_000, end_ms=2_900)
    assert opening(ANSWERED, asked, prompt, pressed) == Respond()
    assert opening(ASKED, changed(ANSWERED, start_ms=1_600), prompt, pressed) is None


def test_a_caller_who_was_on_hold_is_told_that_somebody_is_back() -> None:
    prompt = changed(ANSWERED, item_id="prompt-1", start_ms=3_000, end_ms=9_000)
    held = situation((ASKED, prompt), was_on_hold=True)
    request = held.opening("Hello.", "Be kind.", -1)
    assert request is not None
    assert request.instructions.startswith("Be kind.")
    assert request.instructions.endswith(BACK)
    assert situation((), was_on_hold=True).opening("Hello.", "Be kind.", -1) == greet("Hello."), "who heard nothing"


def test_to_a_caller_whom_no_human_could_be_found_for_the_agent_apologises_first() -> None:
    for was_on_hold in (False, True):
        back = situation((ASKED, ANSWERED), was_on_hold=was_on_hold, human_unreached=True)
        assert back.opening("Hello.", "Be kind.", -1) == apologise("Be kind.")
    assert situation((), human_unreached=True).opening("Hello.", "Be kind.", -1) == apologise("Be kind.")


def test_an_apology_is_spoken_by_the_agents_own_rules_and_begins_no_other_transfer() -> None:
    request = apologise("Be kind.")
    assert request.instructions == f"Be kind.\n\n{UNREACHED}"
    assert not request.may_use_tools
    assert request.human_unreached
