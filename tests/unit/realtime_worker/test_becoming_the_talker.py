"""From the cut to the first word: a running call is told, its last words replayed, and one answer asked for."""

from typing import Any

import pytest

from common.conversation import AnyTurn, Turn
from common.messages.commands import CutOver
from common.messages.facts import ConversationTrimmed
from common.messages.offers import HandoverReason
from talker import port
from talker.core.floor import Floor
from talker.core.phase import Phase
from talker.core.seeding import CONTINUED, go_on
from talker.core.vocabulary import (
    AskHandover,
    BecameTalker,
    CarrierCleared,
    ClearCarrier,
    Command,
    End,
    LetAudioThrough,
    ReplayEnded,
    SendRecord,
    Tick,
)
from talker.port import AddTurn, Configure, DeleteItem, Instruct, ProviderError, Respond, Severity
from unit.realtime_worker.rig import AGENT, GREETING, LIST_TASKS, STOPPED, Call, revision

GREETED = Turn(speaker="agent", item_id="s1", text="Hello.", start_ms=0, end_ms=1_000)
ASKED = Turn(speaker="caller", item_id="s2", text="When do you open?", start_ms=2_000, end_ms=3_000)
ANSWERED = Turn(speaker="agent", item_id="s3", text="We open at nine.", start_ms=4_000, end_ms=6_000)
CUT_OFF = ANSWERED.model_copy(update={"is_unfinished": True})


def cut(*turns: AnyTurn, **fields: Any) -> BecameTalker:
    cut_over = CutOver(is_granted=True, conversation=turns, **{"leg_clock_ms": 8_000} | fields)
    return BecameTalker(cut_over, answers_by_itself=False)


def told(*turns: AnyTurn, **fields: Any) -> Call:
    """A talker that was told this, and whose caller's audio is being replayed from where the words end."""
    call = Call()
    call.feed(cut(*turns, **fields))
    call.audio.clock.sent(max((turn.end_ms for turn in turns if isinstance(turn, Turn)), default=0), 0)
    return call


def settle(call: Call) -> list[Command]:
    """The replay is through and the provider has confirmed."""
    call.feed(ReplayEnded())
    return call.feed(port.SessionConfigured())


def replay_turn(call: Call, item: str = "c1", *, is_over: bool = True) -> None:
    """The caller speaks for a second within the replay, after a second of silence."""
    call.hear(1_000)
    call.feed(port.CallerSpeechStarted(item, 700))
    call.hear(1_500)
    if is_over:
        call.feed(port.CallerSpeechStopped(item, 2_500))


# --- in which order -------------------------------------------------------------------------------------------------


def test_first_the_words_then_the_audio_then_the_model_may_answer() -> None:
    call = Call()
    assert call.feed(cut(GREETED, ASKED)) == [
        AddTurn("agent", "Hello.", "s1"),
        AddTurn("caller", "When do you open?", "s2"),
        AddTurn("system", CONTINUED),
        LetAudioThrough(8_000),
    ]
    assert call.feed(ReplayEnded()) == [Configure(AGENT, answers_by_itself=True)]
    assert call.feed(port.SessionConfigured()) == [Respond()]
    assert call.core.phase is Phase.TALKING


def test_being_told_twice_changes_nothing() -> None:
    call = told(GREETED, ASKED)
    assert call.feed(cut(GREETED, ASKED)) == []
    settle(call)
    assert call.feed(cut(GREETED, ASKED), ReplayEnded(), port.SessionConfigured()) == []


def test_a_session_that_would_answer_by_itself_is_hushed_before_it_is_told() -> None:
    call = Call()
    hushed = BecameTalker(CutOver(is_granted=True, conversation=(ASKED,)), answers_by_itself=True)
    assert call.feed(hushed)[0] == Configure(AGENT, answers_by_itself=False)
    call.feed(ReplayEnded())
    assert call.feed(port.SessionConfigured()) == []
    assert call.feed(port.SessionConfigured()) == [Respond()]


def test_audio_that_is_not_replayed_is_not_waited_for() -> None:
    call = told(GREETED, ASKED)
    assert call.wait(0.3) == [Configure(AGENT, answers_by_itself=True)]


def test_the_newest_instructions_count() -> None:
    newest = AGENT.model_copy(update={"instructions": "Be brief.", "tools": (LIST_TASKS,)})
    brief = revision(2, "Be brief.", tools=(LIST_TASKS,))
    call = told(GREETED, ASKED, instructions=brief)
    assert call.feed(ReplayEnded()) == [Configure(newest, answers_by_itself=True)]
    first = Call()
    starts = BecameTalker(CutOver(is_granted=True, instructions=brief), answers_by_itself=True)
    assert first.feed(starts)[:2] == [Instruct("Be brief.", (LIST_TASKS,)), GREETING]


def test_what_nobody_could_be_told_is_a_fact_once() -> None:
    call = told(ANSWERED, omitted_turns=12)
    (fact,) = call.facts(ConversationTrimmed)
    assert (fact.omitted_turns, fact.kept_turns, fact.epoch, fact.at_ms) == (12, 1, 3, 8_000)
    assert told(ANSWERED).facts(ConversationTrimmed) == []


# --- who speaks first -----------------------------------------------------------------------------------------------


def test_a_call_whose_first_talker_died_before_a_word_was_heard_is_greeted() -> None:
    assert settle(told()) == [GREETING]


def test_a_caller_who_was_answered_is_left_alone() -> None:
    call = told(GREETED, ASKED, ANSWERED)
    assert settle(call) == []
    assert call.wait(10.0) == []
    assert call.core.floor is Floor.QUIET


def test_a_turn_that_broke_off_is_gone_on_with() -> None:
    assert settle(told(GREETED, ASKED, CUT_OFF)) == [go_on("Be kind.")]


def test_a_turn_found_in_the_replay_is_answered() -> None:
    call = told(GREETED, ASKED, ANSWERED)
    replay_turn(call)
    assert settle(call) == [Respond()]


def test_a_turn_found_in_the_replay_goes_before_one_that_broke_off() -> None:
    call = told(GREETED, ASKED, CUT_OFF)
    replay_turn(call)
    assert settle(call) == [Respond()]


def test_a_turn_found_in_the_replay_that_was_answered_already_is_not_answered_again() -> None:
    call = Call()
    call.feed(cut(GREETED, ANSWERED))
    call.audio.clock.sent(1_000, 0)
    replay_turn(call)
    assert settle(call) == []
    assert call.wait(10.0) == []


def test_a_caller_who_is_speaking_is_not_spoken_to() -> None:
    call = told(GREETED, ASKED)
    replay_turn(call, is_over=False)
    assert settle(call) == []
    assert call.feed(port.CallerSpeechStopped("c1", 3_000), port.ResponseStarted("r1"))[1:] == []


def test_a_model_that_answers_already_is_not_asked() -> None:
    call = told(GREETED, ASKED)
    call.feed(ReplayEnded(), port.ResponseStarted("r1"))
    assert call.feed(port.SessionConfigured()) == []


def test_the_answer_tells_which_turn_it_answers() -> None:
    call = told(GREETED, ASKED)
    settle(call)
    call.say()
    assert call.of(SendRecord)[0].timestamp_ms == ASKED.end_ms


# --- barge-in into the talker before --------------------------------------------------------------------------------


def barged_in(call: Call, item_id: str | None, text: str = "") -> list[Command]:
    call.hear(2_000)
    call.feed(port.CallerSpeechStarted("c1", 1_700))
    (clear,) = call.of(ClearCarrier)
    assert clear.through_sequence == call.core._agent.last_sequence
    return call.feed(CarrierCleared(clear, item_id, 700, text), after_s=0.05)


def test_the_memory_of_a_turn_of_the_talker_before_is_cut_to_what_was_heard() -> None:
    call = told(GREETED, ASKED, ANSWERED)
    settle(call)
    assert barged_in(call, "s3", "We open") == [
        DeleteItem("s3"),
        AddTurn("agent", "We open", "s3_heard", after="s2"),
        STOPPED,
    ]


def test_a_turn_that_was_heard_as_told_is_left_alone() -> None:
    call = told(GREETED, ASKED, ANSWERED)
    settle(call)
    assert barged_in(call, "s3", "We open at nine.") == [STOPPED]


def test_our_own_answer_behind_it_was_not_heard_either() -> None:
    call = told(GREETED, ASKED, CUT_OFF)
    settle(call)
    call.say("r1", "a1")
    call.hear(2_000)
    assert barged_in(call, "s3", "") == [DeleteItem("s3"), DeleteItem("a1"), STOPPED]


def test_replayed_speech_that_was_answered_does_not_silence_that_answer() -> None:
    call = Call()
    call.feed(cut(GREETED, ANSWERED))
    call.audio.clock.sent(1_000, 0)
    replay_turn(call)
    assert call.of(ClearCarrier) == []


# --- failures -------------------------------------------------------------------------------------------------------


def test_a_candidate_whose_session_dies_asks_for_another() -> None:
    lost = ProviderError("socket_closed", Severity.UNAVAILABLE, ends_session=True)
    assert Call().feed(port.SessionClosed(lost, 1006)) == [
        AskHandover(HandoverReason.UPSTREAM_FAILED, "unavailable", True),
        End("socket closed"),
    ]


def test_a_provider_that_does_not_confirm_is_not_waited_for() -> None:
    call = told(GREETED, ASKED)
    call.feed(ReplayEnded())
    call.wait(4.1)
    assert call.of(AskHandover) == [AskHandover(HandoverReason.UPSTREAM_FAILED, "deadline", True)]


def test_a_refused_configuration_asks_for_another_talker() -> None:
    call = told(GREETED, ASKED)
    call.feed(ReplayEnded(), port.ErrorReported(ProviderError("invalid_value", Severity.REFUSED), "configure"))
    assert len(call.of(AskHandover)) == 1


@pytest.mark.parametrize("status", ["failed", "incomplete", "cancelled", "completed"])
def test_nothing_is_asked_for_again_before_it_is_settled(status: Any) -> None:
    call = told(GREETED, ASKED)
    replay_turn(call)
    call.feed(port.ResponseStarted("r1"), port.ResponseEnded("r1", status))
    for _ in range(10):
        call.feed(Tick(), after_s=0.02)
    assert call.of(Respond) == []
