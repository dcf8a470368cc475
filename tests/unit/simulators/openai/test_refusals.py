"""Every client event is checked as the real API checks it; a refused one leaves the session as it was."""

import json
from typing import Any, get_args

import pytest
from openai.types.realtime.realtime_client_event import RealtimeClientEvent
from openai.types.realtime.realtime_client_event_param import RealtimeClientEventParam
from pydantic import BaseModel, ValidationError

from simulators.openai.realtime.client_events import TYPES, Append, check, decode
from simulators.openai.realtime.refusals import Refusal
from simulators.openai.realtime.session import RealtimeSession
from unit.simulators.openai.rig import Rig, models_of, undeclared

USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
VAD = {"type": "server_vad", "threshold": 0.4, "idle_timeout_ms": 5000}
FUNCTION = {"type": "function", "name": "f", "parameters": {"type": "object"}}


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def of_input(**fields: Any) -> dict[str, Any]:
    return session(audio={"input": fields})


def created(item: object, **fields: Any) -> dict[str, Any]:
    return {"type": "conversation.item.create", "item": item, **fields}


VALID: list[dict[str, Any]] = [
    session(),
    session(instructions="", tools=[], max_output_tokens="inf", tool_choice="required"),
    session(tools=[FUNCTION, {"type": "mcp", "server_label": "s"}], max_output_tokens=4096),
    session(
        tool_choice={"type": "function", "name": "f"}, truncation={"type": "retention_ratio", "retention_ratio": 0.8}
    ),
    of_input(turn_detection=None),
    of_input(turn_detection=VAD),
    of_input(turn_detection={"type": "semantic_vad", "eagerness": "low"}),
    of_input(format={"type": "audio/pcmu"}, transcription={"model": "gpt-transcribe", "keywords": ["a"]}),
    session(audio={"output": {"voice": {"id": "voice_1"}, "speed": 1}}, tracing="auto", parallel_tool_calls=True),
    created(USER),
    created(USER, previous_item_id="root", event_id="e"),
    created({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "hi"}]}),
    created({"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"}),
    created({"type": "function_call_output", "call_id": "c", "output": "1"}),
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none", "input": [USER], "metadata": {"a": "b"}}},
    {"type": "response.create", "response": {"input": [{"type": "item_reference", "id": "x"}]}},
    {"type": "response.cancel", "response_id": "r"},
    {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1},
    {"type": "conversation.item.delete", "item_id": "i"},
    {"type": "conversation.item.retrieve", "item_id": "i"},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
]

INVALID: list[tuple[dict[str, Any], str, str | None]] = [
    ({"type": "nope"}, "invalid_value", "type"),
    ({"kind": "nope"}, "missing_required_parameter", "type"),
    ({"type": "session.update"}, "missing_required_parameter", "session"),
    ({"type": "session.update", "session": {}}, "missing_required_parameter", "session.type"),
    ({"type": "session.update", "session": {"type": "beta"}}, "invalid_value", "session.type"),
    (session(voice="marin"), "unknown_parameter", "session.voice"),
    (session(turn_detection=VAD), "unknown_parameter", "session.turn_detection"),
    (session(modalities=["audio"]), "unknown_parameter", "session.modalities"),
    (of_input(turn_detektion=None), "unknown_parameter", "session.audio.input.turn_detektion"),
    (
        of_input(turn_detection={"type": "semantic_vad", "threshold": 0.5}),
        "unknown_parameter",
        "session.audio.input.turn_detection.threshold",
    ),
    (of_input(turn_detection={"type": "loud"}), "invalid_value", "session.audio.input.turn_detection.type"),
    (of_input(turn_detection={}), "missing_required_parameter", "session.audio.input.turn_detection.type"),
    (of_input(format={"type": "audio/opus"}), "invalid_value", "session.audio.input.format.type"),
    (of_input(format="g711_ulaw"), "invalid_type", "session.audio.input.format"),
    (session(instructions=7), "invalid_type", "session.instructions"),
    (session(instructions=None), "invalid_type", "session.instructions"),
    (session(max_output_tokens="many"), "invalid_value", "session.max_output_tokens"),
    (session(tools=[{"type": "function", "function": {}}]), "unknown_parameter", "session.tools[0].function"),
    (session(parallel_tool_calls=1), "invalid_type", "session.parallel_tool_calls"),
    (created({**USER, "role": "tool"}), "invalid_value", "item.role"),
    (created({**USER, "content": "hello"}), "invalid_type", "item.content"),
    (created({**USER, "content": [{"type": "text", "text": "x"}]}), "invalid_value", "item.content[0].type"),
    (created({**USER, "extra": 1}), "unknown_parameter", "item.extra"),
    (created({"type": "item_reference", "id": "x"}), "invalid_value", "item.type"),
    (created(USER, previous_item_id=3), "invalid_type", "previous_item_id"),
    ({"type": "response.create", "response": {"modalities": ["text"]}}, "unknown_parameter", "response.modalities"),
    ({"type": "response.create", "response": {"metadata": {"a": 1}}}, "invalid_type", "response.metadata.a"),
    (
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 1.5},
        "invalid_type",
        "audio_end_ms",
    ),
    (
        {"type": "conversation.item.truncate", "item_id": "i", "content_index": 0},
        "missing_required_parameter",
        "audio_end_ms",
    ),
    ({"type": "input_audio_buffer.append"}, "missing_required_parameter", "audio"),
    ({"type": "input_audio_buffer.append", "audio": "AA==", "at": 1}, "unknown_parameter", "at"),
    ({"type": "input_audio_buffer.commit", "event_id": 5}, "invalid_type", "event_id"),
]

CLIENT_MODELS: dict[str, type[BaseModel]] = models_of(RealtimeClientEvent)


def test_every_client_event_of_the_sdk_is_known_and_handled() -> None:
    names = {member.__name__ for member in get_args(RealtimeClientEventParam)}
    known = {hint.__name__.replace("WithReferences", "") for hint in TYPES.values()}
    assert known == names
    handlers = Rig().session._handlers
    assert set(handlers) | {"input_audio_buffer.append"} == set(TYPES)


@pytest.mark.parametrize("event", VALID, ids=lambda event: json.dumps(event)[:60])
def test_a_valid_event_passes(event: dict[str, Any]) -> None:
    check(event)


@pytest.mark.parametrize(("event", "code", "param"), INVALID, ids=lambda value: json.dumps(value)[:60])
def test_an_invalid_event_is_refused_with_code_and_parameter(event: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(event)
    assert (refused.value.code, refused.value.param) == (code, param)


# Item references are declared only as a TypedDict.
MODELLED = [event for event in VALID if "item_reference" not in json.dumps(event)]


@pytest.mark.parametrize("event", MODELLED, ids=lambda event: json.dumps(event)[:60])
def test_what_passes_also_fits_the_sdk_models(event: dict[str, Any]) -> None:
    """An independent reader of the same declarations: the SDK's pydantic models, which must know every field."""
    parsed = CLIENT_MODELS[event["type"]].model_validate(event)
    assert not list(undeclared(parsed))


# Every field of the SDK's models takes null, and numbers are coerced: the API does neither.
LAX_IN_THE_SDK = [session(instructions=None), session(parallel_tool_calls=1)]
REFUSED = [event for event, _, _ in INVALID if event.get("type") in CLIENT_MODELS and event not in LAX_IN_THE_SDK]


@pytest.mark.parametrize("event", REFUSED, ids=lambda event: json.dumps(event)[:60])
def test_what_is_refused_does_not_fit_the_sdk_models(event: dict[str, Any]) -> None:
    try:
        parsed = CLIENT_MODELS[event["type"]].model_validate(event)
    except ValidationError:
        return
    assert list(undeclared(parsed))


def test_the_fast_path_for_audio_takes_what_the_sdk_takes() -> None:
    assert isinstance(decode('{"type":"input_audio_buffer.append","audio":"AA=="}'), Append)
    assert isinstance(decode('{"event_id":"e","audio":"AA==","type":"input_audio_buffer.append"}'), Append)
    for wrong in ('{"type":"input_audio_buffer.append","audio":5}', '{"type":"input_audio_buffer.append"}'):
        event = decode(wrong)
        assert isinstance(event, dict)
        with pytest.raises(Refusal):
            check(event)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("not json", "invalid_json"),
        ("[1]", "invalid_type"),
        (b"\x00\x01", "invalid_event"),
        ("{}", "missing_required_parameter"),
    ],
)
def test_what_is_no_event_is_answered_and_survived(message: str | bytes, code: str) -> None:
    rig = Rig()
    (answer,) = rig.text(message)
    assert answer["error"]["code"] == code
    assert rig.types(rig.send("response.create", response={"output_modalities": ["text"]}))[0] == "response.created"


def test_the_clients_event_id_comes_back() -> None:
    error = Rig().refused("session.update", event_id="evt_7", session={"type": "realtime", "bogus": 1})
    assert error["event_id"] == "evt_7"
    assert error["message"] == "Unknown parameter: 'session.bogus'."
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("update", "param"),
    [
        (of_input(turn_detection={**VAD, "threshold": 1.5}), "session.audio.input.turn_detection.threshold"),
        (session(max_output_tokens=-5), "session.max_output_tokens"),
        (session(model="gpt-realtime-2"), "session.model"),
        (session(output_modalities=["text", "audio"]), "session.output_modalities"),
        (session(audio={"output": {"voice": "robot"}}), "session.audio.output.voice"),
        (session(audio={"output": {"speed": 3.0}}), "session.audio.output.speed"),
        (
            session(audio={"output": {"format": {"type": "audio/pcm", "rate": 24000}}}),
            "session.audio.output.format.type",
        ),
        (session(tools=[{"type": "function"}]), "session.tools[0].name"),
        (session(tools=[FUNCTION, FUNCTION]), "session.tools[1].name"),
        (
            of_input(transcription={"model": "gpt-transcribe", "delay": "low"}),
            "session.audio.input.transcription.delay",
        ),
        (of_input(transcription={"language": "en"}), "session.audio.input.transcription.model"),
        ({"type": "session.update", "session": {"type": "transcription"}}, "session.type"),
    ],
)
def test_an_impossible_setting_is_refused_whole(update: dict[str, Any], param: str) -> None:
    rig = Rig()
    before = json.dumps(rig.session.configuration)
    update["session"]["instructions" if update["session"]["type"] == "realtime" else "include"] = (
        "changed" if update["session"]["type"] == "realtime" else []
    )
    assert rig.refused(kind=update["type"], session=update["session"])["param"] == param
    assert json.dumps(rig.session.configuration) == before


def test_only_present_fields_change_and_null_clears() -> None:
    rig = Rig()
    rig.phone(threshold=0.3, silence_duration_ms=700)
    (updated,) = rig.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
    audio = updated["session"]["audio"]
    assert audio["input"]["turn_detection"]["silence_duration_ms"] == 700
    assert audio["input"]["transcription"] == {"model": "gpt-transcribe"}
    assert audio["output"]["voice"] == "marin"
    (updated,) = rig.send("session.update", session={"type": "realtime", "audio": {"input": {"transcription": None}}})
    assert updated["session"]["audio"]["input"]["transcription"] is None
    assert updated["session"]["instructions"] == "Be brief."


def test_the_voice_is_locked_after_the_first_audio() -> None:
    rig = Rig()
    rig.phone()
    other = {"type": "realtime", "audio": {"output": {"voice": "cedar"}}}
    assert rig.types(rig.send("session.update", session=other)) == ["session.updated"]
    rig.send("response.create")
    rig.run(3)
    error = rig.refused("session.update", session={"type": "realtime", "audio": {"output": {"voice": "marin"}}})
    assert error["code"] == "cannot_update_voice"
    assert rig.types(rig.send("session.update", session=other)) == ["session.updated"]


def test_audio_in_another_format_than_pcmu_is_refused_clearly() -> None:
    rig = Rig()
    (answer,) = rig.append(b"\xff" * 160)
    assert "pcmu" in answer["error"]["message"]
    rig.phone()
    assert rig.append(b"\xff" * 160) == []
    assert rig.refused("input_audio_buffer.append", audio="%%%%")["param"] == "audio"


def test_clearing_the_output_buffer_is_not_for_websockets() -> None:
    assert "WebRTC" in Rig().refused("output_audio_buffer.clear")["message"]


def test_a_refused_event_is_in_the_record() -> None:
    rig = Rig()
    rig.refused("session.update", session={"type": "realtime", "bogus": 1})
    session: RealtimeSession = rig.session
    assert [entry["code"] for entry in session.ledger.refused] == ["unknown_parameter"]
    assert session.ledger.refused[0]["event_type"] == "session.update"
