"""Every event we build is one the `openai` SDK declares, unknown fields refused, as the real API does."""

import base64
import json
from types import GenericAlias
from typing import Any, get_args

import pytest
from openai.types.realtime.conversation_item_create_event_param import ConversationItemCreateEventParam
from openai.types.realtime.conversation_item_delete_event_param import ConversationItemDeleteEventParam
from openai.types.realtime.conversation_item_truncate_event_param import ConversationItemTruncateEventParam
from openai.types.realtime.input_audio_buffer_append_event_param import InputAudioBufferAppendEventParam
from openai.types.realtime.response_cancel_event_param import ResponseCancelEventParam
from openai.types.realtime.response_create_event_param import ResponseCreateEventParam
from openai.types.realtime.session_update_event_param import SessionUpdateEventParam
from pydantic import ConfigDict, TypeAdapter, ValidationError

from common.agents import ToolGrant
from common.profile import AgentProfile, Limits, SemanticVad, ServerVad, Transcription
from realtime_worker.backends.realtime.client_events import TYPES, ClientEvents, append, command_of
from talker.port import (
    AddToolCall,
    AddToolOutput,
    AddTurn,
    CancelResponse,
    CommandName,
    Configure,
    DeleteItem,
    Instruct,
    Respond,
    SpeechCommand,
    Truncate,
)

DECLARED: dict[str, Any] = {
    "conversation.item.create": ConversationItemCreateEventParam,
    "conversation.item.delete": ConversationItemDeleteEventParam,
    "conversation.item.truncate": ConversationItemTruncateEventParam,
    "input_audio_buffer.append": InputAudioBufferAppendEventParam,
    "response.cancel": ResponseCancelEventParam,
    "response.create": ResponseCreateEventParam,
    "session.update": SessionUpdateEventParam,
}

PLAIN = AgentProfile(name="desk", greeting="Hello.", instructions="Be kind.")
FULL = AgentProfile(
    name="desk-ja",
    language="ja",
    voice="cedar",
    greeting="もしもし、本日のご用件は何でしょうか？",
    instructions='Say "yes".\n',
    turn_detection=ServerVad(threshold=0.7, prefix_padding_ms=200, silence_duration_ms=700, idle_timeout_ms=8000),
    transcription=Transcription(model="gpt-transcribe", prompt="a reading room"),
    noise_reduction="near_field",
    limits=Limits(max_output_tokens=500),
)
GET_TASK = ToolGrant(
    name="get_task",
    description="One task.",
    parameters={"type": "object", "properties": {"id": {"type": "integer"}}, "additionalProperties": False},
)
END_CALL = ToolGrant(name="end_call", description="End the call.")
TOOLED = PLAIN.model_copy(update={"tools": (GET_TASK, ToolGrant(name="not_known_yet"), END_CALL)})
SEMANTIC = PLAIN.model_copy(update={"turn_detection": SemanticVad(eagerness="high")})

COMMANDS: tuple[SpeechCommand, ...] = (
    Configure(PLAIN),
    Configure(FULL, answers_by_itself=False),
    Configure(SEMANTIC),
    Configure(TOOLED),
    Instruct("Be brief."),
    Instruct(tools=(END_CALL, GET_TASK)),
    Instruct("Be brief.", ()),
    AddTurn("caller", "Hello?", "item_1"),
    AddTurn("agent", "Good morning.", "item_2"),
    AddTurn("system", "Carry on."),
    AddTurn("caller", "An id that is too long.", "x" * 33),
    AddTurn("agent", "As heard.", "item_2_heard", after="item_1"),
    AddTurn("agent", "The first.", after=""),
    AddToolCall("call_1", "list_tasks", "{}", "item_7"),
    AddToolOutput("call_1", "[]", "item_7_output"),
    Respond(),
    Respond("Say exactly this."),
    Respond("Say exactly this.", may_use_tools=False),
    Respond(may_use_tools=False),
    CancelResponse("resp_1"),
    Truncate("item_3", 1234),
    DeleteItem("item_4"),
)


def check(event: dict[str, Any]) -> None:
    """Raise unless the SDK declares exactly this. A list, because pydantic takes no config for a bare TypedDict."""
    declared: Any = GenericAlias(list, (DECLARED[event["type"]],))
    TypeAdapter(declared, config=ConfigDict(extra="forbid")).validate_python([event])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_every_command_is_an_event_of_the_sdk(command: SpeechCommand) -> None:
    check(json.loads(ClientEvents().encode(command)))


@pytest.mark.parametrize("where", [(), ("session",), ("session", "audio"), ("session", "audio", "input")])
def test_the_check_refuses_an_unknown_field_at_any_depth(where: tuple[str, ...]) -> None:
    event = ClientEvents().build(Configure(FULL))
    part = event
    for name in where:
        part = part[name]
    part["modalities"] = ["audio"]
    with pytest.raises(ValidationError):
        check(event)


def test_caller_audio_is_an_event_of_the_sdk() -> None:
    pcmu = bytes(range(160))
    event = json.loads(append(pcmu))
    check(event)
    assert base64.b64decode(event["audio"]) == pcmu


def test_both_directions_are_pcmu_and_the_profile_is_in_the_session() -> None:
    session = ClientEvents().build(Configure(FULL))["session"]
    assert session["audio"]["input"]["format"] == session["audio"]["output"]["format"] == {"type": "audio/pcmu"}
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-transcribe",
        "language": "ja",
        "prompt": "a reading room",
    }
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "create_response": True,
        "interrupt_response": True,
        "threshold": 0.7,
        "prefix_padding_ms": 200,
        "silence_duration_ms": 700,
        "idle_timeout_ms": 8000,
    }
    assert session["max_output_tokens"] == 500
    assert "model" not in session


def test_a_session_that_is_being_seeded_does_not_answer_by_itself() -> None:
    session = ClientEvents().build(Configure(PLAIN, answers_by_itself=False))["session"]
    assert session["audio"]["input"]["turn_detection"]["create_response"] is False


def test_tools_are_offered_flat_in_their_order_as_soon_as_they_are_described() -> None:
    (first, last) = ClientEvents().build(Configure(TOOLED))["session"]["tools"]
    assert first == {
        "type": "function",
        "name": "get_task",
        "description": "One task.",
        "parameters": GET_TASK.parameters,
    }
    assert last["name"] == "end_call"


def test_a_session_that_never_had_tools_is_not_told_of_any() -> None:
    events = ClientEvents()
    assert "tools" not in events.build(Configure(PLAIN))["session"]
    assert events.build(Instruct("Be brief.", (GET_TASK,)))["session"]["tools"]
    assert events.build(Configure(PLAIN))["session"]["tools"] == []


def test_only_what_changes_is_told() -> None:
    events = ClientEvents()
    assert events.build(Instruct("Be brief."))["session"] == {"type": "realtime", "instructions": "Be brief."}
    told = events.build(Instruct(tools=(END_CALL,)))["session"]
    assert set(told) == {"type", "tools"}
    assert events.build(Instruct(tools=()))["session"] == {"type": "realtime", "tools": []}


def test_a_response_that_has_to_speak_is_denied_tools() -> None:
    assert ClientEvents().build(Respond(may_use_tools=False))["response"] == {"tool_choice": "none"}
    assert "response" not in ClientEvents().build(Respond())


def test_semantic_turn_detection_carries_only_its_own_fields() -> None:
    detection = ClientEvents().build(Configure(SEMANTIC))["session"]["audio"]["input"]["turn_detection"]
    assert detection == {
        "type": "semantic_vad",
        "create_response": True,
        "interrupt_response": True,
        "eagerness": "high",
    }


def test_an_id_the_api_would_refuse_becomes_a_short_one_always_the_same() -> None:
    events = ClientEvents()
    assert events.build(AddTurn("caller", "a", "x" * 32))["item"]["id"] == "x" * 32
    assert "id" not in events.build(AddTurn("caller", "a"))["item"]
    short = events.build(AddTurn("caller", "a", "x" * 33))["item"]["id"]
    assert len(short) == 32
    assert events.build(AddTurn("caller", "b", "y" * 33))["item"]["id"] != short
    assert events.build(DeleteItem("x" * 33))["item_id"] == short
    assert events.build(Truncate("x" * 33, 1))["item_id"] == short
    assert events.build(AddTurn("agent", "b", after="x" * 33))["previous_item_id"] == short


def test_a_turn_can_be_put_where_another_was() -> None:
    events = ClientEvents()
    assert "previous_item_id" not in events.build(AddTurn("agent", "a"))
    assert events.build(AddTurn("agent", "a", after="item_1"))["previous_item_id"] == "item_1"
    assert events.build(AddTurn("agent", "a", after=""))["previous_item_id"] == "root"


def test_a_tool_call_and_its_output_belong_together() -> None:
    events = ClientEvents()
    call = events.build(AddToolCall("c" * 40, "list_tasks", '{"day": 1}', "item_7"))["item"]
    output = events.build(AddToolOutput("c" * 40, "[]"))["item"]
    assert (call["type"], call["name"], call["arguments"]) == ("function_call", "list_tasks", '{"day": 1}')
    assert (output["type"], output["output"]) == ("function_call_output", "[]")
    assert call["call_id"] == output["call_id"]
    assert len(call["call_id"]) <= 32


def test_what_the_agent_said_is_seeded_as_output_and_the_rest_as_input() -> None:
    events = ClientEvents()
    items = [events.build(AddTurn(speaker, "a"))["item"] for speaker in ("caller", "agent", "system")]
    assert [(item["role"], item["content"][0]["type"]) for item in items] == [
        ("user", "input_text"),
        ("assistant", "output_text"),
        ("system", "input_text"),
    ]


def test_an_error_can_be_matched_to_the_command_it_is_about() -> None:
    events = ClientEvents()
    ids = [events.build(command)["event_id"] for command in COMMANDS]
    assert len(set(ids)) == len(ids)
    assert command_of(events.build(Truncate("item", 1))["event_id"]) == "truncate"
    assert command_of("event_of_somebody_else") is None
    assert command_of("") is None


def test_the_table_of_types_is_complete() -> None:
    assert set(TYPES) == set(get_args(CommandName))
    assert set(TYPES.values()) < set(DECLARED)
