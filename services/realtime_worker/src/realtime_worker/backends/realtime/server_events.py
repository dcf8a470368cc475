"""Realtime server events: the API's JSON as events of the port (`reference/openai-realtime.md` §1.3)."""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from realtime_worker.backends.realtime.client_events import command_of
from realtime_worker.backends.realtime.error_codes import of_error
from talker import port


class _Named(msgspec.Struct):
    id: str


class _Error(msgspec.Struct):
    type: str | None = None
    code: str | None = None
    event_id: str | None = None


class _StatusDetails(msgspec.Struct):
    reason: str | None = None
    error: _Error | None = None


class _CachedDetails(msgspec.Struct):
    text_tokens: int | None = None
    audio_tokens: int | None = None


class _TokenDetails(msgspec.Struct):
    text_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: _CachedDetails | None = None


class _Usage(msgspec.Struct):
    input_token_details: _TokenDetails | None = None
    output_token_details: _TokenDetails | None = None


class _Item(msgspec.Struct):
    type: str
    id: str | None = None
    name: str | None = None
    call_id: str | None = None
    arguments: str | None = None
    status: str | None = None


class _Response(msgspec.Struct):
    id: str
    status: str | None = None
    status_details: _StatusDetails | None = None
    output: msgspec.Raw = msgspec.Raw(b"null")
    """Looked at only when the response was completed: of others no tool is run."""
    usage: msgspec.Raw = msgspec.Raw(b"null")


class _Wire(msgspec.Struct):
    """Every field of any event we read, so that one decoding pass does. Which are required depends on the type."""

    type: str
    item_id: str | None = None
    response_id: str | None = None
    delta: msgspec.Raw = msgspec.Raw(b"null")
    """Text or base64 audio; decoded by whoever knows which. msgspec is four times as fast at it as `binascii`."""
    transcript: str | None = None
    audio_start_ms: int | None = None
    audio_end_ms: int | None = None
    session: _Named | None = None
    response: _Response | None = None
    error: _Error | None = None


class _Missing(Exception):
    """A field that this type of event must have is absent."""


_MAX_ID: Final = 256
"""Ids travel in audio records and facts; a longer one is nothing the API would send."""


def _required(value: str | None) -> str:
    if value is None:
        raise _Missing
    return value


def _id(value: str | None) -> str:
    if not value or len(value) > _MAX_ID:
        raise _Missing
    return value


def _position(value: int | None) -> int:
    if value is None or value < 0:
        raise _Missing
    return value


def _session_opened(wire: _Wire) -> port.SpeechEvent:
    if wire.session is None:
        raise _Missing
    return port.SessionOpened(_id(wire.session.id))


def _session_configured(wire: _Wire) -> port.SpeechEvent:
    return port.SessionConfigured()


def _speech_started(wire: _Wire) -> port.SpeechEvent:
    return port.CallerSpeechStarted(_id(wire.item_id), _position(wire.audio_start_ms))


def _speech_stopped(wire: _Wire) -> port.SpeechEvent:
    return port.CallerSpeechStopped(_id(wire.item_id), _position(wire.audio_end_ms))


def _transcribed(wire: _Wire) -> port.SpeechEvent:
    return port.CallerTranscribed(_id(wire.item_id), _required(wire.transcript).strip())


def _transcription_failed(wire: _Wire) -> port.SpeechEvent:
    return port.CallerTranscribed(_id(wire.item_id), "")


def _response_started(wire: _Wire) -> port.SpeechEvent:
    if wire.response is None:
        raise _Missing
    return port.ResponseStarted(_id(wire.response.id))


def _agent_audio(wire: _Wire) -> port.SpeechEvent:
    return port.AgentAudio(_id(wire.response_id), _id(wire.item_id), _decode_audio(wire.delta))


def _agent_text(wire: _Wire) -> port.SpeechEvent:
    return port.AgentText(_id(wire.response_id), _id(wire.item_id), _decode_text(wire.delta))


def _agent_audio_ended(wire: _Wire) -> port.SpeechEvent:
    return port.AgentAudioEnded(_id(wire.response_id), _id(wire.item_id))


def _error(wire: _Wire) -> port.SpeechEvent:
    if wire.error is None:
        raise _Missing
    error = of_error(wire.error.code or "", wire.error.type or "")
    return port.ErrorReported(error, command_of(wire.error.event_id or ""))


_STATUSES: Final[Mapping[str | None, port.ResponseStatus]] = {
    "completed": "completed",
    "cancelled": "cancelled",
    "failed": "failed",
    "incomplete": "incomplete",
}


def _response_ended(wire: _Wire) -> port.SpeechEvent:
    response = wire.response
    if response is None:
        raise _Missing
    status = _STATUSES.get(response.status, "failed")
    error = None
    if status == "failed":
        said = response.status_details and response.status_details.error
        error = of_error(said.code or "", said.type or "") if said else of_error("", "")
    response_id = _id(response.id)
    tools = _tools(response_id, response.output) if status == "completed" else ()
    return port.ResponseEnded(response_id, status, error, _usage(response.usage), tools)


def _tools(response_id: str, raw: msgspec.Raw) -> tuple[port.ToolWanted, ...]:
    """The tools it asks for. When its output is malformed the response still has ended."""
    try:
        items = _decode_output(raw) or []
    except msgspec.MsgspecError:
        return ()
    wanted = (_tool(response_id, item) for item in items if item.type == "function_call")
    return tuple(tool for tool in wanted if tool is not None)


def _tool(response_id: str, item: _Item) -> port.ToolWanted | None:
    """None: without an id nothing can be answered, without a name nothing is asked for."""
    call_id, name = item.call_id or "", item.name or ""
    is_whole = item.status in (None, "completed") and name and 0 < len(call_id) <= _MAX_ID
    if not is_whole or max(len(item.id or ""), len(name)) > _MAX_ID:
        return None
    return port.ToolWanted(response_id, item.id or call_id, call_id, name, item.arguments or "{}")


def _usage(raw: msgspec.Raw) -> port.Usage | None:
    """Usage is for bookkeeping: when it is malformed the response still has ended."""
    try:
        usage = _decode_usage(raw)
    except msgspec.MsgspecError:
        return None
    if usage is None:
        return None
    into, out = usage.input_token_details or _TokenDetails(), usage.output_token_details or _TokenDetails()
    cached = into.cached_tokens_details or _CachedDetails(text_tokens=into.cached_tokens)
    text, audio = _tokens(into.text_tokens), _tokens(into.audio_tokens)
    return port.Usage(
        input_text_tokens=text,
        input_audio_tokens=audio,
        cached_text_tokens=min(_tokens(cached.text_tokens), text),
        cached_audio_tokens=min(_tokens(cached.audio_tokens), audio),
        output_text_tokens=_tokens(out.text_tokens),
        output_audio_tokens=_tokens(out.audio_tokens),
    )


def _tokens(count: int | None) -> int:
    return max(0, count or 0)


_TRANSCRIPTION: Final = "conversation.item.input_audio_transcription"

MAPPED: Final[Mapping[str, Callable[[_Wire], port.SpeechEvent]]] = {
    "response.output_audio.delta": _agent_audio,
    "response.output_audio_transcript.delta": _agent_text,
    "response.output_audio.done": _agent_audio_ended,
    "response.created": _response_started,
    "response.done": _response_ended,
    "input_audio_buffer.speech_started": _speech_started,
    "input_audio_buffer.speech_stopped": _speech_stopped,
    f"{_TRANSCRIPTION}.completed": _transcribed,
    f"{_TRANSCRIPTION}.failed": _transcription_failed,
    "session.created": _session_opened,
    "session.updated": _session_configured,
    "error": _error,
}

IGNORED: Final = frozenset(
    {
        "conversation.created",
        "conversation.item.added",
        "conversation.item.created",
        "conversation.item.deleted",
        "conversation.item.done",
        f"{_TRANSCRIPTION}.delta",
        f"{_TRANSCRIPTION}.segment",
        "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared",
        "input_audio_buffer.committed",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "output_audio_buffer.cleared",
        "output_audio_buffer.started",
        "output_audio_buffer.stopped",
        "rate_limits.updated",
        "response.content_part.added",
        "response.content_part.done",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.output_audio_transcript.done",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.done",
    }
)
"""Known and of no interest here. `rate_limits.updated` is a forecast; what counts is the response that fails."""

_decode: Final = msgspec.json.Decoder(_Wire).decode
_decode_audio: Final = msgspec.json.Decoder(bytes).decode
_decode_text: Final = msgspec.json.Decoder(str).decode
_decode_usage: Final = msgspec.json.Decoder(_Usage | None).decode
_decode_output: Final = msgspec.json.Decoder(list[_Item] | None).decode
_MALFORMED: Final = port.GarbageReceived("malformed")
_UNKNOWN: Final = port.GarbageReceived("unknown_type")


def decode(message: bytes) -> port.SpeechEvent | None:
    """One server event; None for those of no interest. Dispatches on `type` and never raises."""
    try:
        wire = _decode(message)
        mapper = MAPPED.get(wire.type)
        if mapper is None:
            return None if wire.type in IGNORED else _UNKNOWN
        return mapper(wire)
    except (msgspec.MsgspecError, _Missing, RecursionError):
        return _MALFORMED
