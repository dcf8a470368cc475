"""The session object: its defaults, and what `session.update` may change in it (section 1.4 of the reference)."""

import copy
from typing import Any, Final

from simulators.openai.realtime.refusals import (
    Json,
    Refusal,
    invalid_value,
    missing_parameter,
    unsupported_value,
    voice_locked,
)

PCMU: Final = {"type": "audio/pcmu"}
PCM: Final = {"type": "audio/pcm", "rate": 24000}
VOICES: Final = ("alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar")
DEFAULT_INSTRUCTIONS: Final = "You are a helpful, witty, and friendly AI. Talk quickly."
TURN_DETECTION: Final[dict[str, Json]] = {
    "server_vad": {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "idle_timeout_ms": None,
        "create_response": True,
        "interrupt_response": True,
    },
    "semantic_vad": {
        "type": "semantic_vad",
        "eagerness": "auto",
        "create_response": True,
        "interrupt_response": True,
    },
}
_REASONING_MODELS: Final = "gpt-realtime-2"
_TRANSCRIPTION_OPTIONS: Final = {
    "delay": ("gpt-realtime-whisper",),
    "keywords": ("gpt-transcribe", "gpt-live-transcribe"),
    "languages": ("gpt-transcribe", "gpt-live-transcribe"),
}
# Parameter path → its inclusive range.
_RANGES: Final = {
    ("audio", "input", "turn_detection", "threshold"): (0.0, 1.0),
    ("audio", "input", "turn_detection", "prefix_padding_ms"): (0, 10_000),
    ("audio", "input", "turn_detection", "silence_duration_ms"): (0, 60_000),
    ("audio", "input", "turn_detection", "idle_timeout_ms"): (1, 600_000),
    ("audio", "input", "noise_reduction", "strength"): (0.0, 1.0),
    ("audio", "output", "speed"): (0.25, 1.5),
    ("max_output_tokens",): (1, 4096),
}


def new_session(session_id: str, model: str, expires_at: int) -> Json:
    """The session object of `session.created`."""
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(PCM),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(TURN_DETECTION["server_vad"]),
            },
            "output": {"format": dict(PCM), "voice": "alloy", "speed": 1.0},
        },
        "include": None,
    }


def updated(session: Json, update: Json, *, has_spoken: bool) -> Json:
    """A new session object with the fields present in `update` changed. Raises `Refusal`; then nothing changes."""
    _check(session, update, has_spoken=has_spoken)
    new = copy.deepcopy(session)
    for name, value in update.items():
        if name == "audio":
            _update_input(new["audio"]["input"], value.get("input", {}))
            new["audio"]["output"].update(copy.deepcopy(value.get("output", {})))
        else:
            new[name] = copy.deepcopy(value)
    return new


def _update_input(audio_input: Json, update: Json) -> None:
    for name, value in copy.deepcopy(update).items():
        current = audio_input[name]
        if name == "turn_detection" and value is not None:
            same_kind = current is not None and current["type"] == value["type"]
            audio_input[name] = {**(current if same_kind else TURN_DETECTION[value["type"]]), **value}
        elif name == "noise_reduction" and value is not None:
            audio_input[name] = {**(current or {"strength": 1.0}), **value}
        else:
            audio_input[name] = value


def _check(session: Json, update: Json, *, has_spoken: bool) -> None:
    if update["type"] != "realtime":
        raise invalid_value("session.type", "This simulator serves realtime sessions, not transcription sessions.")
    if update.get("model", session["model"]) != session["model"]:
        raise invalid_value("session.model", "The model of a session cannot be changed.")
    for path, (least, most) in _RANGES.items():
        value = _at(update, path)
        if isinstance(value, (int, float)) and not least <= value <= most:
            raise invalid_value(_param(path), f"Invalid '{_param(path)}': expected a value from {least} to {most}.")
    if update.get("output_modalities", ["audio"]) not in (["audio"], ["text"]):
        raise unsupported_value("session.output_modalities", update["output_modalities"], ("['audio']", "['text']"))
    check_tools(update.get("tools", ()), "session.tools")
    _check_reasoning(session, update)
    for direction in ("input", "output"):
        check_format(_at(update, ("audio", direction, "format")), f"session.audio.{direction}.format")
    _check_transcription(_at(update, ("audio", "input", "transcription")) or {})
    voice = _at(update, ("audio", "output", "voice"))
    check_voice(voice, "session.audio.output.voice")
    if has_spoken and voice not in (None, session["audio"]["output"]["voice"]):
        raise voice_locked()


def check_tools(tools: Any, param: str) -> None:
    """Raise `Refusal` unless every function has a name of its own."""
    names: set[str] = set()
    for index, tool in enumerate(tools):
        if "type" not in tool:
            raise missing_parameter(f"{param}[{index}].type")
        if tool["type"] != "function":
            continue
        if "name" not in tool:
            raise missing_parameter(f"{param}[{index}].name")
        if tool["name"] in names:
            raise invalid_value(f"{param}[{index}].name", f"Duplicate tool name: '{tool['name']}'.")
        names.add(tool["name"])


def check_format(audio_format: Json | None, param: str) -> None:
    """Raise `Refusal` for any format but pcmu, the only one this simulator can hear or speak."""
    if audio_format is None:
        return
    if "type" not in audio_format:
        raise missing_parameter(f"{param}.type")
    if audio_format != PCMU:
        message = f"This simulator supports only 'audio/pcmu', not '{audio_format['type']}'."
        raise invalid_value(f"{param}.type", message)


def check_voice(voice: str | Json | None, param: str) -> None:
    """Raise `Refusal` for a name that is none of OpenAI's voices; `{"id": …}` may be anything."""
    if isinstance(voice, str) and voice not in VOICES:
        raise unsupported_value(param, voice, VOICES)


def _check_reasoning(session: Json, update: Json) -> None:
    for name in ("reasoning", "parallel_tool_calls"):
        if name in update and not session["model"].startswith(_REASONING_MODELS):
            message = f"'{name}' is not supported with the model '{session['model']}'."
            raise Refusal("invalid_value", message, f"session.{name}")


def _check_transcription(transcription: Json) -> None:
    param = "session.audio.input.transcription"
    if transcription and "model" not in transcription:
        raise missing_parameter(f"{param}.model")
    for option, models in _TRANSCRIPTION_OPTIONS.items():
        if option in transcription and transcription["model"] not in models:
            message = f"'{option}' is not supported with the model '{transcription['model']}'."
            raise invalid_value(f"{param}.{option}", message)


def _at(update: Json, path: tuple[str, ...]) -> Any:
    value: Any = update
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _param(path: tuple[str, ...]) -> str:
    return ".".join(("session", *path))
