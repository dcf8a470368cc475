"""The errors the Realtime API answers client events with: codes, texts, parameters."""

from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


class Refusal(Exception):
    """A client event that is not carried out; becomes one `error` event, the session goes on."""

    def __init__(
        self, code: str, message: str, param: str | None = None, *, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.param, self.kind = code, message, param, kind

    def event(self, client_event_id: str | None) -> Json:
        """The `error` event."""
        return {
            "type": "error",
            "error": {
                "type": self.kind,
                "code": self.code,
                "message": self.message,
                "param": self.param,
                "event_id": client_event_id,
            },
        }


def unknown_parameter(param: str) -> Refusal:
    """A field the API does not know."""
    return Refusal("unknown_parameter", f"Unknown parameter: '{param}'.", param)


def missing_parameter(param: str) -> Refusal:
    """A required field is absent."""
    return Refusal("missing_required_parameter", f"Missing required parameter: '{param}'.", param)


def invalid_type(param: str, expected: str, value: object) -> Refusal:
    """A field holds another JSON type."""
    return Refusal(
        "invalid_type", f"Invalid type for '{param}': expected {expected}, but got {json_type(value)} instead.", param
    )


def unsupported_value(param: str, value: object, supported: Iterable[object]) -> Refusal:
    """A field holds a value outside its list."""
    names = [f"'{name}'" for name in supported]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])}, and {names[-1]}"
    return Refusal("invalid_value", f"Invalid value: '{value}'. Supported values are: {listed}.", param)


def invalid_value(param: str, message: str) -> Refusal:
    """A field holds a value that is not possible here."""
    return Refusal("invalid_value", message, param)


def json_type(value: object) -> str:
    """What a JSON value is called in messages."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def invalid_json() -> Refusal:
    """A text message that is not JSON."""
    return Refusal("invalid_json", "Invalid event: failed to parse JSON value.")


def binary_frame() -> Refusal:
    """A binary message."""
    return Refusal("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")


def commit_empty(ms: float) -> Refusal:
    """`input_audio_buffer.commit` with less than 100 ms in the buffer."""
    message = (
        "Error committing input audio buffer: buffer too small. "
        f"Expected at least 100ms of audio, but buffer only has {ms:.2f}ms of audio."
    )
    return Refusal("input_audio_buffer_commit_empty", message)


def active_response(response_id: str) -> Refusal:
    """`response.create` while a response writes to the default conversation."""
    return Refusal(
        "conversation_already_has_active_response",
        f"Conversation already has an active response in progress: {response_id}. "
        "Wait until the response is finished before creating a new one.",
    )


def no_such_item(verb: str, doing: str, item_id: str, param: str = "item_id") -> Refusal:
    """An item id that is not in the conversation; `verb` is retrieve, delete, truncate or create."""
    code = f"item_{verb}_invalid_{'previous_' if param == 'previous_item_id' else ''}item_id"
    return Refusal(code, f"Error {doing} item: the item with id '{item_id}' does not exist.", param)


def no_such_call(call_id: object) -> Refusal:
    """A `function_call_output` for a call that is not in the conversation."""
    return Refusal("invalid_tool_call_id", f"Tool call ID '{call_id}' not found in conversation.", "item.call_id")


def too_long(param: str, value: str, most: int) -> Refusal:
    """A string beyond its limit; the API allows item and call ids of 32 characters, so no UUIDs with dashes."""
    return Refusal(
        "string_above_max_length",
        f"Invalid '{param}': string too long. Expected a string with maximum length {most}, "
        f"but got a string with length {len(value)} instead.",
        param,
    )


def duplicate_item(item_id: str) -> Refusal:
    """`conversation.item.create` with an id that is taken."""
    message = f"Error adding item: an item with id '{item_id}' already exists in the conversation."
    return Refusal("item_create_duplicate_item_id", message, "item.id")


def cancel_not_active() -> Refusal:
    """`response.cancel` with nothing to cancel."""
    return Refusal("response_cancel_not_active", "Cancellation failed: no active response found")


def not_model_audio() -> Refusal:
    """`conversation.item.truncate` of anything but an assistant's audio."""
    return Refusal("unsupported_content_type", "Only model output audio messages can be truncated")


def voice_locked() -> Refusal:
    """Another voice after the first audio."""
    message = "Cannot update a conversation's voice if assistant audio is present."
    return Refusal("cannot_update_voice", message, "session.audio.output.voice")


def output_buffer_on_websocket() -> Refusal:
    """`output_audio_buffer.clear`: a WebSocket client owns its own playback."""
    return invalid_value("type", "'output_audio_buffer.clear' is only supported for WebRTC and SIP sessions.")


def already_shorter(length_ms: int, wanted_ms: int) -> Refusal:
    """`conversation.item.truncate` beyond the end of the item's audio."""
    message = f"Audio content of {length_ms}ms is already shorter than {wanted_ms}ms"
    return Refusal("invalid_value", message, "audio_end_ms")
