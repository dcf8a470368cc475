"""Every chat request is checked as the real API checks it."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter, ValidationError

from simulators.openai.realtime.refusals import Refusal
from simulators.openai.rest.chat_request import check_chat
from simulators.openai.rest.refusing import ApiError

Json = dict[str, Any]
USER = {"role": "user", "content": "hello"}
TOOL = {"type": "function", "function": {"name": "get_task", "parameters": {"type": "object", "properties": {}}}}
NAMELESS = {"type": "function", "function": {"name": "say hello"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_task", "arguments": "{}"}}
OTHER_CALL = {**CALL, "id": "call_2"}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
CALLING_TWICE = {"role": "assistant", "tool_calls": [CALL, OTHER_CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "done"}
OTHER_RESULT = {**RESULT, "tool_call_id": "call_2"}


def asked(*messages: object, model: str = "gpt-4.1-mini", **fields: Any) -> Json:
    return {"model": model, "messages": list(messages) or [USER], **fields}


VALID: list[Json] = [
    asked(),
    asked(stream=True, stream_options={"include_usage": True}),
    asked(stream=False, temperature=0.2, top_p=None, stop=["a", "b"], seed=3, user="u", store=True),
    asked(max_completion_tokens=1, metadata={"call": "c1"}, service_tier="auto"),
    asked(max_tokens=5),
    asked(model="gpt-5.4-mini", reasoning_effort="none", verbosity="low", temperature=0.3),
    asked(model="gpt-5-mini", reasoning_effort="minimal", temperature=1, max_completion_tokens=10),
    asked({"role": "system", "content": "x"}, {"role": "developer", "content": [{"type": "text", "text": "y"}]}, USER),
    asked({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "name": "ann"}),
    asked(USER, {"role": "assistant", "content": "hi"}, USER),
    asked(USER, {"role": "assistant", "content": "", "refusal": None}),
    asked(tools=[TOOL], tool_choice="auto", parallel_tool_calls=False),
    asked(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "get_task"}}),
    asked(tools=[{"type": "function", "function": {"name": "f", "description": "d", "strict": None}}]),
    asked(USER, CALLING, RESULT, tools=[TOOL]),
    asked(USER, CALLING_TWICE, OTHER_RESULT, RESULT, USER),
    asked(n=1, modalities=["text"], response_format={"type": "text"}),
]

MISSHAPEN: list[tuple[Json, str, str | None]] = [
    ({"model": "gpt-4.1"}, "missing_required_parameter", "messages"),
    (asked(colour="red"), "unknown_parameter", "colour"),
    (asked(temperature="hot"), "invalid_type", "temperature"),
    (asked(max_completion_tokens=1.5), "invalid_type", "max_completion_tokens"),
    (asked(stream="yes"), "invalid_value", "stream"),
    (asked(stream=True, stream_options={"usage": True}), "unknown_parameter", "stream_options.usage"),
    (asked("hello"), "invalid_type", "messages[0]"),
    (asked({"role": "agent", "content": "x"}), "invalid_value", "messages[0].role"),
    (asked({"content": "x"}), "missing_required_parameter", "messages[0].role"),
    (asked({"role": "user"}), "missing_required_parameter", "messages[0].content"),
    (asked({"role": "user", "content": 5}), "invalid_type", "messages[0].content"),
    (asked({**USER, "extra": 1}), "unknown_parameter", "messages[0].extra"),
    (
        asked({"role": "user", "content": [{"type": "input_text", "text": "x"}]}),
        "invalid_value",
        "messages[0].content[0].type",
    ),
    (asked({"role": "tool", "content": "x"}), "missing_required_parameter", "messages[0].tool_call_id"),
    (asked(tools=[{"type": "function", "name": "f"}]), "unknown_parameter", "tools[0].name"),
    (asked(tools=[{"type": "function"}]), "missing_required_parameter", "tools[0].function"),
    (asked(tools=[TOOL], tool_choice="always"), "invalid_value", "tool_choice"),
    (asked(metadata={"a": 1}), "invalid_type", "metadata.a"),
    (asked(verbosity="loud"), "invalid_value", "verbosity"),
]

IMPOSSIBLE: list[tuple[Json, str | None, str | None]] = [
    ({"model": "gpt-4.1", "messages": []}, "empty_array", "messages"),
    (asked(temperature=2.5), "decimal_above_max_value", "temperature"),
    (asked(max_completion_tokens=0), "integer_below_min_value", "max_completion_tokens"),
    (asked(stream_options={"include_usage": True}), None, "stream_options"),
    (asked(max_tokens=5, max_completion_tokens=5), "invalid_parameter_combination", "max_tokens"),
    (asked(model="gpt-5-mini", max_tokens=5), "unsupported_parameter", "max_tokens"),
    (asked(model="gpt-5-mini", temperature=0.3), "unsupported_value", "temperature"),
    (asked(model="gpt-5.4", reasoning_effort="low", temperature=0.3), "unsupported_value", "temperature"),
    (asked(reasoning_effort="low"), "unsupported_parameter", "reasoning_effort"),
    (asked(stop=["a", "b", "c", "d", "e"]), "array_above_max_length", "stop"),
    (asked(metadata={"a": "b" * 513}), "invalid_value", "metadata"),
    (asked(tools=[]), "empty_array", "tools"),
    (asked(tools=[TOOL, TOOL]), "invalid_value", "tools[1].function.name"),
    (asked(tools=[NAMELESS]), "invalid_value", "tools[0].function.name"),
    (
        asked(tools=[{"type": "function", "function": {"name": "f", "parameters": {"type": "string"}}}]),
        "invalid_function_parameters",
        "tools[0].function.parameters",
    ),
    (asked(tool_choice="auto"), None, "tool_choice"),
    (asked(parallel_tool_calls=True), None, "parallel_tool_calls"),
    (asked(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "g"}}), None, "tool_choice"),
    (asked(USER, RESULT), None, "messages.[1].role"),
    (asked(USER, CALLING, OTHER_RESULT), None, "messages.[2].tool_call_id"),
    (asked(USER, CALLING, RESULT, RESULT), None, "messages.[3].tool_call_id"),
    (asked(USER, CALLING_TWICE, RESULT), None, "messages"),
    (asked(USER, CALLING, USER), None, "messages.[2].role"),
    (asked(USER, CALLING), None, "messages"),
    (asked(USER, {"role": "assistant", "content": None}), None, "messages.[1].content"),
    (asked(USER, {"role": "assistant", "tool_calls": []}), "empty_array", "messages.[1].tool_calls"),
    (asked(USER, {"role": "assistant", "tool_calls": [CALL, CALL]}), None, "messages.[1].tool_calls"),
]

NOT_SIMULATED: list[tuple[Json, str]] = [
    (asked(n=2), "n"),
    (asked(logprobs=True), "logprobs"),
    (asked(modalities=["text", "audio"]), "modalities"),
    (asked(response_format={"type": "json_object"}), "response_format"),
    (asked(functions=[{"name": "f"}]), "functions"),
    (asked(tools=[{"type": "custom", "custom": {"name": "f"}}]), "tools[0].type"),
    (asked({"role": "function", "name": "f", "content": "x"}), "messages.[0].role"),
]


@pytest.mark.parametrize("body", VALID, ids=lambda body: json.dumps(body)[-70:])
def test_a_valid_request_passes(body: Json) -> None:
    check_chat(body)


@pytest.mark.parametrize(("body", "code", "param"), MISSHAPEN, ids=lambda value: json.dumps(value)[-70:])
def test_a_wrong_shape_is_refused_with_code_and_parameter(body: Json, code: str, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        check_chat(body)
    assert (refused.value.code, refused.value.param) == (code, param)


@pytest.mark.parametrize(("body", "code", "param"), IMPOSSIBLE, ids=lambda value: json.dumps(value)[-70:])
def test_what_fields_mean_together_is_checked(body: Json, code: str | None, param: str) -> None:
    with pytest.raises(ApiError) as refused:
        check_chat(body)
    error = refused.value
    assert (error.status, error.code, error.param) == (400, code, param)


@pytest.mark.parametrize(("body", "param"), NOT_SIMULATED, ids=lambda value: json.dumps(value)[-70:])
def test_what_the_simulator_cannot_is_never_passed_over(body: Json, param: str) -> None:
    with pytest.raises(ApiError, match="simulator") as refused:
        check_chat(body)
    assert (refused.value.code, refused.value.param) == ("not_simulated", param)


def fits_the_sdk(body: Json) -> bool:
    """An independent reader of the same declarations: pydantic, strict, no field more."""
    kind = CompletionCreateParamsStreaming if body.get("stream") is True else CompletionCreateParamsNonStreaming
    try:
        list(leaves(TypeAdapter(kind).validate_python(body, strict=True, extra="forbid")))
    except ValidationError:
        return False
    return True


def leaves(value: Any) -> Iterator[Any]:
    """Everything inside: pydantic reads the SDK's Iterables only when they are gone through."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, str) or not hasattr(value, "__iter__"):
        yield value
    else:
        for inner in value:
            yield from leaves(inner)


def filter_whole(bodies: Iterable[Json]) -> list[Json]:
    """Without lists as content: pydantic reads iterables late, and cannot then read those inside them."""
    return [body for body in bodies if '"content": [' not in json.dumps(body)]


SIMULATED_SHAPES = [*VALID, *(body for body, _, _ in IMPOSSIBLE), *(body for body, _ in NOT_SIMULATED)]


@pytest.mark.parametrize("body", filter_whole(SIMULATED_SHAPES), ids=lambda body: json.dumps(body)[-70:])
def test_what_passes_also_fits_the_sdks_types(body: Json) -> None:
    assert fits_the_sdk(body)


MISSHAPEN_BODIES = [body for body, _, _ in MISSHAPEN]


@pytest.mark.parametrize("body", filter_whole(MISSHAPEN_BODIES), ids=lambda body: json.dumps(body)[-70:])
def test_what_is_misshapen_does_not_fit_the_sdks_types(body: Json) -> None:
    assert not fits_the_sdk(body)
