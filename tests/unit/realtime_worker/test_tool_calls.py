"""Tools the model asks for: run once, given back together, answered in a lull, asked for again after a handover."""

from typing import Any

import pytest

from common.conversation import AnyTurn, ToolTurn, Turn
from common.messages.commands import CutOver
from common.messages.facts import ToolCalled, ToolReturned
from common.messages.tools import SendDigitsOrder
from talker import port
from talker.core.floor import Floor
from talker.core.seeding import PATIENCE, have_patience
from talker.core.tools import ARGUMENTS_BYTES, CALLS_AT_MOST, REFUSALS, ROUNDS_AT_MOST
from talker.core.vocabulary import (
    AskHandover,
    BecameTalker,
    Command,
    CountToolRefused,
    Instructed,
    ReplayEnded,
    RunTool,
    SendRecord,
    ToolAnswered,
    ToolWaits,
)
from talker.port import AddToolCall, AddToolOutput, Respond, ToolWanted
from unit.realtime_worker.rig import GET_TASK, LIST_TASKS, OUTAGE, Call, asking, revision, wanted

TOOLS = (LIST_TASKS, GET_TASK)
RUN = RunTool("t1", "list_tasks", "{}")
DONE = ToolAnswered("t1", "[]")


def ended(*tools: ToolWanted, response: str = "r2", status: port.ResponseStatus = "completed") -> port.ResponseEnded:
    return port.ResponseEnded(response, status, tools=tools)


def calling(*tools: ToolWanted, **changes: Any) -> Call:
    """The caller has asked, and the model has asked for tools instead of answering."""
    call = asking(**{"tools": TOOLS} | changes)
    call.feed(port.ResponseStarted("r2"), ended(*tools or (wanted(),)))
    return call


def kinds(commands: list[Command]) -> list[str]:
    return [type(each).__name__ for each in commands]


# --- asked for ------------------------------------------------------------------------------------------------------


def test_a_tool_is_a_fact_then_run_and_its_result_a_fact_then_told_and_answered() -> None:
    call = calling(wanted(arguments='{"day": 1}'))
    (called,) = call.facts(ToolCalled)
    assert (called.tool_call_id, called.name, called.item_id) == ("t1", "list_tasks", "item-t1")
    assert (called.arguments, called.epoch) == ('{"day": 1}', 3)
    assert call.done[-1] == RunTool("t1", "list_tasks", '{"day": 1}')
    done = call.feed(ToolAnswered("t1", "[]", is_error=True))
    assert kinds(done) == ["WriteFact", "AddToolOutput", "Respond"]
    assert done[1:] == [AddToolOutput("t1", "[]"), Respond()]
    (returned,) = call.facts(ToolReturned)
    assert (returned.tool_call_id, returned.output, returned.is_error) == ("t1", "[]", True)


def test_two_talkers_who_hear_of_the_same_result_tell_the_same_fact() -> None:
    one, other = calling(), calling()
    one.feed(DONE)
    other.feed(DONE)
    assert one.facts(ToolReturned)[0].fact_id == other.facts(ToolReturned)[0].fact_id


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete"])
def test_of_an_answer_that_was_not_completed_no_tool_is_run(status: port.ResponseStatus) -> None:
    call = asking(tools=TOOLS)
    call.feed(port.ResponseStarted("r2"), ended(wanted(), status=status))
    assert call.of(RunTool) == []
    assert call.facts(ToolCalled) == []


@pytest.mark.parametrize(
    ("tool", "why"),
    [
        (wanted(name="delete_everything"), "unknown"),
        (wanted(name=""), "unknown"),
        (wanted(arguments="x" * (ARGUMENTS_BYTES + 1)), "oversized"),
    ],
)
def test_what_may_not_be_run_is_told_to_the_model_as_data(tool: ToolWanted, why: Any) -> None:
    call = calling(tool)
    assert call.of(RunTool) == []
    assert call.facts(ToolCalled) == []
    assert call.of(CountToolRefused) == [CountToolRefused(why)]
    assert call.done[-2:] == [AddToolOutput("t1", REFUSALS[why]), Respond()]


def test_tools_are_granted_by_the_newest_revision() -> None:
    call = asking(tools=(LIST_TASKS,))
    call.say("r2", "a2")
    call.feed(Instructed(revision(1, "Be kind.", tools=(GET_TASK,))), port.ResponseEnded("r2", "completed"))
    call.feed(port.SessionConfigured(), port.ResponseStarted("r3"))
    call.feed(ended(wanted("r3", "t1", "list_tasks"), wanted("r3", "t2", "get_task"), response="r3"))
    assert call.of(RunTool) == [RunTool("t2", "get_task", "{}")]


# --- several --------------------------------------------------------------------------------------------------------


def test_parallel_calls_are_given_back_in_their_order_and_answered_once() -> None:
    call = calling(wanted(tool_call="t1"), wanted(tool_call="t2"), wanted(tool_call="t3", name="nobody_knows"))
    assert [each.tool_call_id for each in call.of(RunTool)] == ["t1", "t2"]
    assert kinds(call.feed(ToolAnswered("t2", "2"))) == ["WriteFact"]
    assert call.feed(ToolAnswered("t1", "1"))[1:] == [
        AddToolOutput("t1", "1"),
        AddToolOutput("t2", "2"),
        AddToolOutput("t3", REFUSALS["unknown"]),
        Respond(),
    ]


def test_an_answer_that_comes_twice_or_to_nothing_is_ignored() -> None:
    call = calling(wanted(tool_call="t1"), wanted(tool_call="t1"))
    assert len(call.of(RunTool)) == 1
    call.feed(DONE)
    assert call.feed(DONE, ToolAnswered("t9", "[]")) == []


def test_a_model_that_asks_for_too_much_at_once_is_told() -> None:
    call = calling(*(wanted(tool_call=f"t{number}") for number in range(CALLS_AT_MOST + 2)))
    assert len(call.of(RunTool)) == CALLS_AT_MOST
    assert call.of(CountToolRefused) == [CountToolRefused("too_many")] * 2


def test_a_model_that_never_stops_asking_has_to_speak_and_is_left_alone_in_the_end() -> None:
    call = calling()
    for number in range(2, 30):
        call.feed(ToolAnswered(f"t{number - 1}", "[]"))
        name = f"r{number + 1}"
        call.feed(port.ResponseStarted(name), ended(wanted(name, f"t{number}"), response=name))
    assert len(call.of(RunTool)) == ROUNDS_AT_MOST
    asked = call.of(Respond)
    assert asked[:ROUNDS_AT_MOST] == [Respond()] * (ROUNDS_AT_MOST - 1) + [Respond(may_use_tools=False)]
    assert len(asked) < ROUNDS_AT_MOST + 4


def test_a_caller_who_speaks_begins_the_count_anew() -> None:
    call = calling()
    for number in range(2, 12):
        call.feed(ToolAnswered(f"t{number - 1}", "[]"))
        call.feed(port.CallerSpeechStarted(f"c{number}", 3_000), port.CallerSpeechStopped(f"c{number}", 3_500))
        name = f"r{number + 1}"
        call.feed(port.ResponseStarted(name), ended(wanted(name, f"t{number}"), response=name))
    assert len(call.of(RunTool)) == 11


# --- who speaks -----------------------------------------------------------------------------------------------------


def test_a_tool_that_runs_is_no_failure_of_the_model() -> None:
    call = calling()
    assert call.core.floor is Floor.QUIET
    assert [each for each in call.wait(50.0) if isinstance(each, AskHandover)] == []


def test_from_the_result_on_the_model_has_to_answer_in_time() -> None:
    call = calling()
    call.wait(50.0)
    call.feed(DONE)
    call.wait(4.1)
    assert len(call.of(AskHandover)) == 1


def test_a_result_that_comes_while_the_caller_speaks_is_added_and_not_answered() -> None:
    call = calling()
    call.feed(port.CallerSpeechStarted("c2", 3_000))
    assert kinds(call.feed(DONE)) == ["WriteFact", "AddToolOutput"]
    call.feed(port.CallerSpeechStopped("c2", 3_900))
    call.say("r3", "a3")
    assert call.of(Respond) == []
    assert Respond() not in call.feed(port.ResponseEnded("r3", "completed"))


def test_an_answer_that_is_due_is_dropped_when_the_caller_speaks() -> None:
    call = calling()
    call.feed(port.CallerSpeechStarted("c2", 3_000), port.CallerSpeechStopped("c2", 3_900))
    call.say("r3", "a3")
    call.feed(DONE, port.CallerSpeechStarted("c3", 4_000))
    assert Respond() not in call.feed(port.ResponseEnded("r3", "cancelled"))


def test_a_result_that_comes_while_the_agent_speaks_is_answered_after_that() -> None:
    call = calling()
    call.feed(port.CallerSpeechStarted("c2", 3_000), port.CallerSpeechStopped("c2", 3_900))
    call.say("r3", "a3")
    assert kinds(call.feed(DONE)) == ["WriteFact", "AddToolOutput"]
    assert call.feed(port.ResponseEnded("r3", "completed"))[-1] == Respond()


# --- patience -------------------------------------------------------------------------------------------------------


def test_a_tool_that_takes_long_is_filled_once_and_the_answer_waits_for_the_end_of_that() -> None:
    call = calling()
    assert call.feed(ToolWaits("t1", "One moment.")) == [have_patience("One moment.")]
    assert "One moment." in have_patience("One moment.").instructions
    assert kinds(call.feed(DONE)) == ["WriteFact", "AddToolOutput"]
    call.say("r3", "a3")
    assert call.feed(port.AgentAudioEnded("r3", "a3"), port.ResponseEnded("r3", "completed"))[-1] == Respond()
    assert call.feed(ToolWaits("t1", "One moment.")) == []


def test_it_is_filled_once_however_often_it_is_said_to_take_longer() -> None:
    call = calling()
    call.feed(ToolWaits("t1", "One moment."))
    call.say("r3", "a3")
    call.feed(port.ResponseEnded("r3", "completed"))
    assert call.feed(ToolWaits("t1", "One moment."), ToolWaits("t1", None)) == []


@pytest.mark.parametrize(("filler", "asked"), [("", []), (None, [Respond(PATIENCE, may_use_tools=False)])])
def test_without_words_nothing_is_said_unless_nobody_answers(filler: str | None, asked: list[Command]) -> None:
    assert calling().feed(ToolWaits("t1", filler)) == asked


def test_nobody_is_filled_over() -> None:
    call = calling()
    call.feed(port.CallerSpeechStarted("c2", 3_000))
    assert call.feed(ToolWaits("t1", "One moment.")) == []
    call.feed(port.CallerSpeechStopped("c2", 3_900))
    assert call.feed(ToolWaits("t1", "One moment."), port.ResponseStarted("r3")) == []
    assert call.feed(ToolWaits("t9", "One moment.")) == []


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_filler_that_fails_is_not_asked_for_again(status: port.ResponseStatus) -> None:
    call = calling()
    call.feed(ToolWaits("t1", "One moment."))
    error = OUTAGE if status == "failed" else None
    call.feed(port.ResponseStarted("r3"), port.ResponseEnded("r3", status, error))
    assert call.core.floor is Floor.QUIET
    call.wait(10.0)
    assert len(call.of(Respond)) == 1
    assert call.feed(DONE)[-1] == Respond()


# --- tones ----------------------------------------------------------------------------------------------------------


def test_keys_are_heard_before_the_answer_and_the_model_knows_nothing_of_the_sound() -> None:
    call = calling()
    done = call.feed(ToolAnswered("t1", "sent", order=SendDigitsOrder(digits="12#")))
    records = [each for each in done if isinstance(each, SendRecord)]
    assert sum(len(each.payload) for each in records[1:-1]) == 3 * 160 * 8
    assert done[-1] == Respond()
    assert call.core._agent.heard(records[0].payload.decode(), 100, records[-1].sequence) == ()
    assert records[0].payload.decode().startswith("prompt-")


def test_keys_wait_for_the_end_of_whatever_is_being_said() -> None:
    call = calling()
    call.feed(port.CallerSpeechStarted("c2", 3_000), port.CallerSpeechStopped("c2", 3_900))
    call.say("r3", "a3")
    done = call.feed(ToolAnswered("t1", "sent", order=SendDigitsOrder(digits="1")))
    assert [each for each in done if isinstance(each, SendRecord)] == []
    assert kinds(call.feed(port.ResponseEnded("r3", "completed")))[-4:] == [*["SendRecord"] * 3, "Respond"]


# --- sessions that go on by themselves ------------------------------------------------------------------------------


def test_a_session_that_waits_for_its_tools_is_given_each_and_asked_for_nothing() -> None:
    call = asking(answers_tool_results=True)
    call.feed(port.ResponseStarted("r2"), wanted(tool_call="t1"), wanted(tool_call="t2"))
    assert [each.tool_call_id for each in call.of(RunTool)] == ["t1", "t2"]
    assert kinds(call.feed(ToolAnswered("t2", "2"))) == ["WriteFact", "AddToolOutput"]
    assert call.feed(ToolWaits("t1", "One moment."), ToolWaits("t1", None)) == []
    call.wait(10.0)
    assert call.of(AskHandover) == []
    assert call.of(Respond) == []


# --- after a handover -----------------------------------------------------------------------------------------------

ASKED = Turn(speaker="caller", item_id="s2", text="What is there to do?", start_ms=2_000, end_ms=3_000)
OPEN = ToolTurn(item_id="i1", tool_call_id="t1", name="list_tasks", arguments='{"day": 1}', start_ms=3_000)


def taken_over(*conversation: AnyTurn, **changes: Any) -> Call:
    call = Call(**changes)
    cut = CutOver(is_granted=True, conversation=conversation, leg_clock_ms=8_000)
    call.feed(BecameTalker(cut, answers_by_itself=False))
    return call


@pytest.mark.parametrize("answers_tool_results", [False, True])
def test_a_tool_without_a_result_is_asked_for_again_and_its_result_answered(answers_tool_results: bool) -> None:
    call = taken_over(ASKED, OPEN, answers_tool_results=answers_tool_results)
    assert AddToolCall("t1", "list_tasks", '{"day": 1}', "i1") in call.done
    assert call.of(RunTool) == [RunTool("t1", "list_tasks", '{"day": 1}')]
    assert call.of(AddToolOutput) == []
    call.feed(ReplayEnded(), port.SessionConfigured())
    assert call.of(Respond) == []
    assert [each for each in call.wait(30.0) if isinstance(each, AskHandover)] == []
    assert call.feed(DONE)[1:] == [AddToolOutput("t1", "[]"), Respond()]
    assert call.facts(ToolCalled) == []
    assert len(call.facts(ToolReturned)) == 1


def test_a_result_that_is_there_before_it_settles_is_answered_when_it_has() -> None:
    call = taken_over(ASKED, OPEN)
    assert kinds(call.feed(DONE)) == ["WriteFact", "AddToolOutput"]
    call.feed(ReplayEnded())
    assert call.feed(port.SessionConfigured()) == [Respond()]
    call.say()
    assert Respond() not in call.feed(port.ResponseEnded("r1", "completed"))


def test_a_caller_who_has_spoken_since_is_answered_without_waiting_for_the_tool() -> None:
    later = ASKED.model_copy(update={"item_id": "s3", "text": "Hello?", "start_ms": 5_000, "end_ms": 5_500})
    call = taken_over(ASKED, OPEN, later)
    call.feed(ReplayEnded())
    assert call.feed(port.SessionConfigured()) == [Respond()]


def test_a_caller_who_speaks_in_the_replay_is_answered_without_waiting_for_the_tool() -> None:
    call = taken_over(ASKED, OPEN)
    call.audio.clock.sent(3_000, 0)
    call.hear(1_000)
    call.feed(port.CallerSpeechStarted("c1", 700))
    call.hear(1_500)
    call.feed(port.CallerSpeechStopped("c1", 2_400), ReplayEnded())
    assert call.feed(port.SessionConfigured()) == [Respond()]
