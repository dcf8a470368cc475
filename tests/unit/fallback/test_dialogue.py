"""The turn-based conversation: turns into words, words into answers, answers into speech."""

import pytest

from common.agents import ToolGrant
from common.pcmu import SILENCE
from common.prompt_names import Prompt
from fallback.core.dialogue import FILL_AFTER_S, NO_SUCH_TOOL, ROUNDS_AT_MOST
from fallback.core.ladder import Rung
from fallback.core.vocabulary import (
    Abandon,
    AskChat,
    ChatEnded,
    ChatSaid,
    Sounded,
    SoundEnded,
    Speak,
    StageFailed,
    StagesChanged,
    ToolCall,
    Transcribe,
)
from fallback.core.vocabulary import Stage as StageName
from talker.core.seeding import NO_RESULT
from talker.port import (
    AddToolCall,
    AddToolOutput,
    AddTurn,
    AgentAudio,
    AgentAudioEnded,
    AgentText,
    CallerSpeechStarted,
    CallerSpeechStopped,
    CallerTranscribed,
    CancelResponse,
    CheckAlive,
    Configure,
    DeleteItem,
    Instruct,
    Respond,
    ResponseEnded,
    SessionConfigured,
    ToolWanted,
    Truncate,
    Usage,
)
from unit.fallback.attending import (
    AGENT,
    GREET,
    SPEECH,
    Attended,
    answering,
    events,
    kinds,
    prompts,
    told,
    words,
)

ROOMS = ToolCall("0", "list_rooms", '{"day": 1}')
BOOK = ToolCall("1", "book", "{}")


# --- one turn after the other -----------------------------------------------------------------------------------------


def test_a_call_begins_with_the_greeting_word_for_word_and_no_model_is_asked() -> None:
    call = Attended()
    assert kinds(call.feed(GREET)) == ["ResponseStarted", "Speak"]
    said = call.voice()
    assert kinds(said) == ["AgentText", "AgentAudio", "AgentAudioEnded", "ResponseEnded"]
    assert words(said) == AGENT.greeting
    assert call.of(AskChat) == []


def test_a_turn_is_put_into_words_answered_and_spoken() -> None:
    call = Attended()
    call.hear(SILENCE, 1_000)
    done = call.turn()
    assert kinds(done) == ["CallerSpeechStarted", "CallerSpeechStopped", "Transcribe"]
    assert kinds(call.transcribe("When do you open?")) == ["CallerTranscribed", "ResponseStarted", "AskChat"]
    assert told(call.of(AskChat)[0].messages) == [("user", "When do you open?")]
    assert call.of(AskChat)[0].messages[0]["content"].startswith("Be kind.\n\n")
    assert call.of(AskChat)[0].tools == AGENT.tools
    assert kinds(call.write("At nine. Come", is_over=False)) == ["Speak"]
    assert kinds(call.voice(0)) == ["AgentText", "AgentAudio"]
    assert kinds(call.write(" by.")) == ["Speak"]
    said = call.voice(1)
    assert kinds(said) == ["AgentText", "AgentAudio", "AgentAudioEnded", "ResponseEnded"]
    assert words(call.done) == "At nine. Come by."
    assert answering(call.done) == [("resp-2", "started"), ("resp-2", "completed")]


def test_one_item_of_the_caller_goes_by_one_name() -> None:
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    named = [
        event.item_id
        for event in events(call.done)
        if isinstance(event, (CallerSpeechStarted, CallerSpeechStopped, CallerTranscribed))
    ]
    assert named == [call.of(Transcribe)[0].item_id] * 3


def test_the_next_answer_knows_what_was_said_before() -> None:
    call = Attended()
    call.feed(GREET)
    call.voice()
    call.answered("At nine. Really.")
    call.turn()
    call.transcribe("And on Sunday?")
    assert told(call.of(AskChat)[-1].messages) == [
        ("assistant", AGENT.greeting),
        ("user", "When do you open?"),
        ("assistant", "At nine. Really."),
        ("user", "And on Sunday?"),
    ]


def test_what_an_answer_cost_is_told_when_it_ends() -> None:
    call = Attended()
    call.turn()
    call.transcribe("Hello?")
    answer_id = call.of(AskChat)[0].answer_id
    call.feed(ChatSaid(answer_id, "Yes."), ChatEnded(answer_id, usage=Usage(input_text_tokens=9, output_text_tokens=2)))
    (ended,) = [event for event in events(call.voice()) if isinstance(event, ResponseEnded)]
    assert ended.usage == Usage(input_text_tokens=9, output_text_tokens=2)


# --- the caller first -------------------------------------------------------------------------------------------------


def test_a_caller_who_speaks_over_the_answer_silences_it() -> None:
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.write("At nine. And at ten. And at eleven.")
    call.voice(0)
    done = call.hear(SPEECH, 200)
    assert kinds(done) == ["Abandon", "ResponseEnded", "CallerSpeechStarted"]
    assert answering(done) == [(call.of(AskChat)[0].answer_id, "cancelled")]
    assert call.voice() == [], "late pieces of an abandoned answer are nobody's"
    assert call.write("And so on.") == []


def test_after_a_barge_in_the_model_knows_what_was_heard_and_no_more() -> None:
    call = Attended()
    call.answered("We open at nine. We close at five.")
    (item_id,) = {event.item_id for event in events(call.done) if isinstance(event, AgentAudio)}
    call.hear(SPEECH, 200)
    call.feed(Truncate(item_id, 1_500))
    call.hear(SILENCE, 600)
    call.transcribe("No, on Sunday.")
    assert told(call.of(AskChat)[-1].messages)[1:] == [
        ("assistant", "We open at nine. We close"),
        ("user", "No, on Sunday."),
    ]


def test_of_an_answer_that_nobody_heard_nothing_is_kept() -> None:
    call = Attended()
    call.answered()
    (item_id,) = {event.item_id for event in events(call.done) if isinstance(event, AgentAudio)}
    call.hear(SPEECH, 200)
    call.feed(DeleteItem(item_id))
    call.hear(SILENCE, 600)
    call.transcribe("On Sunday.")
    assert told(call.of(AskChat)[-1].messages) == [("user", "When do you open?"), ("user", "On Sunday.")]


def test_a_caller_who_goes_on_before_the_answer_is_answered_once_to_everything() -> None:
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.turn()
    assert call.of(Abandon) == [Abandon(call.of(AskChat)[0].answer_id)]
    call.transcribe("On Sunday, I mean.")
    assert told(call.of(AskChat)[-1].messages) == [("user", "When do you open?"), ("user", "On Sunday, I mean.")]
    assert [status for _, status in answering(call.done)] == ["started", "cancelled", "started"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_turns_whose_words_come_late_are_answered_together_in_the_order_they_were_said(
    order: tuple[int, int],
) -> None:
    call = Attended()
    call.turn()
    call.turn()
    texts = ("When do you open?", "On Sunday.")
    assert kinds(call.transcribe(texts[order[0]], order[0])) == ["CallerTranscribed"]
    assert kinds(call.transcribe(texts[order[1]], order[1])) == ["CallerTranscribed", "ResponseStarted", "AskChat"]
    assert [text for _, text in told(call.of(AskChat)[-1].messages)] == list(texts)


def test_words_that_come_while_the_caller_speaks_again_are_answered_after_that() -> None:
    call = Attended()
    call.turn()
    call.hear(SPEECH, 500)
    assert kinds(call.transcribe("When do you open?")) == ["CallerTranscribed"]
    call.hear(SILENCE, 600)
    assert kinds(call.transcribe("On Sunday.")) == ["CallerTranscribed", "ResponseStarted", "AskChat"]


def test_an_answer_to_noise_alone_begs_pardon() -> None:
    call = Attended()
    call.turn()
    done = call.transcribe(" ")
    assert prompts(done) == [Prompt.PARDON]
    assert [status for _, status in answering(done)] == ["started", "completed"]
    assert call.of(AskChat) == []


def test_noise_after_a_question_does_not_make_it_forgotten() -> None:
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.turn(200)
    assert kinds(call.transcribe("")) == ["CallerTranscribed", "ResponseStarted", "AskChat"]
    assert told(call.of(AskChat)[-1].messages) == [("user", "When do you open?")]


def test_noise_over_an_answer_begs_pardon() -> None:
    call = Attended()
    call.answered()
    call.turn(200)
    assert prompts(call.transcribe("")) == [Prompt.PARDON]


def test_words_of_a_turn_come_once() -> None:
    call = Attended()
    call.turn()
    call.transcribe("Hello?")
    assert call.transcribe("Hello?") == []


def test_a_model_that_says_nothing_begs_pardon() -> None:
    call = Attended()
    call.turn()
    call.transcribe("Hello?")
    done = call.write("")
    assert prompts(done) == [Prompt.PARDON]
    assert [status for _, status in answering(done)] == ["completed"]


# --- patience ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slow", ["transcription", "chat", "speech"])
def test_a_caller_who_waits_hears_a_word_of_patience_once(slow: str) -> None:
    call = Attended()
    call.turn()
    began = call.now
    if slow != "transcription":
        call.transcribe("When do you open?")
    if slow == "speech":
        call.write("At nine.")
    assert prompts(call.wait(FILL_AFTER_S - 0.2)) == []
    assert prompts(call.wait(0.2)) == [Prompt.ONE_MOMENT]
    assert call.now - began == pytest.approx(FILL_AFTER_S)
    if slow == "transcription":
        call.transcribe("When do you open?")
    assert prompts(call.wait(10.0)) == []


def test_the_patience_begins_when_the_caller_has_ended_whatever_takes_long() -> None:
    call = Attended()
    call.turn()
    call.wait(FILL_AFTER_S - 0.1)
    call.transcribe("When do you open?")
    assert prompts(call.wait(0.2)) == [Prompt.ONE_MOMENT]


def test_the_next_turn_may_need_patience_again() -> None:
    call = Attended()
    call.turn()
    call.wait(5.0)
    call.turn()
    assert prompts(call.wait(5.0)) == [Prompt.ONE_MOMENT]


def test_who_hears_an_answer_needs_no_patience() -> None:
    call = Attended()
    call.answered()
    assert call.wait(60.0) == []


def test_who_speaks_is_not_asked_for_patience() -> None:
    call = Attended()
    call.turn()
    call.hear(SPEECH, 3_000)
    assert prompts(call.done) == []


def test_a_word_of_patience_is_no_answer_and_has_no_words() -> None:
    """Who takes the call over goes by the agent's words: those alone would mean that the question is answered."""
    call = Attended()
    call.turn()
    call.transcribe("When do you open?")
    call.wait(5.0)
    assert words(call.done) == ""
    call.write("At nine.")
    call.voice()
    items = [event.item_id for event in events(call.done) if isinstance(event, AgentAudioEnded)]
    assert len(set(items)) == 2
    assert {event.response_id for event in events(call.done) if isinstance(event, AgentAudio)} == {
        call.of(AskChat)[0].answer_id
    }


# --- tools ------------------------------------------------------------------------------------------------------------


def wanting(*tools: ToolCall, text: str = "") -> tuple[Attended, list[ToolWanted]]:
    """A call whose model asks for tools."""
    call = Attended()
    call.turn()
    call.transcribe("Any rooms?")
    wanted = [event for event in events(call.write(text, *tools)) if isinstance(event, ToolWanted)]
    return call, wanted


def test_other_instructions_and_tools_count_from_the_next_question_on() -> None:
    call = Attended()
    told_of = ToolGrant(name="get_room", description="A room.")
    assert events(call.feed(Instruct("Be brief."))) == [SessionConfigured()]
    call.turn()
    call.transcribe("Any rooms?")
    assert call.of(AskChat)[-1].messages[0]["content"].startswith("Be brief.")
    assert call.of(AskChat)[-1].tools == AGENT.tools
    call.feed(Instruct(tools=(told_of,)))
    call.turn()
    call.transcribe("Well?")
    assert call.of(AskChat)[-1].tools == (told_of,)
    assert call.of(AskChat)[-1].messages[0]["content"].startswith("Be brief.")


def test_a_tool_that_nobody_has_described_is_not_offered() -> None:
    named = AGENT.model_copy(update={"tools": (*AGENT.tools, ToolGrant(name="not_known_yet"))})
    call = Attended(profile=named)
    call.turn()
    call.transcribe("Any rooms?")
    assert call.of(AskChat)[-1].tools == AGENT.tools


def test_what_is_told_in_the_menu_counts_when_the_dialogue_goes_on() -> None:
    call = Attended(begins_at=Rung.MENU)
    assert events(call.feed(Instruct("Be brief."))) == [SessionConfigured()]
    call.feed(StagesChanged(are_up=True), GREET)
    assert call.core.rung is Rung.PIPELINE
    call.turn()
    call.transcribe("Any rooms?")
    assert call.of(AskChat)[-1].messages[0]["content"].startswith("Be brief.")


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_model_is_asked_again_when_every_tool_has_answered(order: tuple[int, int]) -> None:
    call, wanted = wanting(ROOMS, BOOK)
    assert [(each.name, each.arguments) for each in wanted] == [("list_rooms", '{"day": 1}'), ("book", "{}")]
    assert call.feed(AddToolOutput(wanted[order[0]].tool_call_id, f"result {order[0]}")) == []
    (asked,) = call.feed(AddToolOutput(wanted[order[1]].tool_call_id, f"result {order[1]}"))
    assert isinstance(asked, AskChat)
    assert told(asked.messages) == [
        ("user", "Any rooms?"),
        ("assistant", ""),
        ("tool", "result 0"),
        ("assistant", ""),
        ("tool", "result 1"),
    ]
    call.write("Two.")
    call.voice()
    assert [status for _, status in answering(call.done)] == ["started", "completed"]


def test_tools_whose_server_counts_them_from_zero_each_time_are_told_apart() -> None:
    call, (first,) = wanting(ROOMS)
    call.feed(AddToolOutput(first.tool_call_id, "one"))
    (second,) = (event for event in events(call.write("", ROOMS)) if isinstance(event, ToolWanted))
    assert first.tool_call_id != second.tool_call_id
    call.feed(AddToolOutput(second.tool_call_id, "two"))
    results = [message["content"] for message in call.of(AskChat)[-1].messages if message["role"] == "tool"]
    assert results == ["one", "two"]


def test_what_is_said_before_and_after_a_tool_is_remembered_around_it() -> None:
    call, (wanted,) = wanting(ROOMS, text="Let me look.")
    call.voice()
    call.feed(AddToolOutput(wanted.tool_call_id, "[]"))
    call.write("None.")
    call.voice()
    call.turn()
    call.transcribe("Ah.")
    assert told(call.of(AskChat)[-1].messages) == [
        ("user", "Any rooms?"),
        ("assistant", "Let me look."),
        ("assistant", ""),
        ("tool", "[]"),
        ("assistant", "None."),
        ("user", "Ah."),
    ]
    items = [event.item_id for event in events(call.done) if isinstance(event, AgentText)]
    assert len(set(items)) == 2
    assert [event.item_id for event in events(call.done) if isinstance(event, AgentAudioEnded)] == items


def test_a_tool_that_was_not_granted_is_not_run_and_the_model_is_told() -> None:
    call, wanted = wanting(ToolCall("0", "rm", "{}"))
    assert wanted == []
    assert told(call.of(AskChat)[-1].messages)[1:] == [("assistant", ""), ("tool", NO_SUCH_TOOL)]


def test_a_tool_whose_name_the_api_would_refuse_is_not_told_back() -> None:
    call, wanted = wanting(ToolCall("0", "rm -rf / ; " * 9, "{}"))
    assert wanted == []
    assert told(call.of(AskChat)[-1].messages) == [("user", "Any rooms?")]


def test_a_model_that_wants_tools_for_ever_has_to_answer_in_the_end() -> None:
    call, wanted = wanting(ROOMS)
    while wanted:
        call.feed(AddToolOutput(wanted[0].tool_call_id, "[]"))
        wanted = [event for event in events(call.write("", ROOMS)) if isinstance(event, ToolWanted)]
    asked = call.of(AskChat)
    assert len(asked) == ROUNDS_AT_MOST
    assert [bool(each.tools) for each in asked] == [True] * (ROUNDS_AT_MOST - 1) + [False]
    assert prompts(call.done) == [Prompt.PARDON]
    assert answering(call.done)[-1][1] == "completed"


def test_a_result_that_comes_after_a_barge_in_is_remembered() -> None:
    call, (wanted,) = wanting(ROOMS)
    call.turn()
    assert call.feed(AddToolOutput(wanted.tool_call_id, "[1, 2]")) == []
    call.transcribe("Well?")
    assert ("tool", "[1, 2]") in told(call.of(AskChat)[-1].messages)


def test_a_result_that_has_not_come_is_not_waited_for_by_the_next_turn() -> None:
    call, _ = wanting(ROOMS)
    call.turn()
    call.transcribe("Well?")
    assert told(call.of(AskChat)[-1].messages)[-2:] == [("tool", NO_RESULT), ("user", "Well?")]


# --- becoming the talker of a running call ----------------------------------------------------------------------------


def seeded() -> Attended:
    """A call that was told what was said, and not yet that it may answer."""
    call = Attended(answers_by_itself=False)
    call.feed(
        AddTurn("agent", "Hello.", "s1"),
        AddTurn("caller", "Any rooms?", "s2"),
        AddToolCall("call_9", "list_rooms", "{}", "t1"),
        AddToolOutput("call_9", "[4]", "t1_output"),
        AddTurn("system", "Carry on."),
    )
    return call


def test_a_call_that_is_told_what_was_said_answers_when_it_is_asked() -> None:
    call = seeded()
    assert call.done == []
    assert events(call.feed(Configure(AGENT.model_copy(update={"instructions": "Be brief."})))) == [SessionConfigured()]
    assert kinds(call.feed(Respond())) == ["ResponseStarted", "AskChat"]
    (asked,) = call.of(AskChat)
    assert asked.messages[0]["content"].startswith("Be brief.\n\n")
    assert told(asked.messages) == [
        ("assistant", "Hello."),
        ("user", "Any rooms?"),
        ("assistant", ""),
        ("tool", "[4]"),
        ("system", "Carry on."),
    ]


def test_a_turn_that_is_replayed_is_answered_once_when_asked() -> None:
    call = seeded()
    call.turn()
    assert kinds(call.transcribe("For two.")) == ["CallerTranscribed"]
    call.feed(Configure(AGENT))
    assert kinds(call.feed(Respond())) == ["ResponseStarted", "AskChat"]
    assert told(call.of(AskChat)[-1].messages)[-1] == ("user", "For two.")


def test_a_replayed_turn_without_words_yet_is_waited_for() -> None:
    call = seeded()
    call.turn()
    call.feed(Configure(AGENT))
    assert call.feed(Respond()) == []
    assert kinds(call.transcribe("For two.")) == ["CallerTranscribed", "ResponseStarted", "AskChat"]
    assert len(call.of(AskChat)) == 1


def test_replayed_noise_does_not_hide_the_question_that_was_told() -> None:
    call = seeded()
    call.turn(200)
    call.feed(Configure(AGENT), Respond())
    assert kinds(call.transcribe("")) == ["CallerTranscribed", "ResponseStarted", "AskChat"]


def test_who_waits_for_a_replayed_turn_hears_a_word_of_patience() -> None:
    call = seeded()
    call.turn()
    assert prompts(call.wait(5.0)) == []
    call.feed(Configure(AGENT), Respond())
    assert prompts(call.wait(5.0)) == [Prompt.ONE_MOMENT]


def test_a_request_with_instructions_of_its_own_is_answered_with_those_after_tools_too() -> None:
    call = seeded()
    call.feed(Configure(AGENT), Respond("Go on from there."))
    assert call.of(AskChat)[0].messages[0]["content"].startswith("Go on from there.")
    (wanted,) = (event for event in events(call.write("", ROOMS)) if isinstance(event, ToolWanted))
    call.feed(AddToolOutput(wanted.tool_call_id, "[]"))
    assert call.of(AskChat)[1].messages[0]["content"].startswith("Go on from there.")


def test_a_request_while_the_caller_speaks_waits_for_what_is_said() -> None:
    call = Attended()
    call.hear(SPEECH, 500)
    assert call.feed(Respond()) == []
    call.hear(SILENCE, 600)
    call.transcribe("Hello?")
    assert len(call.of(AskChat)) == 1


def test_a_second_request_replaces_the_first() -> None:
    call = Attended()
    call.feed(GREET)
    done = call.feed(Respond())
    assert kinds(done) == ["Abandon", "ResponseEnded", "ResponseStarted", "AskChat"]


# --- what is ignored --------------------------------------------------------------------------------------------------


def test_an_answer_that_is_cancelled_ends() -> None:
    call = Attended()
    call.feed(GREET)
    assert call.feed(CancelResponse("another")) == []
    done = call.feed(CancelResponse(call.of(Speak)[0].answer_id))
    assert kinds(done) == ["Abandon", "ResponseEnded"]
    assert call.voice() == []
    assert call.feed(CancelResponse(call.of(Speak)[0].answer_id)) == []
    assert call.wait(10.0) == []


def test_what_nobody_waits_for_changes_nothing() -> None:
    call = Attended()
    for event in (
        ChatSaid("resp-9", "Hello."),
        ChatEnded("resp-9"),
        Sounded("resp-9", 0, SPEECH),
        SoundEnded("resp-9", 0),
        StageFailed(StageName.CHAT, "resp-9"),
        AddToolOutput("call-9", "[]"),
        Truncate("item-9", 100),
        DeleteItem("item-9"),
        CheckAlive(),
    ):
        assert call.feed(event) == []
