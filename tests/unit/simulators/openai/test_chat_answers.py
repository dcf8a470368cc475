"""Chat is answered by the rules that answer speech sessions, in the API's shapes."""

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from simulators.openai.realtime.replies import Replies
from simulators.openai.rest.chat_answer import Completion, complete, pieces_of, split
from simulators.openai.rest.chat_context import context_of
from simulators.openai.rest.refusing import ApiError
from simulators.openai.script import Chat, Script
from simulators.people.recordings import load
from unit.simulators.openai.rig import shared, undeclared

Json = dict[str, Any]
GET_TASK = {"name": "get_task", "arguments": {"id": 7}}
SCRIPT = {
    "replies": [
        {"when": {"tool_result": "get_task"}, "say": "It is done."},
        {"when": {"greeting": True, "instructions": "kind"}, "say": "Hello dear."},
        {"when": "greeting", "voice": "agent-greeting"},
        {"when": {"recording": "caller-2"}, "voice": "agent-opening-hours"},
        {
            "when": {"caller_said": "task"},
            "say": "One moment.",
            "tool_call": {"name": "get_task", "arguments": {"id": 7}},
        },
        {"when": {"caller_said": "quiet"}, "tool_call": {"name": "get_task"}},
        {"when": {"caller_said": "once"}, "say": "Once only.", "times": 1},
        {"when": {"caller_said": "what"}, "say": "You said: {last_caller_text} ({caller_turns})"},
    ]
}
TOOL = {"type": "function", "function": {"name": "get_task"}}
OTHER = {"type": "function", "function": {"name": "other"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_task", "arguments": "{}"}}
Message = Json


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def agent(text: str) -> Message:
    return {"role": "assistant", "content": text}


def answered(*messages: Message, **fields: Any) -> Completion:
    body = {"model": "gpt-4.1", "messages": list(messages), **fields}
    voices, _ = shared()
    context = context_of(body)
    replies = Replies(Script.model_validate(SCRIPT), voices)
    replies.recall(context)
    return complete(body, replies.choose(context), 10)


def test_a_conversation_without_a_caller_turn_is_greeted_by_its_instructions() -> None:
    assert answered({"role": "system", "content": "x"}).text == load("agent-greeting").text
    assert answered({"role": "system", "content": "Be"}, {"role": "developer", "content": "kind"}).text == "Hello dear."


@pytest.mark.parametrize(
    "text",
    [
        "he was not an ill disposed young man",
        "He was not an ill-disposed young man!".replace("-", " "),
        "was not an ill disposed young",
        "um he was not an ill disposed young man yes",
    ],
)
def test_the_words_of_a_recording_are_that_recording(text: str) -> None:
    assert answered(user(text)).text == load("agent-opening-hours").text


def test_the_last_turn_decides_and_the_text_is_filled_in() -> None:
    completion = answered(user("task"), agent("hm"), user("what now"))
    assert (completion.text, completion.finish_reason) == ("You said: what now (2)", "stop")


def test_what_no_rule_fits_gets_the_fallback() -> None:
    assert answered(user("zzz")).text == "All right."


def test_a_tool_is_called_only_if_it_is_offered() -> None:
    called = answered(user("task"), tools=[TOOL])
    assert called.text == "One moment."
    assert called.call is not None
    assert (called.call.name, json.loads(called.call.arguments), called.finish_reason) == (
        "get_task",
        {"id": 7},
        "tool_calls",
    )
    for fields in ({}, {"tools": [OTHER]}, {"tools": [TOOL], "tool_choice": "none"}):
        said = answered(user("task"), **fields)
        assert (said.text, said.call, said.finish_reason) == ("One moment.", None, "stop")
    assert answered(user("quiet")).text == "All right."


def test_a_tool_that_must_be_called_is() -> None:
    named = {"type": "function", "function": {"name": "other"}}
    for choice in ("required", named):
        completion = answered(user("zzz"), tools=[OTHER], tool_choice=choice)
        assert completion.call is not None
        assert completion.call.name == "other"


def test_a_tools_result_is_answered_by_the_rule_for_it() -> None:
    result = {"role": "tool", "tool_call_id": "call_1", "content": "7 is done"}
    calling = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert answered(user("quiet"), calling, result).text == "It is done."


def test_a_rule_is_used_as_often_as_it_says_in_what_the_conversation_holds() -> None:
    assert answered(user("once")).text == "Once only."
    assert answered(user("once"), agent("Once only."), user("once")).text == "All right."
    assert answered(user("once"), agent("Once"), user("once")).text == "All right."


def test_stop_and_limit_end_an_answer() -> None:
    stopped = answered(user("what now"), stop=" now")
    assert (stopped.text, stopped.finish_reason) == ("You said: what", "stop")
    cut = answered(user("task"), tools=[TOOL], max_completion_tokens=1)
    assert (cut.text, cut.call, cut.finish_reason) == ("One", None, "length")


def test_an_image_is_refused() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:"}}
    with pytest.raises(ApiError, match="image_url"):
        answered({"role": "user", "content": [image]})


@pytest.mark.parametrize("text", ["task", "zzz", "quiet", "what is そう"])
@pytest.mark.parametrize("with_usage", [True, False])
def test_chunks_are_the_sdks_and_add_up_to_the_whole(text: str, with_usage: bool) -> None:
    completion = answered(user(text), tools=[TOOL])
    whole = ChatCompletion.model_validate(completion.whole())
    assert not list(undeclared(whole))
    chunks = [ChatCompletionChunk.model_validate(chunk) for chunk in completion.chunks(with_usage=with_usage)]
    assert not [name for chunk in chunks for name in undeclared(chunk)]
    assert {chunk.id for chunk in chunks} == {whole.id}
    assert (chunks[-1].usage == whole.usage) if with_usage else all(chunk.usage is None for chunk in chunks)
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert choices[0].delta.role == "assistant"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == [whole.choices[0].finish_reason]
    assert "".join(choice.delta.content or "" for choice in choices) == (whole.choices[0].message.content or "")
    calls = [call for choice in choices for call in choice.delta.tool_calls or ()]
    arguments = "".join(call.function.arguments or "" for call in calls if call.function)
    assert arguments == (completion.call.arguments if completion.call else "")
    assert {call.index for call in calls} <= {0}


def test_the_events_come_in_time_and_end_with_done() -> None:
    pieces = list(pieces_of(answered(user("task")), Chat(first_token_ms=300, word_ms=20), with_usage=False))
    assert [piece.after_s for piece in pieces] == [0.3, 0.02, 0.02, 0.02, 0.0]
    assert pieces[-1].data == b"data: [DONE]\n\n"
    assert all(piece.data.startswith(b"data: ") and piece.data.endswith(b"\n\n") for piece in pieces)


@pytest.mark.parametrize("text", ["", "one", "one two  three", " x", "かしこまりました。"])
def test_split_text_joins_to_itself(text: str) -> None:
    assert "".join(split(text)) == text
