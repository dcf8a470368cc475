"""Client events: from the text of a WebSocket message to something checked."""

from typing import Any, Final, Literal

import msgspec
from openai.types.realtime.conversation_item_create_event_param import ConversationItemCreateEventParam
from openai.types.realtime.conversation_item_delete_event_param import ConversationItemDeleteEventParam
from openai.types.realtime.conversation_item_retrieve_event_param import ConversationItemRetrieveEventParam
from openai.types.realtime.conversation_item_truncate_event_param import ConversationItemTruncateEventParam
from openai.types.realtime.input_audio_buffer_append_event_param import InputAudioBufferAppendEventParam
from openai.types.realtime.input_audio_buffer_clear_event_param import InputAudioBufferClearEventParam
from openai.types.realtime.input_audio_buffer_commit_event_param import InputAudioBufferCommitEventParam
from openai.types.realtime.output_audio_buffer_clear_event_param import OutputAudioBufferClearEventParam
from openai.types.realtime.response_cancel_event_param import ResponseCancelEventParam
from openai.types.realtime.response_create_event_with_references_param import ResponseCreateEventWithReferencesParam
from openai.types.realtime.session_update_event_param import SessionUpdateEventParam

from simulators.openai.realtime.refusals import Json, invalid_json, invalid_type, missing_parameter, unsupported_value
from simulators.openai.realtime.shapes import check_of

TYPES: Final[dict[str, Any]] = {
    "session.update": SessionUpdateEventParam,
    "input_audio_buffer.append": InputAudioBufferAppendEventParam,
    "input_audio_buffer.commit": InputAudioBufferCommitEventParam,
    "input_audio_buffer.clear": InputAudioBufferClearEventParam,
    "conversation.item.create": ConversationItemCreateEventParam,
    "conversation.item.truncate": ConversationItemTruncateEventParam,
    "conversation.item.delete": ConversationItemDeleteEventParam,
    "conversation.item.retrieve": ConversationItemRetrieveEventParam,
    "response.create": ResponseCreateEventWithReferencesParam,
    "response.cancel": ResponseCancelEventParam,
    "output_audio_buffer.clear": OutputAudioBufferClearEventParam,
}
"""Every client event of the SDK's union, by its `type`."""


class Append(msgspec.Struct, forbid_unknown_fields=True):
    """`input_audio_buffer.append`, read on a fast path: fifty come each second and call."""

    type: Literal["input_audio_buffer.append"]
    audio: str
    event_id: str | msgspec.UnsetType = msgspec.UNSET


_append = msgspec.json.Decoder(Append)
_json = msgspec.json.Decoder()


def decode(message: str) -> Append | Json:
    """The event in a text message, not yet checked unless it is an `Append`. Raises `Refusal` if it is no event."""
    try:
        return _append.decode(message)
    except msgspec.MsgspecError:
        pass
    try:
        event = _json.decode(message)
    except msgspec.MsgspecError:
        raise invalid_json() from None
    if not isinstance(event, dict):
        raise invalid_type("event", "an object", event)
    return event


def check(event: Json) -> None:
    """Raise `Refusal` unless the event is exactly one the SDK declares."""
    if "type" not in event:
        raise missing_parameter("type")
    kind = event["type"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise unsupported_value("type", kind, TYPES)
    check_of(TYPES[kind])(event, "")
