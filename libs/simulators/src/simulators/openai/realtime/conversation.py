"""The default conversation: items in order, and what may be done to them (sections 1.6 and 1.8 of the reference)."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from simulators.openai.realtime.refusals import (
    Json,
    already_shorter,
    duplicate_item,
    invalid_value,
    missing_parameter,
    no_such_call,
    no_such_item,
    not_model_audio,
    too_long,
    unsupported_value,
)
from simulators.people.pcmu import BYTES_PER_MS

CONTENT_TYPES: Final = {
    "system": ("input_text",),
    "user": ("input_text", "input_audio", "input_image"),
    "assistant": ("output_text",),
}
"""What a client may create. Assistant audio is missing: the API cannot populate it."""
_PAYLOAD: Final = {"input_text": "text", "output_text": "text", "input_audio": "audio", "input_image": "image_url"}
ROOT: Final = "root"
MAX_ID_LENGTH: Final = 32


@dataclass(slots=True)
class Item:
    """One item; `body` is its wire form without audio."""

    item_id: str
    body: Json
    source: Literal["seeded", "live"]
    audio: bytes = b""
    truncated_at_ms: int | None = None
    said: str = ""
    """What the simulator knows was said in it, also where the wire form has no transcript."""
    recordings: tuple[str, ...] = ()
    created_monotonic_s: float = 0.0
    is_done: bool = True

    @property
    def role(self) -> str | None:
        """system, user or assistant; None for anything but a message."""
        return self.body.get("role")

    @property
    def kind(self) -> str:
        """message, function_call, function_call_output or one of the MCP kinds."""
        return str(self.body["type"])

    @property
    def audio_ms(self) -> int:
        """Length of its audio."""
        return len(self.audio) // BYTES_PER_MS

    @property
    def text(self) -> str:
        """Its words: text, transcript, arguments or output."""
        parts = (part.get("text") or part.get("transcript") or "" for part in self.body.get("content", ()))
        written = self.body.get("arguments") or self.body.get("output") or ""
        return " ".join(part for part in parts if part) or written

    def wire(self) -> Json:
        """The item as events show it: audio left out; a copy, since items grow while events wait."""
        item = dict(self.body)
        if "content" in item:
            item["content"] = [{k: v for k, v in part.items() if k != "audio"} for part in item["content"]]
        return item

    def wire_with_audio(self) -> Json:
        """The item as `conversation.item.retrieved` shows it."""
        item = self.wire()
        for part in item.get("content", ()):
            if part["type"] in ("input_audio", "output_audio"):
                part["audio"] = base64.b64encode(self.audio).decode()
        return item


@dataclass(slots=True)
class Conversation:
    """Items in the model's order. Every method raises `Refusal` before it changes anything."""

    conversation_id: str
    _items: list[Item] = field(default_factory=list)

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def last_id(self) -> str | None:
        """The newest item, after which the next is appended."""
        return self._items[-1].item_id if self._items else None

    def id_before(self, item_id: str) -> str | None:
        """The item before this one; None if it is the first, or unknown."""
        before: str | None = None
        for item in self._items:
            if item.item_id == item_id:
                return before
            before = item.item_id
        return None

    def find(self, item_id: str) -> Item | None:
        """The item of this id, if there is one."""
        return next((item for item in self._items if item.item_id == item_id), None)

    def get(self, item_id: str, verb: str, doing: str) -> Item:
        """The item of this id; refuse in the words of the event that asked."""
        item = self.find(item_id)
        if item is None:
            raise no_such_item(verb, doing, item_id)
        return item

    def append(self, item: Item) -> str | None:
        """Add a live item at the end; the id of the item before it."""
        previous = self.last_id
        self._items.append(item)
        return previous

    def create(self, item: Item, previous_item_id: str | None) -> str | None:
        """Add a client's item where it asks; the id of the item before it."""
        check_creatable(item.body, "item")
        call_id = item.body.get("call_id")
        if item.kind == "function_call_output" and not any(other.body.get("call_id") == call_id for other in self):
            raise no_such_call(call_id)
        if self.find(item.item_id) is not None:
            raise duplicate_item(item.item_id)
        if previous_item_id is None:
            return self.append(item)
        position = 0
        if previous_item_id != ROOT:
            if self.find(previous_item_id) is None:
                raise no_such_item("create", "adding", previous_item_id, "previous_item_id")
            position = 1 + next(i for i, other in enumerate(self._items) if other.item_id == previous_item_id)
        self._items.insert(position, item)
        return None if previous_item_id == ROOT else previous_item_id

    def delete(self, item_id: str) -> None:
        """Forget an item."""
        self._items.remove(self.get(item_id, "delete", "deleting"))

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Keep only the audio the caller heard; the transcript goes, because it cannot be aligned."""
        item = self.get(item_id, "truncate", "truncating")
        if item.role != "assistant" or not item.audio:
            raise not_model_audio()
        if content_index != 0:
            raise invalid_value("content_index", f"Content index {content_index} does not exist in this item.")
        if audio_end_ms < 0:
            raise invalid_value("audio_end_ms", "Invalid 'audio_end_ms': expected a value of at least 0.")
        if audio_end_ms > item.audio_ms:
            raise already_shorter(item.audio_ms, audio_end_ms)
        item.audio = item.audio[: audio_end_ms * BYTES_PER_MS]
        item.truncated_at_ms = audio_end_ms
        for part in item.body["content"]:
            part.pop("transcript", None)


def check_creatable(body: Json, param: str) -> None:
    """Raise `Refusal` unless a client may create this item: role and content types must belong together."""
    for name in ("id", "call_id"):
        if len(body.get(name) or "") > MAX_ID_LENGTH:
            raise too_long(f"{param}.{name}", body[name], MAX_ID_LENGTH)
    if body["type"] != "message":
        return
    role = body["role"]
    for index, part in enumerate(body["content"]):
        at = f"{param}.content[{index}]"
        if "type" not in part:
            raise missing_parameter(f"{at}.type")
        if part["type"] not in CONTENT_TYPES[role]:
            raise unsupported_value(f"{at}.type", part["type"], CONTENT_TYPES[role])
        payload = _PAYLOAD[part["type"]]
        if payload not in part:
            raise missing_parameter(f"{at}.{payload}")
