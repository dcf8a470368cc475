"""What a response costs in tokens, by the public rules: 100 ms heard or 50 ms spoken are one audio token."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from simulators.openai.realtime.conversation import Item
from simulators.openai.realtime.refusals import Json

_CALLER_MS_PER_TOKEN: Final = 100
_AGENT_MS_PER_TOKEN: Final = 50
_CHARACTERS_PER_TOKEN: Final = 4
_CACHE_BLOCK: Final = 64


@dataclass(frozen=True, slots=True)
class Tokens:
    """Text and audio tokens."""

    text: int = 0
    audio: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.text + other.text, self.audio + other.audio)

    @property
    def total(self) -> int:
        """Both together."""
        return self.text + self.audio

    def cached(self) -> "Tokens":
        """What of a context seen before is served from the cache: whole blocks."""
        return Tokens(self.text - self.text % _CACHE_BLOCK, self.audio - self.audio % _CACHE_BLOCK)


def text_tokens(text: str) -> int:
    """About four characters each."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def of_item(item: Item) -> Tokens:
    """An item as part of the model's context or output."""
    if item.role == "assistant" and item.audio:
        return Tokens(text_tokens(item.text), -(-item.audio_ms // _AGENT_MS_PER_TOKEN))
    if item.audio:
        return Tokens(0, -(-item.audio_ms // _CALLER_MS_PER_TOKEN))
    return Tokens(text_tokens(item.text), 0)


def of_context(instructions: str, items: Iterable[Item]) -> Tokens:
    """Everything the model reads before it answers."""
    return sum((of_item(item) for item in items), Tokens(text_tokens(instructions)))


def usage(context: Tokens, cached: Tokens, output: Tokens) -> Json:
    """The `usage` of `response.done`; input includes cached."""
    hit = Tokens(min(cached.text, context.text), min(cached.audio, context.audio))
    return {
        "total_tokens": context.total + output.total,
        "input_tokens": context.total,
        "output_tokens": output.total,
        "input_token_details": {
            "text_tokens": context.text,
            "audio_tokens": context.audio,
            "image_tokens": 0,
            "cached_tokens": hit.total,
            "cached_tokens_details": {"text_tokens": hit.text, "audio_tokens": hit.audio, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": output.text, "audio_tokens": output.audio},
    }


def transcription_usage(audio_ms: int, transcript: str) -> Json:
    """The `usage` of a completed input transcription."""
    heard, written = -(-audio_ms // _CALLER_MS_PER_TOKEN), text_tokens(transcript)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }
