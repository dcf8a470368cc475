"""What `response.create` asks for: overrides checked and combined with the session's configuration."""

from typing import Any, Final

from simulators.openai.realtime.configuration import PCMU, check_format, check_tools, check_voice
from simulators.openai.realtime.conversation import Conversation, Item, check_creatable
from simulators.openai.realtime.ids import Ids
from simulators.openai.realtime.refusals import Json, invalid_value, no_such_item, unsupported_value

_METADATA_PAIRS: Final = 16
_METADATA_KEY: Final = 64
_METADATA_VALUE: Final = 512


def check_overrides(overrides: Json) -> None:
    """Raise `Refusal` for values that the shapes alone allow."""
    if overrides.get("conversation", "auto") not in ("auto", "none"):
        raise unsupported_value("response.conversation", overrides["conversation"], ("auto", "none"))
    if overrides.get("output_modalities", ["audio"]) not in (["audio"], ["text"]):
        raise unsupported_value("response.output_modalities", overrides["output_modalities"], ("['audio']", "['text']"))
    audio_output = overrides.get("audio", {}).get("output", {})
    check_format(audio_output.get("format"), "response.audio.output.format")
    check_voice(audio_output.get("voice"), "response.audio.output.voice")
    check_tools(overrides.get("tools", ()), "response.tools")
    _check_metadata(overrides.get("metadata") or {})


def _check_metadata(metadata: dict[str, str]) -> None:
    fits = all(len(key) <= _METADATA_KEY and len(value) <= _METADATA_VALUE for key, value in metadata.items())
    if len(metadata) > _METADATA_PAIRS or not fits:
        message = f"At most {_METADATA_PAIRS} pairs of {_METADATA_KEY} and {_METADATA_VALUE} characters are allowed."
        raise invalid_value("response.metadata", message)


def effective(session: Json, overrides: Json) -> Json:
    """The session's settings for a response, with those it overrides."""
    names = ("instructions", "output_modalities", "max_output_tokens")
    return {name: overrides.get(name, session[name]) for name in names}


def context_items(overrides: Json, conversation: Conversation, ids: Ids) -> list[Item]:
    """The items the response sees: its own `input`, or the default conversation."""
    if "input" not in overrides:
        return list(conversation)
    return [_input_item(body, index, conversation, ids) for index, body in enumerate(overrides["input"])]


def _input_item(body: Json, index: int, conversation: Conversation, ids: Ids) -> Item:
    if body["type"] == "item_reference":
        item = conversation.find(body["id"])
        if item is None:
            raise no_such_item("retrieve", "referencing", body["id"], f"response.input[{index}].id")
        return item
    check_creatable(body, f"response.input[{index}]")
    item = Item(body.get("id") or ids.new("item"), body, "seeded")
    item.said = item.text
    return item


def audio_output(session: Json, overrides: Json, modalities: list[str]) -> Json:
    """Format and voice of the response. Raises `Refusal` if it would have to speak anything but pcmu."""
    own = overrides.get("audio", {}).get("output", {})
    configured: dict[str, Any] = session["audio"]["output"]
    chosen = {"format": own.get("format", configured["format"]), "voice": own.get("voice", configured["voice"])}
    if modalities == ["audio"] and chosen["format"] != PCMU:
        message = "This simulator speaks only 'audio/pcmu': set session.audio.output.format first."
        raise invalid_value("session.audio.output.format", message)
    return chosen
