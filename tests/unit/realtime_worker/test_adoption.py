"""Another edge goes on with the call: what was heard until the first one died, and what becomes of the rest."""

from typing import Any

from common.audio import Kind
from common.conversation import Turn
from common.messages.commands import CutOver, LeftOver
from common.messages.facts import TurnStarted
from common.messages.offers import HandoverReason
from talker import port
from talker.core.seeding import apologise, go_on
from talker.core.vocabulary import (
    AskHandover,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    Command,
    ReplayEnded,
    SendRecord,
    TellLeftOver,
    WasAdopted,
)
from talker.port import CancelResponse, DeleteItem, Respond, Truncate
from unit.realtime_worker.rig import GREETING, NEW, SECOND_OF_AUDIO, Call, talking

GO_ON = go_on("Be kind.")
SORRY = apologise("Be kind.")


def adopted(call: Call, died_s_ago: float = 0.0, known: frozenset[str] = frozenset({"a1"})) -> list[Command]:
    return call.feed(WasAdopted(7, known, call.now - died_s_ago))


def left_over(commands: list[Command]) -> tuple[LeftOver, ...]:
    (told,) = (command for command in commands if isinstance(command, TellLeftOver))
    return told.left_over


def speaking(seconds: int = 4, **changes: Any) -> Call:
    """The agent says something of that length; all of it was sent at once, half of it has been played."""
    call = talking(**changes)
    call.feed(port.ResponseStarted("r2"), port.AgentText("r2", "a2", "one two three four "))
    for _ in range(seconds):
        call.feed(port.AgentAudio("r2", "a2", SECOND_OF_AUDIO))
    call.hear(seconds * 500)
    return call


def finished(call: Call) -> Call:
    call.feed(port.AgentAudioEnded("r2", "a2"), port.ResponseEnded("r2", "completed"))
    return call


def test_facts_and_records_go_on_under_the_new_epoch() -> None:
    call = talking()
    adopted(call)
    call.done.clear()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    assert [fact.epoch for fact in call.facts(TurnStarted)] == [7]
    call.say("r2", "a2")
    assert [record.kind for record in call.of(SendRecord)] == [Kind.ITEM, Kind.AUDIO]


def test_a_turn_the_edge_knows_is_nobodys_business_any_more() -> None:
    assert adopted(talking()) == [TellLeftOver(())]


def test_a_turn_the_edge_knows_but_whose_leg_broke_in_the_middle_is_forgotten_from_there_as_well() -> None:
    commands = adopted(finished(speaking()), known=frozenset({"a1", "a2"}))
    assert commands == [TellLeftOver(()), Truncate("a2", 2_000), GO_ON]


def test_a_turn_that_was_heard_to_its_end_is_told_and_kept() -> None:
    commands = adopted(talking(), known=frozenset())
    assert commands == [TellLeftOver((LeftOver(item_id="a1", text="", start_ms=0, heard_ms=1_000, audio_ms=1_000),))]


def test_a_turn_that_was_cut_short_is_forgotten_from_there_and_gone_on_with() -> None:
    commands = adopted(finished(speaking()))
    (turn,) = left_over(commands)
    assert (turn.item_id, turn.heard_ms, turn.audio_ms, turn.text) == ("a2", 2_000, 4_000, "one two")
    assert turn.start_ms == 2_000
    assert commands[1:] == [Truncate("a2", 2_000), GO_ON]


def test_what_was_sent_after_the_edge_died_was_not_heard() -> None:
    commands = adopted(finished(speaking()), died_s_ago=1.5)
    assert left_over(commands)[0].heard_ms == 500


def test_never_more_was_heard_than_was_sent() -> None:
    call = finished(speaking())
    call.now += 3.0
    assert left_over(adopted(call))[0].heard_ms == 4_000


def test_turns_are_heard_one_after_another() -> None:
    call = finished(speaking())
    call.say("r3", "a3")
    call.hear(2_400)
    heard = {turn.item_id: turn.heard_ms for turn in left_over(adopted(call))}
    assert heard == {"a2": 4_000, "a3": 400}


def test_an_answer_under_way_is_stopped_before_another_is_asked_for() -> None:
    call = speaking()
    commands = adopted(call)
    assert commands[1:] == [CancelResponse("r2"), Truncate("a2", 2_000)]
    assert call.feed(port.AgentAudio("r2", "a2", SECOND_OF_AUDIO)) == []
    assert call.feed(port.ResponseEnded("r2", "cancelled"))[-1] == GO_ON


def test_an_answer_that_was_stopped_and_never_ends_is_not_waited_for() -> None:
    call = speaking()
    adopted(call)
    call.wait(4.1)
    assert len(call.of(AskHandover)) == 1


def test_an_answer_nobody_heard_is_given_again_from_its_beginning() -> None:
    commands = adopted(finished(speaking()), died_s_ago=2.5)
    assert commands == [TellLeftOver(()), DeleteItem("a2"), Respond()]


def test_a_greeting_nobody_heard_is_said_again_in_its_words() -> None:
    call = Call()
    call.feed(NEW)
    call.say("r1", "a1")
    call.feed(port.AgentAudioEnded("r1", "a1"), port.ResponseEnded("r1", "completed"))
    assert adopted(call, known=frozenset())[1:] == [DeleteItem("a1"), GREETING]


def test_a_caller_who_has_begun_to_speak_is_not_spoken_to() -> None:
    call = finished(speaking())
    call.feed(port.CallerSpeechStarted("c1", 3_000))
    assert Respond not in map(type, adopted(call))


def test_an_answer_that_was_not_heard_yet_comes_by_itself() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000), port.CallerSpeechStopped("c1", 1_900), port.ResponseStarted("r2"))
    assert adopted(call) == [TellLeftOver(())]
    assert [record.kind for record in call.say("r2", "a2") if isinstance(record, SendRecord)] == [Kind.ITEM, Kind.AUDIO]


def test_a_turn_the_caller_had_interrupted_is_told_as_it_was_heard_and_not_gone_on_with() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.feed(CarrierCleared(call.of(ClearCarrier)[0], "a1", 400), port.CallerSpeechStopped("c1", 1_900))
    commands = adopted(call, known=frozenset())
    assert [turn.heard_ms for turn in left_over(commands)] == [400]
    assert commands[1:] == []


def test_the_new_edge_is_not_asked_to_clear_what_it_never_got() -> None:
    call = finished(speaking())
    adopted(call)
    call.done.clear()
    call.feed(port.CallerSpeechStarted("c1", 3_000))
    assert call.of(ClearCarrier) == []


def test_a_talker_that_had_asked_to_be_replaced_asks_the_new_edge_as_well() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000), port.CallerSpeechStopped("c1", 1_900))
    call.wait(4.1)
    assert adopted(call)[-1] == AskHandover(HandoverReason.UPSTREAM_FAILED, "deadline", True)


def test_a_cut_that_comes_again_after_an_adoption_changes_nothing() -> None:
    call = talking()
    adopted(call)
    assert isinstance(NEW, BecameTalker)
    assert call.feed(NEW) == []


# --- back from a transfer ---------------------------------------------------------------------------------------------


def back(call: Call, known: frozenset[str] = frozenset({"a1", "a2"})) -> list[Command]:
    return call.feed(WasAdopted(7, known, call.now, human_unreached=True))


def test_to_a_caller_who_is_back_from_a_transfer_the_agent_speaks_first() -> None:
    call = talking()
    assert back(call) == [TellLeftOver(()), SORRY]
    assert call.say("r2", "a2"), "and it is heard"


def test_what_broke_off_when_the_caller_was_given_away_is_not_gone_on_with() -> None:
    assert back(finished(speaking())) == [TellLeftOver(()), Truncate("a2", 2_000), SORRY]


def test_an_answer_under_way_is_waited_for_before_the_agent_apologises() -> None:
    call = speaking()
    assert SORRY not in back(call, frozenset({"a1"}))
    assert call.feed(port.ResponseEnded("r2", "cancelled"))[-1] == SORRY


def test_a_caller_who_speaks_at_once_is_answered_instead() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    assert SORRY not in back(call)


def test_an_apology_that_fails_is_asked_for_again() -> None:
    call = talking()
    back(call)
    error = port.ProviderError("server_error", port.Severity.UNAVAILABLE)
    call.feed(port.ResponseStarted("r2"), port.ResponseEnded("r2", "failed", error=error))
    assert SORRY in call.wait(5.0)


def test_a_session_that_is_adopted_before_it_was_settled_apologises_when_it_is() -> None:
    call = Call()
    said = Turn(speaker="caller", item_id="s1", text="Hello?", start_ms=0, end_ms=900)
    call.feed(BecameTalker(CutOver(is_granted=True, conversation=(said,)), answers_by_itself=False))
    assert SORRY not in back(call)
    call.feed(ReplayEnded())
    assert call.feed(port.SessionConfigured())[-1] == SORRY
