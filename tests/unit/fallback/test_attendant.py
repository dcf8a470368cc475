"""The ladder of one call: the dialogue, the menu when a stage of it fails, and back."""

from typing import TypeAlias

import pytest

from common.messages.facts import LevelCause
from common.pcmu import SILENCE
from common.prompt_names import Prompt
from fallback.core.ladder import LADDER, MENU_AT_LEAST_S, Rung, Step
from fallback.core.menu_desk import UNDER_WAY_MS
from fallback.core.menu_vocabulary import DropRecording, Ending, KeepRecording, NoteChoice, StartRecording
from fallback.core.vocabulary import (
    Abandon,
    AskChat,
    KeepWish,
    Pressed,
    Record,
    RecordingLost,
    RecordingSaved,
    Speak,
    Stage,
    StagesChanged,
    Transcribe,
)
from talker.port import (
    AddToolOutput,
    AddTurn,
    AgentText,
    CallbackAsked,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    Configure,
    Farewell,
    HumanWanted,
    LevelChanged,
    MessageTaken,
    Respond,
    SessionConfigured,
    Truncate,
)
from unit.fallback.attending import AGENT, GREET, PROMPT_MS, SPEECH, Attended, answering, events, kinds, prompts, told

OFFERS = [Prompt.MENU_HOLD, Prompt.MENU_MESSAGE, Prompt.MENU_CALLBACK, Prompt.MENU_TRANSFER]
TROUBLE = [Prompt.TROUBLE, *OFFERS]
UP, DOWN = StagesChanged(are_up=True), StagesChanged(are_up=False)
THROTTLED = StagesChanged(are_up=False, is_throttled=True)


def fallen(stage: Stage = Stage.CHAT, *, is_throttled: bool = False) -> Attended:
    """A call that asked something, and a stage fails."""
    call = Attended()
    call.turn()
    if stage is not Stage.TRANSCRIPTION:
        call.transcribe("When do you open?")
    if stage is Stage.SPEECH:
        call.write("At nine.")
    call.feed(THROTTLED if is_throttled else DOWN)
    call.fail(stage, is_throttled=is_throttled)
    return call


def rung(call: Attended) -> Rung:
    """What attends to the call now."""
    return call.core.rung


def levels(call: Attended) -> list[LevelChanged]:
    """The levels told."""
    return [event for event in events(call.done) if isinstance(event, LevelChanged)]


OfCaller: TypeAlias = CallerSpeechStarted | CallerSpeechStopped | CallerTranscribed


def turns(call: Attended) -> list[OfCaller]:
    """What the session is told of the caller."""
    of_caller = (CallerSpeechStarted, CallerSpeechStopped, CallerTranscribed)
    return [event for event in events(call.done) if isinstance(event, of_caller)]


# --- down -------------------------------------------------------------------------------------------------------------


def test_the_ladder_has_two_rungs() -> None:
    assert LADDER == {(Rung.PIPELINE, Step.DOWN): Rung.MENU, (Rung.MENU, Step.UP): Rung.PIPELINE}


@pytest.mark.parametrize("stage", Stage)
def test_a_stage_that_fails_brings_the_menu_at_once(stage: Stage) -> None:
    call = fallen(stage)
    assert rung(call) is Rung.MENU
    assert levels(call) == [LevelChanged(3, LevelCause.STAGES_FAILED)]
    assert prompts(call.done) == TROUBLE
    cut_off = [] if stage is Stage.TRANSCRIPTION else ["started", "cancelled"]
    assert [status for _, status in answering(call.done)] == [*cut_off, "started", "completed"]


def test_throttling_asks_the_caller_to_hold() -> None:
    call = fallen(is_throttled=True)
    assert levels(call) == [LevelChanged(3, LevelCause.THROTTLED)]
    assert prompts(call.done) == [Prompt.THROTTLED]


def test_throttling_that_becomes_an_outage_brings_the_menu() -> None:
    call = fallen(is_throttled=True)
    assert prompts(call.feed(DOWN)) == TROUBLE
    assert prompts(call.feed(THROTTLED)) == []
    assert len(levels(call)) == 1


def test_the_failure_of_what_nobody_waits_for_brings_no_menu() -> None:
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.hear(SPEECH, 500)
    assert call.fail(Stage.CHAT) == []
    assert rung(call) is Rung.PIPELINE


def test_what_is_under_way_is_abandoned_and_its_late_pieces_are_nobodys() -> None:
    call = fallen(Stage.SPEECH)
    assert Abandon(call.of(Speak)[0].answer_id) in call.done
    assert call.voice() == []
    assert call.fail(Stage.SPEECH) == []
    fallen_early = fallen(Stage.TRANSCRIPTION)
    assert Abandon(fallen_early.of(Transcribe)[0].item_id) in fallen_early.done
    assert fallen_early.transcribe("When?") == []


def test_a_turn_that_is_being_spoken_when_the_menu_comes_is_ended_for_the_session() -> None:
    call = Attended()
    call.turn()
    call.hear(SPEECH, 500)
    call.fail(Stage.TRANSCRIPTION)
    started, stopped = turns(call)[-2:]
    assert isinstance(started, CallerSpeechStarted)
    assert isinstance(stopped, CallerSpeechStopped)
    assert started.item_id == stopped.item_id
    before = len(turns(call))
    call.hear(SILENCE, 1_000)
    assert len(turns(call)) == before, "in the menu nobody waits for words"


# --- up ---------------------------------------------------------------------------------------------------------------


def test_the_way_back_waits_until_the_menu_has_been_there_for_a_while() -> None:
    call = fallen()
    call.feed(UP)
    call.wait(MENU_AT_LEAST_S - 0.1)
    assert rung(call) is Rung.MENU
    back = call.wait(0.2)
    assert rung(call) is Rung.PIPELINE
    assert prompts(back) == [Prompt.RESUMED]
    assert levels(call)[-1] == LevelChanged(2, LevelCause.RECOVERED)


def test_a_question_that_nobody_answered_is_answered_then() -> None:
    call = fallen()
    call.feed(UP)
    call.wait(20.0)
    assert told(call.of(AskChat)[-1].messages)[0] == ("user", "When do you open?")
    assert len(call.of(AskChat)) == 2


def test_without_a_question_the_caller_is_only_told_that_we_are_back() -> None:
    call = fallen(Stage.TRANSCRIPTION)
    call.feed(UP)
    call.wait(20.0)
    assert call.of(AskChat) == []
    call.answered()
    assert len(call.of(AskChat)) == 1


def test_nobody_comes_back_while_the_stages_are_down() -> None:
    call = fallen()
    call.feed(UP)
    call.wait(5.0)
    call.feed(DOWN)
    call.wait(60.0)
    assert rung(call) is Rung.MENU
    call.feed(UP)
    assert rung(call) is Rung.PIPELINE, "what is said has long been heard"


def test_a_stage_may_fail_for_this_call_alone_and_be_tried_again() -> None:
    """A profile may name endpoints of its own, so that all the others work and nothing changes."""
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.fail(Stage.CHAT)
    call.wait(MENU_AT_LEAST_S + 5)
    assert rung(call) is Rung.PIPELINE


@pytest.mark.parametrize("at_s", [11.0, 30.0])
def test_who_leaves_a_message_is_not_taken_out_of_it(at_s: float) -> None:
    call = fallen()
    call.wait(9.0)
    call.feed(Pressed("2"))
    call.feed(UP)
    call.hear(SPEECH, round(at_s * 1_000))
    assert rung(call) is Rung.MENU
    call.feed(Pressed("#"), RecordingSaved("m1", 3_000))
    call.hear(SILENCE, 3_000)
    assert rung(call) is Rung.PIPELINE


def test_nobody_is_brought_back_while_speaking() -> None:
    call = fallen()
    call.feed(UP)
    call.wait(9.0)
    call.hear(SPEECH, 5_000)
    assert rung(call) is Rung.MENU
    call.hear(SILENCE, 600)
    assert rung(call) is Rung.PIPELINE
    assert not any(isinstance(event, CallerSpeechStopped) and not event.item_id for event in turns(call))


def test_who_comes_back_may_fall_again() -> None:
    call = fallen()
    call.feed(UP)
    call.wait(20.0)
    call.fail(Stage.CHAT)
    assert [event.level for event in levels(call)] == [3, 2, 3]
    assert prompts(call.done).count(Prompt.TROUBLE) == 2


def test_the_memory_is_the_same_after_the_menu() -> None:
    call = Attended()
    call.answered("We open at nine. We close at five.")
    call.turn()
    call.transcribe("And on Sunday?")
    item_id = next(event.item_id for event in events(call.done) if isinstance(event, AgentText))
    call.fail(Stage.CHAT)
    call.feed(Truncate(item_id, 1_000), AddToolOutput("call_1", "[]"), UP)
    call.wait(20.0)
    known = told(call.of(AskChat)[-1].messages)
    assert known[:3] == [
        ("user", "When do you open?"),
        ("assistant", "We open at nine."),
        ("user", "And on Sunday?"),
    ]
    assert [role for role, _ in known[3:]] == ["assistant"] * len(known[3:]), "what the menu said follows"


# --- in the menu from the beginning -----------------------------------------------------------------------------------


def test_what_was_said_and_pressed_in_the_menu_is_known_to_the_model_afterwards() -> None:
    call = fallen()
    call.feed(Pressed("1"))
    call.wait(MENU_AT_LEAST_S + 5)
    call.feed(UP)
    call.wait(5)
    call.turn()
    call.transcribe("Are you there again?")
    known = told(call.of(AskChat)[-1].messages)
    pressed = known.index(("user", "[pressed 1]"))
    assert known[pressed + 1] == ("assistant", Prompt.HOLDING.value)
    assert any(role == "assistant" and Prompt.TROUBLE.value in text for role, text in known[:pressed])
    assert known[-1] == ("user", "Are you there again?")


def test_a_call_that_begins_in_the_menu_is_told_of_it_when_it_should_greet() -> None:
    call = Attended(begins_at=Rung.MENU)
    assert call.wait(30.0) == []
    assert prompts(call.feed(GREET)) == TROUBLE
    assert levels(call) == [], "it is what it was opened at"


def test_a_running_call_hears_of_the_menu_when_it_may_be_answered() -> None:
    call = Attended(answers_by_itself=False, begins_at=Rung.MENU, cause=LevelCause.THROTTLED)
    call.feed(AddTurn("caller", "When do you open?", "s1"))
    call.turn()
    assert prompts(call.done) == []
    done = call.feed(Configure(AGENT))
    assert events(done)[0] == SessionConfigured()
    assert prompts(done) == [Prompt.THROTTLED]
    assert call.feed(Respond()) == []


def test_a_call_whose_stage_fails_while_it_is_told_hears_of_the_menu_only_then() -> None:
    call = Attended(answers_by_itself=False)
    call.turn()
    call.fail(Stage.TRANSCRIPTION)
    assert rung(call) is Rung.MENU
    assert prompts(call.done) == []
    assert prompts(call.feed(Configure(AGENT))) == TROUBLE


@pytest.mark.parametrize("asked", [GREET, Configure(AGENT)])
def test_stages_that_work_before_anything_was_said_make_the_menu_needless(asked: Respond | Configure) -> None:
    call = Attended(begins_at=Rung.MENU)
    assert call.feed(UP) == []
    call.wait(60.0)
    assert call.done == []
    call.feed(asked)
    assert rung(call) is Rung.PIPELINE
    assert levels(call) == [LevelChanged(2, LevelCause.RECOVERED)]
    assert prompts(call.done) == []
    if asked is GREET:
        assert [speak.text for speak in call.of(Speak)] == [AGENT.greeting]


# --- at the desk ------------------------------------------------------------------------------------------------------


def offered() -> Attended:
    """A caller who has heard the menu."""
    call = fallen()
    call.hear(SILENCE, 3_000)
    call.done.clear()
    return call


def test_a_key_is_a_turn_of_the_caller_and_cuts_off_what_is_said() -> None:
    call = offered()
    started, stopped, said = turns_of(call, "1")
    assert started.item_id == stopped.item_id == said.item_id
    assert said.text == "[pressed 1]"
    assert prompts(call.done) == [Prompt.HOLDING]
    assert stopped.audio_ms - started.audio_ms == 300 + 500, "it has no length once lead-in and silence are taken off"


def turns_of(call: Attended, digits: str) -> tuple[CallerSpeechStarted, CallerSpeechStopped, CallerTranscribed]:
    """The turn of the first key."""
    call.feed(Pressed(digits))
    started, stopped, said = turns(call)[:3]
    assert isinstance(started, CallerSpeechStarted)
    assert isinstance(stopped, CallerSpeechStopped)
    assert isinstance(said, CallerTranscribed)
    return started, stopped, said


def test_several_keys_are_several_turns() -> None:
    call = offered()
    call.feed(Pressed("9*"))
    said = [event.text for event in turns(call) if isinstance(event, CallerTranscribed)]
    assert said == ["[pressed 9]", "[pressed *]"]
    assert prompts(call.done) == [Prompt.NOT_UNDERSTOOD, *OFFERS, *OFFERS]


def test_keys_mean_nothing_to_the_dialogue() -> None:
    call = Attended()
    assert call.feed(Pressed("1")) == []


def test_prompts_are_an_agents_turn_with_their_words_and_the_tone_without() -> None:
    call = offered()
    call.feed(Pressed("2"))
    assert prompts(call.done) == [Prompt.RECORD, Prompt.TONE]
    said = ["ResponseStarted", "AgentText", "AgentAudio", "AgentAudioEnded", "ResponseEnded"]
    assert kinds(call.done)[-6:] == ["NoteChoice", *said]


def test_a_message_is_recorded_from_the_tone_to_the_key_and_is_a_turn_of_the_caller() -> None:
    call = offered()
    call.feed(Pressed("2"))
    call.hear(SPEECH, 2 * PROMPT_MS - 100)
    assert call.of(Record) == []
    call.hear(SILENCE, UNDER_WAY_MS + 200)
    assert call.of(StartRecording) == [StartRecording()]
    call.done.clear()
    call.hear(SPEECH, 2_000)
    call.feed(Pressed("#"))
    assert b"".join(each.pcmu for each in call.of(Record)) == SPEECH * 16_000
    assert call.of(KeepRecording) == [KeepRecording(Ending.KEY)]
    call.hear(SILENCE, 100)
    assert b"".join(each.pcmu for each in call.of(Record)) == SPEECH * 16_000
    done = call.feed(RecordingSaved("m1", 2_000))
    said = CallerTranscribed(turns(call)[-1].item_id, "[left a message]")
    assert events(done)[:2] == [said, MessageTaken("m1", 2_000)]
    assert prompts(done) == [Prompt.RECORDED, Prompt.STAY_OR_END]


def test_a_message_ends_when_the_caller_has_said_all() -> None:
    call = offered()
    call.feed(Pressed("2"))
    call.hear(SILENCE, 2 * PROMPT_MS + UNDER_WAY_MS + 100)
    call.hear(SPEECH, 1_000)
    call.hear(SILENCE, 6_000)
    assert call.of(KeepRecording) == [KeepRecording(Ending.SILENCE)]


def test_a_recording_without_speech_is_dropped_and_its_turn_has_no_words() -> None:
    call = offered()
    call.feed(Pressed("2"))
    call.hear(SILENCE, 2 * PROMPT_MS + UNDER_WAY_MS + 11_000)
    assert call.of(DropRecording) == [DropRecording()]
    assert turns(call)[-1] == CallerTranscribed(turns(call)[-2].item_id, "")
    assert Prompt.PARDON in prompts(call.done)


def test_a_recording_that_fails_ends_its_turn_and_is_not_offered_again() -> None:
    call = offered()
    call.feed(Pressed("2"))
    call.hear(SILENCE, 2 * PROMPT_MS + UNDER_WAY_MS + 100)
    done = call.feed(RecordingLost())
    assert kinds(done)[:2] == ["CallerSpeechStopped", "CallerTranscribed"]
    assert prompts(done) == [Prompt.NOT_RECORDED, Prompt.MENU_HOLD, Prompt.MENU_CALLBACK, Prompt.MENU_TRANSFER]


def test_a_wish_to_be_called_back_is_kept_and_told() -> None:
    call = offered()
    done = call.feed(Pressed("3"))
    assert call.of(KeepWish) == [KeepWish()]
    assert CallbackAsked() in events(done)
    assert prompts(done) == [Prompt.CALLBACK_NOTED, Prompt.STAY_OR_END]


def test_who_has_no_number_is_not_offered_a_call_back() -> None:
    call = Attended(begins_at=Rung.MENU, has_number=False)
    assert Prompt.MENU_CALLBACK not in prompts(call.feed(GREET))


def test_a_human_is_asked_for_by_name_once_the_caller_was_told() -> None:
    call = offered()
    call.feed(Pressed("4"))
    assert not any(isinstance(event, HumanWanted) for event in events(call.done))
    call.wait((PROMPT_MS + UNDER_WAY_MS) / 1_000 + 0.1)
    assert HumanWanted("boss") in events(call.done)
    assert call.of(NoteChoice)[0].choice.name == "HUMAN"


def test_who_is_served_may_end_the_call() -> None:
    call = offered()
    call.feed(Pressed("3"))
    call.wait(21.0)
    call.feed(Pressed("#"))
    assert prompts(call.done)[-1] is Prompt.GOODBYE
    assert Farewell() not in events(call.done)
    call.wait(1.0)
    assert Farewell() in events(call.done)


def test_nobody_in_the_menu_is_left_in_silence() -> None:
    """Whoever does nothing hears something again and again."""
    call = fallen()
    silence_s, longest_s = 0.0, 0.0
    for _ in range(600):
        silence_s = 0.0 if prompts(call.wait(1.0)) else silence_s + 1
        longest_s = max(longest_s, silence_s)
    assert longest_s <= 25


def test_a_caller_who_is_back_in_the_menu_from_a_human_nobody_reached_is_told() -> None:
    call = fallen()
    call.done.clear()
    sorry = Respond("Apologise.", may_use_tools=False, human_unreached=True)
    assert prompts(call.feed(sorry)) == [Prompt.TRANSFER_FAILED, *OFFERS]


def test_one_whom_nobody_has_told_of_the_menu_yet_is_told_of_the_trouble() -> None:
    call = Attended(begins_at=Rung.MENU)
    assert prompts(call.feed(Respond("Apologise.", human_unreached=True))) == TROUBLE
