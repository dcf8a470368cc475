"""Realtime client events: our commands as the JSON the API accepts (`reference/openai-realtime.md` §1.2, §1.4)."""

from binascii import b2a_base64
from hashlib import blake2b
from itertools import count
from typing import Any, Final, assert_never

import msgspec

from common.agents import ToolGrant
from common.profile import AgentProfile, SemanticVad, ServerVad, TurnDetection
from talker.port import (
    AddToolCall,
    AddToolOutput,
    AddTurn,
    CancelResponse,
    CheckAlive,
    CommandName,
    Configure,
    DeleteItem,
    Instruct,
    Respond,
    SpeechCommand,
    Truncate,
)

Json = dict[str, Any]

PCMU: Final[Json] = {"type": "audio/pcmu"}
MAX_ID: Final = 32
"""Longer ids of items and tool calls are refused by the API (`string_above_max_length`)."""

TYPES: Final[dict[CommandName, str]] = {
    "configure": "session.update",
    "instruct": "session.update",
    "add_turn": "conversation.item.create",
    "add_tool": "conversation.item.create",
    "respond": "response.create",
    "cancel": "response.cancel",
    "truncate": "conversation.item.truncate",
    "delete": "conversation.item.delete",
    "check": "session.update",
}

_encode: Final = msgspec.json.Encoder().encode
_ROLES: Final = {"caller": "user", "agent": "assistant", "system": "system"}


def append(pcmu: bytes) -> bytes:
    """`input_audio_buffer.append`, fifty times a second and call: no JSON encoder, no event id, no answer."""
    return b'{"type":"input_audio_buffer.append","audio":"%b"}' % b2a_base64(pcmu, newline=False)


class ClientEvents:
    """Builds the events of one session; numbers them so that an error can be matched to what it is about."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._has_tools = False
        """The session was given tools once: from then on their absence has to be said."""

    def encode(self, command: SpeechCommand) -> bytes:
        """The command as it travels."""
        return _encode(self.build(command))

    def build(self, command: SpeechCommand) -> Json:
        """The command as a JSON object."""
        match command:
            case Truncate(item_id, heard_ms):
                fields = {"item_id": short_id(item_id), "content_index": 0, "audio_end_ms": heard_ms}
                return self._event("truncate", **fields)
            case DeleteItem(item_id):
                return self._event("delete", item_id=short_id(item_id))
            case Respond():
                return self._event("respond", **_response(command))
            case CancelResponse(response_id):
                return self._event("cancel", response_id=response_id)
            case AddTurn():
                return self._event("add_turn", item=_message(command), **_place(command.after))
            case AddToolCall():
                return self._event("add_tool", item=_tool_call(command))
            case AddToolOutput():
                return self._event("add_tool", item=_tool_output(command))
            case Configure(profile=profile):
                tools = tuple(tool for tool in profile.tools if tool.is_described)
                return self._event("configure", session={**_session(command), **self._tools(tools)})
            case Instruct(instructions, granted):
                told = {} if instructions is None else {"instructions": instructions}
                tooled = {} if granted is None else self._tools(granted)
                return self._event("instruct", session={"type": "realtime", **told, **tooled})
            case CheckAlive():  # changes nothing, and is answered with the session as it is
                return self._event("check", session={"type": "realtime"})
            case _:
                assert_never(command)

    def _tools(self, tools: tuple[ToolGrant, ...]) -> Json:
        """In the order given: the provider caches prompts by their beginning, and tools are part of that."""
        self._has_tools = self._has_tools or bool(tools)
        return {"tools": [_function(tool) for tool in tools]} if self._has_tools else {}

    def _event(self, name: CommandName, **fields: object) -> Json:
        return {"type": TYPES[name], "event_id": f"{name}.{next(self._numbers)}", **fields}


def command_of(event_id: str) -> CommandName | None:
    """The command whose event carried this id; None if it was none of ours."""
    name = event_id.partition(".")[0]
    return name if name in TYPES else None


def _response(request: Respond) -> Json:
    told: Json = {"instructions": request.instructions} if request.instructions else {}
    if not request.may_use_tools:
        told["tool_choice"] = "none"
    return {"response": told} if told else {}


def _function(tool: ToolGrant) -> Json:
    return {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}


def short_id(name: str) -> str:
    """An id the API takes, always the same for the same name: so what was put in can be taken out again."""
    return name if len(name) <= MAX_ID else blake2b(name.encode(errors="replace"), digest_size=MAX_ID // 2).hexdigest()


def _named(item_id: str) -> Json:
    return {"id": short_id(item_id)} if item_id else {}


def _place(after: str | None) -> Json:
    return {} if after is None else {"previous_item_id": short_id(after) if after else "root"}


def _message(turn: AddTurn) -> Json:
    part = {"type": "output_text" if turn.speaker == "agent" else "input_text", "text": turn.text}
    return {**_named(turn.item_id), "type": "message", "role": _ROLES[turn.speaker], "content": [part]}


def _tool_call(call: AddToolCall) -> Json:
    return {
        **_named(call.item_id),
        "type": "function_call",
        "call_id": short_id(call.tool_call_id),
        "name": call.name,
        "arguments": call.arguments,
    }


def _tool_output(result: AddToolOutput) -> Json:
    call_id = short_id(result.tool_call_id)
    return {**_named(result.item_id), "type": "function_call_output", "call_id": call_id, "output": result.output}


def _session(command: Configure) -> Json:
    profile = command.profile
    return {
        "type": "realtime",
        "instructions": profile.instructions,
        "output_modalities": ["audio"],
        "audio": {
            "input": _audio_input(profile, command.answers_by_itself),
            "output": {"format": PCMU, "voice": profile.voice},
        },
        "max_output_tokens": profile.limits.max_output_tokens,
    }


def _audio_input(profile: AgentProfile, answers_by_itself: bool) -> Json:
    transcription: Json = {"model": profile.transcription.model, "language": profile.language}
    if profile.transcription.prompt:
        transcription["prompt"] = profile.transcription.prompt
    audio: Json = {
        "format": PCMU,
        "transcription": transcription,
        "turn_detection": _turn_detection(profile.turn_detection, answers_by_itself),
    }
    if profile.noise_reduction:
        audio["noise_reduction"] = {"type": profile.noise_reduction}
    return audio


def _turn_detection(detection: TurnDetection, answers_by_itself: bool) -> Json:
    common: Json = {"type": detection.type, "create_response": answers_by_itself, "interrupt_response": True}
    match detection:
        case ServerVad():
            common["threshold"] = detection.threshold
            common["prefix_padding_ms"] = detection.prefix_padding_ms
            common["silence_duration_ms"] = detection.silence_duration_ms
            if detection.idle_timeout_ms is not None:
                common["idle_timeout_ms"] = detection.idle_timeout_ms
        case SemanticVad():
            common["eagerness"] = detection.eagerness
        case _:
            assert_never(detection)
    return common
