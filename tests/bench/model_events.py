"""The server events of one speech session, in the GA shapes of the Realtime API, as JSON bytes."""

from collections.abc import Mapping
from itertools import count
from typing import Any, Final

import msgspec

from .schedule import DELTA_S
from .stamps import filler_base64, stamp_base64, unstamped_base64

Event = Mapping[str, Any]

DELTA_BYTES: Final = int(DELTA_S * 8000)
_PLAIN_AUDIO: Final = unstamped_base64(DELTA_BYTES)
_STAMPED_REST: Final = filler_base64(DELTA_BYTES)
_WORDS: Final = "and then the line goes on "
_encode: Final = msgspec.json.Encoder().encode
_PCMU: Final = {"type": "audio/pcmu"}


class EventWriter:
    """Writes events and numbers them; knows nothing of time and sockets."""

    __slots__ = ("_event_numbers", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._event_numbers = count(1)

    def event(self, kind: str, **fields: object) -> bytes:
        """One event of type `kind`."""
        return _encode({"type": kind, "event_id": self._event_id(), **fields})

    def session_event(self, kind: str, changes: Event) -> bytes:
        """`session.created` or `session.updated` with the session after `changes`."""
        session: dict[str, object] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_{self.name}",
            "model": "gpt-realtime-2.1",
            "output_modalities": ["audio"],
            "audio": {"input": {"format": _PCMU}, "output": {"format": _PCMU, "voice": "marin"}},
            "tools": [],
            "tool_choice": "auto",
        }
        return self.event(kind, session=session | dict(changes))

    def speech_started(self, item_id: str, audio_ms: int) -> bytes:
        return self.event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=audio_ms)

    def caller_turn(self, item_id: str, audio_ms: int) -> list[bytes]:
        """The caller stopped: everything the API says of a finished and transcribed turn."""
        content = [{"type": "input_audio", "transcript": None}]
        item = {**_message(item_id, "user", "completed"), "content": content}
        prefix = "conversation.item.input_audio_transcription"
        usage = {"type": "duration", "seconds": 1}
        said = {"item_id": item_id, "content_index": 0}
        return [
            self.event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=audio_ms),
            self.event("input_audio_buffer.committed", item_id=item_id, previous_item_id=None),
            self.event("conversation.item.added", item=item, previous_item_id=None),
            self.event("conversation.item.done", item=item, previous_item_id=None),
            self.event(f"{prefix}.delta", **said, delta="I have a question."),
            self.event(f"{prefix}.completed", **said, transcript="I have a question.", usage=usage),
        ]

    def _event_id(self) -> str:
        return f"event_{self.name}_{next(self._event_numbers)}"


class ResponseWriter:
    """Writes the events of one spoken response."""

    __slots__ = ("_events", "_part", "_text", "item_id", "number", "response_id")

    def __init__(self, events: EventWriter, number: int) -> None:
        self._events = events
        self.number = number
        self.response_id = f"resp_{events.name}_{number}"
        self.item_id = f"item_{events.name}_{number}"
        self._part = {
            "response_id": self.response_id,
            "item_id": self.item_id,
            "output_index": 0,
            "content_index": 0,
        }
        self._text = ""

    def begun(self) -> list[bytes]:
        """Everything the API says before the first delta."""
        event = self._events.event
        item = self._item("in_progress", [])
        part = {"type": "audio", "transcript": ""}
        return [
            event("response.created", response=self._response("in_progress", None, [])),
            event("response.output_item.added", response_id=self.response_id, output_index=0, item=item),
            event("conversation.item.added", item=item, previous_item_id=None),
            event("response.content_part.added", **self._part, part=part),
        ]

    def words(self) -> bytes:
        """The transcript of one audio delta."""
        self._text += _WORDS
        return self._events.event("response.output_audio_transcript.delta", **self._part, delta=_WORDS)

    def audio(self) -> bytes:
        """One audio delta without a stamp."""
        return self._audio(_PLAIN_AUDIO)

    def stamped_audio(self, call: int, now: float) -> bytes:
        """One audio delta that says which call and response it is of, and that it was written `now`."""
        return self._audio(stamp_base64(call, self.number, now) + _STAMPED_REST)

    def completed(self) -> list[bytes]:
        """Everything the API says after the last delta."""
        return self._closed("completed", None)

    def cancelled(self) -> list[bytes]:
        """What the API says when the caller's speech cut the generation."""
        return self._closed("cancelled", {"type": "cancelled", "reason": "turn_detected"})

    def _audio(self, payload: bytes) -> bytes:
        fields = b'","response_id":"%b","item_id":"%b","output_index":0,"content_index":0,"delta":"%b"}'
        head = b'{"type":"response.output_audio.delta","event_id":"%b'
        ids = (self._events._event_id().encode(), self.response_id.encode(), self.item_id.encode())
        return (head + fields) % (*ids, payload)

    def _closed(self, status: str, details: Event | None) -> list[bytes]:
        event = self._events.event
        part = {"type": "audio", "transcript": self._text}
        item = self._item("completed" if status == "completed" else "incomplete", [_spoken(self._text)])
        return [
            event("response.output_audio.done", **self._part),
            event("response.output_audio_transcript.done", **self._part, transcript=self._text),
            event("response.content_part.done", **self._part, part=part),
            event("response.output_item.done", response_id=self.response_id, output_index=0, item=item),
            event("conversation.item.done", item=item, previous_item_id=None),
            event("response.done", response=self._response(status, details, [item])),
        ]

    def _item(self, status: str, content: list[Event]) -> Event:
        return {**_message(self.item_id, "assistant", status), "content": content}

    def _response(self, status: str, details: Event | None, output: list[Event]) -> Event:
        return {
            "object": "realtime.response",
            "id": self.response_id,
            "status": status,
            "status_details": details,
            "output": output,
            "conversation_id": f"conv_{self._events.name}",
            "output_modalities": ["audio"],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": _PCMU, "voice": "marin"}},
            "usage": None if status == "in_progress" else _USAGE,
            "metadata": None,
        }


_USAGE: Final = {
    "total_tokens": 320,
    "input_tokens": 220,
    "output_tokens": 100,
    "input_token_details": {
        "text_tokens": 120,
        "audio_tokens": 100,
        "image_tokens": 0,
        "cached_tokens": 64,
        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
    },
    "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
}


def _message(item_id: str, role: str, status: str) -> dict[str, object]:
    return {"id": item_id, "object": "realtime.item", "type": "message", "role": role, "status": status}


def _spoken(text: str) -> Event:
    return {"type": "output_audio", "transcript": text}
