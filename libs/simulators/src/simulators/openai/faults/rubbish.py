"""Messages that no client should ever get, but must survive."""

from typing import Final, Literal, assert_never

import msgspec

from simulators.openai.realtime.ids import Ids

HUGE_BYTES: Final = 10 * 1024 * 1024

What = Literal["invalid_json", "unknown_type", "missing_fields", "binary", "huge"]


def rubbish(what: What, ids: Ids) -> str | bytes:
    """One such message; `bytes` go into a binary frame."""
    event_id = ids.new("event")
    match what:
        case "invalid_json":
            return '{"type":"response.output_audio.delta","delta":"AAAA'
        case "unknown_type":
            return _text({"type": "response.output_smell.delta", "event_id": event_id, "delta": "rose"})
        case "missing_fields":
            return _text({"type": "response.output_audio.delta", "event_id": event_id})
        case "binary":
            return bytes(range(256))
        case "huge":
            return _text({"type": "response.output_smell.delta", "event_id": event_id, "delta": "A" * HUGE_BYTES})
        case _:
            assert_never(what)


def _text(event: dict[str, str]) -> str:
    return msgspec.json.encode(event).decode()
