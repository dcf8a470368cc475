"""`POST /v1/chat/completions`: what may be asked.

Shapes are those of the SDK's types, unknown fields refused; the rules between fields are the API's.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)

from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.shapes import check_of
from simulators.openai.rest.models import always_reasons, is_reasoning
from simulators.openai.rest.refusing import (
    empty_array,
    invalid,
    not_simulated,
    out_of_range,
    unsupported_parameter,
)

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_RANGES: Final[Mapping[str, tuple[float, float | None]]] = {
    "frequency_penalty": (-2.0, 2.0),
    "max_completion_tokens": (1, None),
    "max_tokens": (1, None),
    "presence_penalty": (-2.0, 2.0),
    "temperature": (0.0, 2.0),
    "top_logprobs": (0, 20),
    "top_p": (0.0, 1.0),
    "n": (1, 128),
}
_SAMPLING: Final[Mapping[str, float]] = {
    "temperature": 1,
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
}
"""What models that reason do not let be changed, with the only value they take."""
_NOT_SIMULATED: Final = (
    "audio",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "moderation",
    "prediction",
    "top_logprobs",
    "web_search_options",
)
_ONLY_WITH_TOOLS: Final = ("tool_choice", "parallel_tool_calls")
_MAX_STOPS: Final = 4
_METADATA_PAIRS: Final = 16
_METADATA_KEY: Final = 64
_METADATA_VALUE: Final = 512


def check_chat(body: Json) -> None:
    """Raise `Refusal` or `ApiError` unless the API would take this, and the simulator can."""
    is_stream = body.get("stream") is True
    check_of(CompletionCreateParamsStreaming if is_stream else CompletionCreateParamsNonStreaming)(body, "")
    for name, (least, most) in _RANGES.items():
        value = body.get(name)
        if value is not None and (value < least or (most is not None and value > most)):
            raise out_of_range(name, value, least, most)
    _check_combinations(body, is_stream=is_stream)
    _check_for_model(body)
    _check_metadata(body.get("metadata") or {})
    _check_tools(body)
    check_messages(body["messages"])
    _check_simulated(body)


def _check_combinations(body: Json, *, is_stream: bool) -> None:
    if body.get("stream_options") is not None and not is_stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise invalid("stream_options", message, None)
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported."
        raise invalid("max_tokens", message, "invalid_parameter_combination")
    stop = body.get("stop")
    if isinstance(stop, list) and len(stop) > _MAX_STOPS:
        message = f"Invalid 'stop': array too long. Expected an array with maximum length {_MAX_STOPS}."
        raise invalid("stop", message, "array_above_max_length")


def _check_for_model(body: Json) -> None:
    model = body["model"]
    if not is_reasoning(model):
        if body.get("reasoning_effort") is not None:
            raise unsupported_parameter("reasoning_effort", "Unrecognized request argument supplied: reasoning_effort")
        return
    if body.get("max_tokens") is not None:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        raise unsupported_parameter("max_tokens", message)
    if always_reasons(model) or body.get("reasoning_effort") not in (None, "none"):
        for name, only in _SAMPLING.items():
            if body.get(name) not in (None, only):
                message = f"Unsupported value: '{name}' does not support {body[name]} with this model."
                raise invalid(name, message, "unsupported_value")


def _check_metadata(metadata: Mapping[str, str]) -> None:
    fits = all(len(key) <= _METADATA_KEY and len(value) <= _METADATA_VALUE for key, value in metadata.items())
    if len(metadata) > _METADATA_PAIRS or not fits:
        message = f"At most {_METADATA_PAIRS} pairs of {_METADATA_KEY} and {_METADATA_VALUE} characters are allowed."
        raise invalid("metadata", message)


def _check_tools(body: Json) -> None:
    tools = body.get("tools")
    if tools is None:
        for name in _ONLY_WITH_TOOLS:
            if body.get(name) is not None:
                message = f"Invalid value for '{name}': '{name}' is only allowed when 'tools' are specified."
                raise invalid(name, message, None)
        return
    if not tools:
        raise empty_array("tools")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if tool["type"] != "function":
            raise not_simulated(f"tools[{index}].type", "custom tools")
        _check_function(tool["function"], f"tools[{index}].function", names)
    _check_choice(body.get("tool_choice"), names)


def _check_function(function: Json, param: str, names: set[str]) -> None:
    name = function["name"]
    if not _NAME.fullmatch(name):
        message = f"Invalid '{param}.name': string does not match pattern. Expected '^[a-zA-Z0-9_-]{{1,64}}$'."
        raise invalid(f"{param}.name", message)
    if name in names:
        raise invalid(f"{param}.name", f"Duplicate tool name: '{name}'.")
    names.add(name)
    parameters = function.get("parameters", {"type": "object"})
    if parameters.get("type") != "object":
        message = f"Invalid schema for function '{name}': schema must be a JSON Schema of 'type: \"object\"'."
        raise invalid(f"{param}.parameters", message, "invalid_function_parameters")


def _check_choice(choice: object, names: set[str]) -> None:
    if not isinstance(choice, dict):
        return
    if choice["type"] != "function":
        raise not_simulated("tool_choice", f"tool choices of the type '{choice['type']}'")
    if choice["function"]["name"] not in names:
        message = f"Tool choice '{choice['function']['name']}' not found in 'tools' parameter."
        raise invalid("tool_choice", message, None)


def _check_simulated(body: Json) -> None:
    for name in _NOT_SIMULATED:
        if body.get(name) not in (None, False):
            raise not_simulated(name, f"'{name}'")
    if body.get("n") not in (None, 1):
        raise not_simulated("n", "more than one choice")
    if body.get("modalities") not in (None, ["text"]):
        raise not_simulated("modalities", "any modality but text")
    if (body.get("response_format") or {"type": "text"})["type"] != "text":
        raise not_simulated("response_format", "any response format but text")


def check_messages(messages: Sequence[Json]) -> None:
    """Each call of a tool must be answered by a message right after it, and nothing else may be."""
    if not messages:
        raise empty_array("messages")
    open_calls: dict[str, None] = {}
    calls_before = False
    for index, message in enumerate(messages):
        param = f"messages.[{index}]"
        if message["role"] == "tool":
            _check_tool_message(message, param, open_calls, calls_before=calls_before)
            continue
        _check_all_answered(open_calls, param)
        calls_before = False
        if message["role"] == "assistant":
            open_calls = _calls_of(message, param)
            calls_before = bool(open_calls)
        elif message["role"] == "function":
            raise not_simulated(f"{param}.role", "function messages")
    _check_all_answered(open_calls, "messages")


def _check_tool_message(message: Json, param: str, open_calls: dict[str, None], *, calls_before: bool) -> None:
    if not calls_before:
        text = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
        )
        raise invalid(f"{param}.role", text, None)
    call_id = message["tool_call_id"]
    if call_id not in open_calls:
        text = f"Invalid parameter: 'tool_call_id' of '{call_id}' not found in 'tool_calls' of previous message."
        raise invalid(f"{param}.tool_call_id", text, None)
    del open_calls[call_id]


def _check_all_answered(open_calls: Mapping[str, None], param: str) -> None:
    if open_calls:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
        )
        raise invalid(f"{param}.role" if param != "messages" else param, text, None)


def _calls_of(message: Json, param: str) -> dict[str, None]:
    calls = message.get("tool_calls")
    if calls is None:
        if message.get("content") is None:
            text = f"Invalid value for '{param}.content': expected a string, got null."
            raise invalid(f"{param}.content", text, None)
        return {}
    if not calls:
        raise empty_array(f"{param}.tool_calls")
    ids = {call["id"]: None for call in calls}
    if len(ids) != len(calls):
        raise invalid(f"{param}.tool_calls", "Duplicate value for 'tool_call_id'.", None)
    for call in calls:
        if call["type"] != "function":
            raise not_simulated(f"{param}.tool_calls", "custom tools")
    return ids
