"""Transcripts of the caller's turns: they come a while after the turn, on their own clock."""

from collections import deque
from dataclasses import dataclass

from simulators.openai.realtime.conversation import Item
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.usage import transcription_usage


@dataclass(frozen=True, slots=True)
class _Planned:
    at: float
    item: Item


class Transcripts:
    """Turns waiting for their transcript, in order."""

    def __init__(self) -> None:
        self._planned: deque[_Planned] = deque()

    def plan(self, item: Item, at: float) -> None:
        """The transcript of this turn will be known then."""
        self._planned.append(_Planned(at, item))

    def next_deadline(self) -> float | None:
        """When the next one is due."""
        return self._planned[0].at if self._planned else None

    def due(self, now: float) -> list[Json]:
        """The events of those that are due; the items get their transcripts."""
        events: list[Json] = []
        while self._planned and self._planned[0].at <= now:
            events += _events(self._planned.popleft().item)
        return events


def _events(item: Item) -> list[Json]:
    prefix = "conversation.item.input_audio_transcription"
    at = {"item_id": item.item_id, "content_index": 0}
    item.body["content"][0]["transcript"] = item.said
    words = item.said.split(" ") if item.said else []
    pieces = [*words[:1], *(f" {word}" for word in words[1:])]
    deltas: list[Json] = [{"type": f"{prefix}.delta", **at, "delta": piece} for piece in pieces]
    usage = transcription_usage(item.audio_ms, item.said)
    return [*deltas, {"type": f"{prefix}.completed", **at, "transcript": item.said, "usage": usage}]
