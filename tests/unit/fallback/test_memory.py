"""What the chat model is told of a call, always in messages that the API takes."""

from types import GenericAlias
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
)
from pydantic import ConfigDict, TypeAdapter

from common.pcmu import BYTES_PER_MS
from fallback.core.memory import CHARACTERS_AT_MOST, OUTPUT_CHARACTERS_AT_MOST, ChatMessage, Memory
from talker.core.seeding import NO_RESULT

DECLARED: dict[str, Any] = {
    "assistant": ChatCompletionAssistantMessageParam,
    "system": ChatCompletionSystemMessageParam,
    "tool": ChatCompletionToolMessageParam,
    "user": ChatCompletionUserMessageParam,
}


def check(messages: tuple[ChatMessage, ...]) -> None:
    """Raise unless the SDK declares exactly these. Lists, because pydantic takes no config for a bare TypedDict."""
    for message in messages:
        declared: Any = GenericAlias(list, (DECLARED[message["role"]],))
        TypeAdapter(declared, config=ConfigDict(extra="forbid")).validate_python([message])


def told(memory: Memory) -> tuple[ChatMessage, ...]:
    """What the model would be told, once it was checked as the API would."""
    messages = memory.messages("Be kind.")
    open_call = ""
    check(messages)
    for message in messages:
        assert (message["role"] == "tool") == bool(open_call), "a call is answered by the next message, nothing else is"
        assert message.get("tool_call_id", "") == open_call
        open_call = message["tool_calls"][0]["id"] if "tool_calls" in message else ""
        assert message["content"] or "tool_calls" in message or message["role"] in ("tool", "system")
    assert not open_call
    assert messages[0] == {"role": "system", "content": "Be kind."}
    return messages[1:]


def said(memory: Memory) -> list[tuple[str, str]]:
    """Who says what, in short."""
    return [(message["role"], message["content"]) for message in told(memory) if message["content"]]


def spoken(memory: Memory, item_id: str, *sentences: tuple[str, int]) -> None:
    """The agent says sentences of these lengths (ms)."""
    for text, ms in sentences:
        memory.say(item_id, text)
        memory.sound(item_id, ms * BYTES_PER_MS)


def test_turns_are_told_in_their_order_by_their_roles() -> None:
    memory = Memory()
    memory.add_turn("agent", "Hello.", "a1", None)
    memory.add_turn("caller", "Hi.", "c1", None)
    memory.add_turn("system", "Carry on.", "", None)
    memory.add_turn("system", "In English.", "", None)
    assert said(memory) == [
        ("assistant", "Hello."),
        ("user", "Hi."),
        ("system", "Carry on."),
        ("system", "In English."),
    ]


def test_a_turn_can_be_put_after_another_first_or_nowhere() -> None:
    memory = Memory()
    memory.add_turn("caller", "one", "c1", None)
    memory.add_turn("caller", "three", "c3", None)
    memory.add_turn("agent", "two", "a2", "c1")
    memory.add_turn("agent", "zero", "a0", "")
    memory.add_turn("agent", "last", "a9", "nobody knows")
    memory.add_turn("agent", "self", "a8", "a8")
    assert [text for _, text in said(memory)] == ["zero", "one", "two", "three", "last", "self"]


def test_a_turn_can_be_put_after_a_tool_call_and_its_result() -> None:
    """A turn that was heard in part only is taken out and put back where it was, after the item before it."""
    memory = Memory()
    memory.add_turn("caller", "which rooms?", "c1", None)
    memory.call_tool("call_1", "list_rooms", "{}", "t1")
    memory.tool_answered("call_1", "[]", "t1_output")
    memory.add_turn("agent", "None at all, sorry.", "a1", None)
    memory.add_turn("caller", "ah", "c2", None)
    memory.delete("a1")
    memory.add_turn("agent", "None", "a1_heard", "t1_output")
    assert [message["role"] for message in told(memory)] == ["user", "assistant", "tool", "assistant", "user"]


def test_a_place_is_kept_for_a_turn_whose_words_come_later() -> None:
    memory = Memory()
    memory.add_turn("caller", "", "c1", None)
    memory.add_turn("caller", "second", "c2", None)
    assert said(memory) == [("user", "second")]
    memory.add_turn("caller", "first", "c1", None)
    assert said(memory) == [("user", "first"), ("user", "second")]


def test_what_was_not_heard_is_not_told() -> None:
    memory = Memory()
    spoken(memory, "a1", ("We open at nine.", 1_000), (" We close at five.", 1_000), (" Come by.", 500))
    assert said(memory) == [("assistant", "We open at nine. We close at five. Come by.")]
    memory.truncate("a1", 1_500)
    assert said(memory) == [("assistant", "We open at nine. We close")]
    memory.truncate("a1", 1_000)
    assert said(memory) == [("assistant", "We open at nine.")]
    memory.delete("a1")
    assert said(memory) == []


def test_what_is_said_of_an_item_that_is_not_there_changes_nothing() -> None:
    memory = Memory()
    memory.truncate("a1", 100)
    memory.delete("a1")
    memory.sound("a1", 8_000)
    memory.tool_answered("call_1", "[]")
    assert said(memory) == []


def test_a_tool_call_without_a_result_says_so() -> None:
    memory = Memory()
    memory.call_tool("call_1", "create_task", '{"title": "x"}')
    assert told(memory)[1]["content"] == NO_RESULT
    memory.tool_answered("call_1", '{"id": 7}')
    call, result = told(memory)
    assert call["tool_calls"][0]["function"] == {"name": "create_task", "arguments": '{"title": "x"}'}
    assert result["content"] == '{"id": 7}'


def test_a_result_that_is_too_long_does_not_push_the_question_out() -> None:
    memory = Memory()
    memory.add_turn("caller", "which rooms?", "c1", None)
    memory.call_tool("call_1", "list_rooms", "{}")
    memory.tool_answered("call_1", "x" * 1_000_000)
    question, _, result = told(memory)
    assert question["content"] == "which rooms?"
    assert len(result["content"]) == OUTPUT_CHARACTERS_AT_MOST


def test_of_a_long_conversation_the_newest_is_told() -> None:
    memory = Memory()
    for number in range(400):
        memory.add_turn("caller", f"{number} " + "x" * 500, f"c{number}", None)
    texts = [text for _, text in said(memory)]
    assert texts[-1].startswith("399 ")
    assert 0.9 * CHARACTERS_AT_MOST < sum(map(len, texts)) <= CHARACTERS_AT_MOST


@pytest.mark.parametrize(
    ("newest", "expected"),
    [("caller", True), ("tool", True), ("agent", False), ("system", False), ("noise", False), ("unheard", True)],
)
def test_it_is_known_whether_the_caller_has_been_answered(newest: str, expected: bool) -> None:
    memory = Memory()
    memory.add_turn("caller", "which rooms?", "c1", None)
    if newest != "unheard":
        spoken(memory, "a1", ("None.", 500))
    match newest:
        case "caller":
            memory.add_turn("caller", "Oh.", "c2", None)
        case "tool":
            memory.call_tool("call_1", "list_rooms", "{}")
        case "system":
            memory.add_turn("system", "Carry on.", "", None)
        case "noise":
            memory.add_turn("caller", "", "c2", None)
        case "unheard":
            spoken(memory, "a1", ("None.", 500))
            memory.delete("a1")
    assert memory.has_question is expected


IDS = st.sampled_from(["i1", "i2", "i3", "t1", ""])
STEPS = st.one_of(
    st.tuples(
        st.just("add_turn"), st.sampled_from(["caller", "agent", "system"]), st.text(max_size=9), IDS, st.none() | IDS
    ),
    st.tuples(st.just("say"), IDS, st.text(max_size=9)),
    st.tuples(st.just("sound"), IDS, st.integers(0, 9_000)),
    st.tuples(st.just("truncate"), IDS, st.integers(0, 2_000)),
    st.tuples(st.just("delete"), IDS),
    st.tuples(st.just("call_tool"), IDS.filter(bool), st.just("look_up"), st.text(max_size=9), IDS),
    st.tuples(st.just("tool_answered"), IDS, st.text(max_size=9), IDS),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_it_is_told_its_messages_are_valid(steps: list[tuple[Any, ...]]) -> None:
    memory = Memory()
    for name, *arguments in steps:
        getattr(memory, name)(*arguments)
        told(memory)
        assert memory.has_question in (True, False)
