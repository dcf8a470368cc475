"""New instructions and tools while the call runs: in force between two answers, in order, and never an older one."""

from typing import Any

import pytest

from common.conversation import Turn
from common.messages.commands import CutOver
from common.messages.facts import InstructionsApplied
from common.messages.instructions import Instructions
from talker import port
from talker.core.vocabulary import BecameTalker, Command, CountRevision, Instructed, NoteApplied, ReplayEnded
from talker.port import Configure, Instruct, ProviderError, Respond, Severity
from unit.realtime_worker.rig import AGENT, GET_TASK, LIST_TASKS, Call, about, asking, revision, talking, wanted

CONFIRMED = port.SessionConfigured()
ASKED = Turn(speaker="caller", item_id="s2", text="When do you open?", start_ms=2_000, end_ms=3_000)
REFUSED = ProviderError("invalid_value", Severity.REFUSED)


def instructed(number: int, text: str = "Be brief.", **fields: Any) -> Instructed:
    return Instructed(revision(number, text, **fields))


def applied(call: Call) -> list[tuple[int, str]]:
    return [(fact.revision, fact.agent) for fact in call.facts(InstructionsApplied)]


def counted(commands: list[Command]) -> list[str]:
    return [each.result for each in commands if isinstance(each, CountRevision)]


# --- when -----------------------------------------------------------------------------------------------------------


def test_in_a_lull_it_is_sent_at_once_and_in_force_when_the_session_confirms() -> None:
    call = talking()
    assert call.feed(instructed(1, agent="billing")) == [Instruct("Be brief.")]
    assert applied(call) == []
    done = call.feed(CONFIRMED, after_s=0.03)
    assert done[:2] == [CountRevision("applied"), NoteApplied(about(0.03))]
    (fact,) = call.facts(InstructionsApplied)
    assert (fact.revision, fact.agent, fact.epoch, fact.call_id) == (1, "billing", 3, "call-1")


def test_while_an_answer_is_under_way_it_waits_for_its_end() -> None:
    call = asking()
    assert call.feed(instructed(1)) == []
    call.feed(port.ResponseStarted("r2"), port.AgentAudio("r2", "a2", bytes(800)))
    assert call.of(Instruct) == []
    assert call.feed(port.ResponseEnded("r2", "completed"))[-1] == Instruct("Be brief.")


def test_while_an_answer_is_asked_for_and_has_not_begun_it_waits() -> None:
    call = Call()
    call.feed(BecameTalker(CutOver(is_granted=True), answers_by_itself=True))
    assert call.feed(instructed(1)) == []
    call.say()
    assert call.feed(port.ResponseEnded("r1", "completed"))[-1] == Instruct("Be brief.")


def test_while_the_caller_speaks_it_is_sent_so_that_the_answer_follows_it() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    assert call.feed(instructed(1)) == [Instruct("Be brief.")]


def test_over_an_answer_that_is_being_cancelled_it_waits_for_its_end() -> None:
    call = asking()
    call.say("r2", "a2")
    call.feed(port.CallerSpeechStarted("c2", 3_000))
    assert call.feed(instructed(1)) == []
    assert call.feed(port.ResponseEnded("r2", "cancelled"))[-1] == Instruct("Be brief.")


def test_what_is_urgent_does_not_wait() -> None:
    call = asking()
    call.say("r2", "a2")
    assert call.feed(instructed(1, urgency="at_once")) == [Instruct("Be brief.")]


# --- which ----------------------------------------------------------------------------------------------------------


def test_of_several_that_wait_only_the_newest_is_sent_as_urgent_as_any() -> None:
    call = asking()
    call.feed(instructed(1, "One."), instructed(2, "Two."))
    call.say("r2", "a2")
    call.feed(port.ResponseEnded("r2", "completed"), CONFIRMED)
    assert call.of(Instruct) == [Instruct("Two.")]
    assert applied(call) == [(2, "")]


@pytest.mark.parametrize(("late", "counted"), [(1, "stale"), (2, "repeated")])
def test_what_is_not_newer_is_refused(late: int, counted: Any) -> None:
    call = talking()
    call.feed(instructed(2), CONFIRMED)
    assert call.feed(instructed(late, "Old.")) == [CountRevision(counted)]
    assert call.of(Instruct) == [Instruct("Be brief.")]


def test_what_changes_nothing_is_not_sent_and_in_force_all_the_same() -> None:
    call = talking(tools=(LIST_TASKS,))
    done = call.feed(instructed(1, "Be kind.", tools=(LIST_TASKS,)))
    assert counted(done) == ["unchanged"]
    assert call.of(Instruct) == []
    assert applied(call) == [(1, "")]


def test_only_what_changes_is_sent() -> None:
    call = talking(tools=(LIST_TASKS,))
    call.feed(instructed(1, "Be brief.", tools=(LIST_TASKS,)), CONFIRMED)
    call.feed(instructed(2, "Be brief.", tools=(LIST_TASKS, GET_TASK)), CONFIRMED)
    call.feed(instructed(3, "Be brief.", tools=(GET_TASK, LIST_TASKS)), CONFIRMED)
    call.feed(instructed(4, "Be brief."), CONFIRMED)
    assert call.of(Instruct) == [
        Instruct("Be brief.", None),
        Instruct(None, (LIST_TASKS, GET_TASK)),
        Instruct(None, (GET_TASK, LIST_TASKS)),
        Instruct(None, ()),
    ]
    assert applied(call) == [(1, ""), (2, ""), (3, ""), (4, "")]


def test_on_top_of_one_that_is_not_confirmed_yet_everything_that_may_differ_is_sent() -> None:
    call = talking()
    call.feed(instructed(1, "One."), instructed(2, "Be kind."))
    assert call.of(Instruct) == [Instruct("One."), Instruct("Be kind.")]
    call.feed(CONFIRMED)
    assert applied(call) == [(1, "")]
    call.feed(CONFIRMED)
    assert applied(call) == [(1, ""), (2, "")]


def test_one_that_the_session_refuses_leaves_the_one_before_in_force() -> None:
    call = talking()
    call.feed(instructed(1, "One."))
    assert counted(call.feed(port.ErrorReported(REFUSED, "instruct"))) == ["refused"]
    assert call.feed(CONFIRMED) == []
    assert applied(call) == []
    assert call.feed(instructed(2, "Be kind."))[0] == CountRevision("unchanged")
    assert call.of(port.CheckAlive) == []


def test_a_check_is_confirmed_by_the_same_event_and_puts_nothing_in_force() -> None:
    call = talking(answers_checks=True)
    assert call.wait(1.6) == [port.CheckAlive()]
    call.feed(instructed(1))
    call.feed(CONFIRMED)
    assert applied(call) == []
    call.feed(CONFIRMED)
    assert applied(call) == [(1, "")]


# --- an answer, please ----------------------------------------------------------------------------------------------


def test_an_answer_that_is_wanted_is_asked_for_once_it_is_in_force() -> None:
    call = talking()
    assert call.feed(instructed(1, asks_for_answer=True)) == [Instruct("Be brief.")]
    assert call.feed(CONFIRMED)[-1] == Respond()
    assert call.of(Respond)[1:] == [Respond()]
    call.say("r2", "a2")
    call.feed(port.ResponseEnded("r2", "completed"))
    assert call.wait(10.0).count(Respond()) == 0


def test_a_caller_who_speaks_meanwhile_is_answered_by_the_new_instructions_anyway() -> None:
    call = talking()
    call.feed(instructed(1, asks_for_answer=True), port.CallerSpeechStarted("c1", 1_000))
    assert Respond() not in call.feed(CONFIRMED)
    call.feed(port.CallerSpeechStopped("c1", 2_900))
    call.say("r2", "a2")
    assert Respond() not in call.feed(port.ResponseEnded("r2", "completed"))


def test_an_urgent_one_asks_for_its_answer_when_the_answer_under_way_has_ended() -> None:
    call = asking()
    call.say("r2", "a2")
    call.feed(instructed(1, urgency="at_once", asks_for_answer=True))
    assert Respond() not in call.feed(CONFIRMED)
    assert call.feed(port.ResponseEnded("r2", "completed"))[-1] == Respond()


def test_an_answer_that_has_begun_without_a_voice_yet_is_still_by_the_old_ones() -> None:
    call = asking()
    call.feed(port.ResponseStarted("r2"), instructed(1, urgency="at_once", asks_for_answer=True), CONFIRMED)
    call.say("r2", "a2")
    assert call.feed(port.ResponseEnded("r2", "completed"))[-1] == Respond()


def test_an_answer_that_begins_after_it_is_by_the_new_ones() -> None:
    call = asking()
    call.feed(instructed(1, urgency="at_once", asks_for_answer=True), CONFIRMED)
    call.say("r2", "a2")
    assert Respond() not in call.feed(port.ResponseEnded("r2", "completed"))


def test_an_answer_that_waits_for_a_tool_will_do() -> None:
    call = asking(tools=(LIST_TASKS,))
    call.feed(port.ResponseStarted("r2"), port.ResponseEnded("r2", "completed", tools=(wanted(),)))
    call.feed(instructed(1, tools=(LIST_TASKS,), asks_for_answer=True))
    assert Respond() not in call.feed(CONFIRMED)


# --- across a handover ----------------------------------------------------------------------------------------------


def settled(told_before: Instructions | None, cut: Instructions | None) -> Call:
    call = Call()
    if told_before is not None:
        assert call.feed(Instructed(told_before)) == []
    given = CutOver(is_granted=True, conversation=(ASKED,), leg_clock_ms=8_000, instructions=cut)
    call.feed(BecameTalker(given, answers_by_itself=False), ReplayEnded())
    return call


@pytest.mark.parametrize(
    ("told_before", "cut"),
    [
        (None, revision(7, "Newest.", tools=(LIST_TASKS,))),
        (revision(7, "Newest.", tools=(LIST_TASKS,)), None),
        (revision(7, "Newest.", tools=(LIST_TASKS,)), revision(6, "Older.")),
        (revision(6, "Older."), revision(7, "Newest.", tools=(LIST_TASKS,))),
    ],
)
def test_the_next_talker_begins_with_the_newest_and_says_so_once(
    told_before: Instructions | None, cut: Instructions | None
) -> None:
    call = settled(told_before, cut)
    newest = AGENT.model_copy(update={"instructions": "Newest.", "tools": (LIST_TASKS,)})
    assert call.of(Configure) == [Configure(newest, answers_by_itself=True)]
    call.feed(CONFIRMED)
    assert applied(call) == [(7, "")]
    assert call.of(Instruct) == call.of(NoteApplied) == []


def test_one_that_comes_while_it_settles_follows_once_it_talks() -> None:
    call = settled(None, revision(6, "Older."))
    assert call.feed(instructed(7, "Newest.")) == []
    call.feed(CONFIRMED)
    assert call.of(Instruct) == []
    call.say()
    assert call.feed(port.ResponseEnded("r1", "completed"))[-1] == Instruct("Newest.")
    call.feed(CONFIRMED)
    assert applied(call) == [(6, ""), (7, "")]


def test_the_answer_to_one_published_before_the_cut_was_the_affair_of_the_talker_before() -> None:
    answered = Turn(speaker="agent", item_id="s3", text="At nine.", start_ms=4_000, end_ms=5_000)
    call = Call()
    call.feed(instructed(7, asks_for_answer=True))
    given = CutOver(is_granted=True, conversation=(ASKED, answered), leg_clock_ms=8_000)
    call.feed(BecameTalker(given, answers_by_itself=False), ReplayEnded(), CONFIRMED)
    assert applied(call) == [(7, "")]
    assert call.of(Respond) == []
