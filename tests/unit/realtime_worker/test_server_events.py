"""The API's events become events of the port, and none of them can hurt."""

import base64
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime.realtime_conversation_item_function_call import RealtimeConversationItemFunctionCall
from openai.types.realtime.realtime_response import RealtimeResponse
from openai.types.realtime.realtime_server_event import RealtimeServerEvent

from realtime_worker.backends.realtime.server_events import IGNORED, MAPPED, decode
from talker import port
from talker.port import ProviderError, Severity

SDK_TYPES = {
    get_args(member.model_fields["type"].annotation)[0] for member in get_args(get_args(RealtimeServerEvent)[0])
}
PART = {"response_id": "resp_1", "item_id": "item_1", "output_index": 0, "content_index": 0}


def read(kind: str, **fields: Any) -> port.SpeechEvent | None:
    return decode(json.dumps({"type": kind, "event_id": "event_1", **fields}).encode())


def test_every_event_type_of_the_sdk_is_mapped_or_deliberately_ignored() -> None:
    assert set(MAPPED) | IGNORED == SDK_TYPES
    assert not set(MAPPED) & IGNORED


@pytest.mark.parametrize(
    ("kind", "fields", "event"),
    [
        ("session.created", {"session": {"id": "sess_1", "expires_at": 1}}, port.SessionOpened("sess_1")),
        ("session.updated", {"session": {"type": "realtime", "id": "sess_1"}}, port.SessionConfigured()),
        (
            "input_audio_buffer.speech_started",
            {"item_id": "i", "audio_start_ms": 120},
            port.CallerSpeechStarted("i", 120),
        ),
        (
            "input_audio_buffer.speech_stopped",
            {"item_id": "i", "audio_end_ms": 900},
            port.CallerSpeechStopped("i", 900),
        ),
        (
            "conversation.item.input_audio_transcription.completed",
            {
                "item_id": "i",
                "content_index": 0,
                "transcript": " hello \n",
                "usage": {"type": "duration", "seconds": 1},
            },
            port.CallerTranscribed("i", "hello"),
        ),
        (
            "conversation.item.input_audio_transcription.failed",
            {"item_id": "i", "content_index": 0, "error": {"code": "x", "message": "y"}},
            port.CallerTranscribed("i", ""),
        ),
        (
            "response.output_audio.delta",
            {**PART, "delta": base64.b64encode(b"\xff\x00").decode()},
            port.AgentAudio("resp_1", "item_1", b"\xff\x00"),
        ),
        (
            "response.output_audio_transcript.delta",
            {**PART, "delta": " and"},
            port.AgentText("resp_1", "item_1", " and"),
        ),
        ("response.output_audio.done", PART, port.AgentAudioEnded("resp_1", "item_1")),
        ("response.created", {"response": {"id": "resp_1", "status": "in_progress"}}, port.ResponseStarted("resp_1")),
        ("rate_limits.updated", {"rate_limits": []}, None),
        ("response.telepathy.delta", {}, port.GarbageReceived("unknown_type")),
    ],
)
def test_an_event_is_mapped(kind: str, fields: dict[str, Any], event: port.SpeechEvent | None) -> None:
    assert read(kind, **fields) == event


def ended(**response: Any) -> port.ResponseEnded:
    event = read("response.done", response={"id": "resp_1", **response})
    assert isinstance(event, port.ResponseEnded)
    return event


def test_a_completed_response_tells_its_usage_with_cached_tokens_as_part_of_the_input() -> None:
    usage = {
        "total_tokens": 320,
        "input_tokens": 220,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 120,
            "audio_tokens": 100,
            "image_tokens": 0,
            "cached_tokens": 80,
            "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 16, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
    }
    event = ended(status="completed", usage=usage)
    assert event == port.ResponseEnded("resp_1", "completed", None, port.Usage(120, 100, 64, 16, 20, 80))


@pytest.mark.parametrize("usage", [7, {"input_token_details": {"text_tokens": "many"}}, []])
def test_malformed_usage_does_not_hide_that_the_response_has_ended(usage: Any) -> None:
    assert ended(status="completed", usage=usage) == port.ResponseEnded("resp_1", "completed")


def test_negative_counts_are_nothing() -> None:
    event = ended(status="completed", usage={"input_token_details": {"text_tokens": -5, "cached_tokens": 9}})
    assert event.usage == port.Usage()


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"type": "server_error", "code": "weird_new"}, ProviderError("server_error", Severity.UNAVAILABLE)),
        (
            {"type": "tokens", "code": "rate_limit_exceeded"},
            ProviderError("rate_limit_exceeded", Severity.THROTTLED),
        ),
        ({"code": "inference_rate_limit_exceeded"}, ProviderError("inference_rate_limit_exceeded", Severity.THROTTLED)),
        (
            {"type": "insufficient_quota", "code": None},
            ProviderError("insufficient_quota", Severity.REJECTED, ends_session=True),
        ),
        ({"code": "model_not_found"}, ProviderError("model_not_found", Severity.REJECTED, ends_session=True)),
        ({"type": "new", "code": "new"}, ProviderError("other", Severity.UNAVAILABLE)),
        (None, ProviderError("other", Severity.UNAVAILABLE)),
    ],
)
def test_a_failed_response_is_classed_by_code_or_type(error: Any, expected: ProviderError) -> None:
    details = {"type": "failed", "error": error} if error else None
    assert ended(status="failed", status_details=details).error == expected


CALL = {"type": "function_call", "id": "item_1", "call_id": "call_1", "name": "get_task", "arguments": '{"id":7}'}
SPOKEN = {"type": "message", "id": "item_2", "role": "assistant", "status": "completed", "content": []}
WANTED = port.ToolWanted("resp_1", "item_1", "call_1", "get_task", '{"id":7}')


def test_a_completed_response_tells_which_tools_it_wants_in_order() -> None:
    other = CALL | {"id": "item_3", "call_id": "call_2", "arguments": "{}", "status": "completed"}
    asked = ended(status="completed", output=[SPOKEN, CALL, other])
    assert asked.tools == (WANTED, port.ToolWanted("resp_1", "item_3", "call_2", "get_task", "{}"))


@pytest.mark.parametrize("status", ["cancelled", "failed", "incomplete", "in_progress"])
def test_a_response_that_was_not_completed_wants_no_tools(status: str) -> None:
    assert ended(status=status, output=[CALL | {"status": "completed"}]).tools == ()


def test_the_arguments_alone_are_no_reason_to_run_a_tool() -> None:
    done = {"call_id": "call_1", "item_id": "item_1", "response_id": "resp_1", "output_index": 0}
    assert read("response.function_call_arguments.done", **done, name="get_task", arguments="{}") is None
    assert read("response.output_item.done", response_id="resp_1", output_index=0, item=CALL) is None


@pytest.mark.parametrize(
    "output",
    [
        None,
        7,
        [7],
        [{"type": 7}],
        [CALL | {"status": "incomplete"}],
        [CALL | {"call_id": ""}],
        [CALL | {"call_id": "c" * 257}],
        [CALL | {"name": None}],
        [CALL | {"name": "n" * 257}],
        [CALL | {"arguments": ["x"]}],
    ],
)
def test_a_response_with_a_broken_tool_call_has_ended_all_the_same(output: Any) -> None:
    assert ended(status="completed", output=output) == port.ResponseEnded("resp_1", "completed")


def test_the_sdk_has_the_fields_we_read() -> None:
    assert RealtimeConversationItemFunctionCall.model_validate(CALL).arguments == '{"id":7}'
    assert "output" in RealtimeResponse.model_fields


def test_a_status_nobody_knows_counts_as_failed() -> None:
    assert ended(status="exploded").status == "failed"


def test_an_error_event_names_the_command_it_is_about() -> None:
    error = {
        "type": "invalid_request_error",
        "code": "invalid_value",
        "message": "Audio content of 9250ms is already shorter than 57340ms",
        "event_id": "truncate.12",
    }
    assert read("error", error=error) == port.ErrorReported(
        ProviderError("invalid_value", Severity.REFUSED), "truncate"
    )


def test_an_expired_session_is_over() -> None:
    event = read("error", error={"type": "invalid_request_error", "code": "session_expired", "message": ""})
    assert event == port.ErrorReported(ProviderError("session_expired", Severity.UNAVAILABLE, ends_session=True))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"type":7}',
        b'{"no":"type"}',
        b'{"type":"session.created"}',
        b'{"type":"error"}',
        b'{"type":"response.created","response":{}}',
        b'{"type":"response.done","response":[]}',
        b'{"type":"input_audio_buffer.speech_started","item_id":"i"}',
        b'{"type":"input_audio_buffer.speech_started","item_id":"i","audio_start_ms":-1}',
        b'{"type":"input_audio_buffer.speech_started","item_id":"","audio_start_ms":1}',
        b'{"type":"response.output_audio.delta","item_id":"i","response_id":"r","delta":"!!"}',
        b'{"type":"response.output_audio.delta","item_id":"i","response_id":"r","delta":"\\u00e9"}',
        b'{"type":"response.output_audio.delta","item_id":"i","response_id":"r"}',
        b'{"type":"response.output_audio.delta","item_id":"' + b"i" * 257 + b'","response_id":"r","delta":""}',
        b"[" * 100_000,
    ],
)
def test_garbage_is_named_and_never_raises(message: bytes) -> None:
    assert decode(message) == port.GarbageReceived("malformed")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
_NAMES = "item_id response_id delta transcript audio_start_ms audio_end_ms session response error"
_FIELDS = st.dictionaries(
    st.sampled_from(_NAMES.split()),
    _JSON
    | st.fixed_dictionaries({"id": st.text(), "usage": _JSON, "status_details": _JSON})
    | st.fixed_dictionaries({"id": st.text(min_size=1), "status": st.just("completed"), "output": _JSON}),
)


@given(kind=st.sampled_from(sorted(SDK_TYPES)) | st.text(), fields=_FIELDS)
def test_any_fields_under_any_type_never_raise(kind: str, fields: dict[str, Any]) -> None:
    decode(json.dumps({"type": kind, **fields}).encode(errors="replace"))


@given(st.binary())
def test_any_bytes_never_raise(message: bytes) -> None:
    decode(message)
