"""How much of a conversation a new session can be told: what the model's context holds beside the call to come."""

from collections.abc import Sequence
from typing import Final

from common.conversation import AnyTurn, ToolTurn, Turn, newest

_CONTEXTS: Final = (
    ("gpt-realtime-2025", 28_000),
    ("gpt-realtime-2", 128_000),
    ("gpt-realtime", 28_000),
)
"""Tokens of input by the model's name (`openai-realtime.md` §1.9); the first prefix that fits counts."""
_UNKNOWN_CONTEXT: Final = 28_000
_LEAST_TOKENS: Final = 2_000
"""However long the instructions are, the last few turns are told."""

_CHARACTERS_PER_TOKEN: Final = 2
"""Languages in Latin letters take three to five; written down low, since nobody counts as the model does."""
_TURN_TOKENS: Final = 12
"""What an item takes beside its words."""
_LATIN_ENDS: Final = "\u024f"
_FOREIGN_SHARE: Final = 0.05
"""Up to this share, characters beyond Latin are quotation marks and dashes."""


def room_tokens(model: str, instructions: str) -> int:
    """Tokens for what was said: half of the context, less the instructions. The other half is for audio and answers."""
    context = next((tokens for prefix, tokens in _CONTEXTS if model.startswith(prefix)), _UNKNOWN_CONTEXT)
    return max(_LEAST_TOKENS, context // 2 - len(instructions) // _characters_per_token([instructions]))


def fitting(turns: Sequence[AnyTurn], most_tokens: int) -> tuple[tuple[AnyTurn, ...], int]:
    """The newest turns that fit, and how many older ones that leaves out.

    One turn takes a quarter of the room at most: a long tool result must not push out all that was said.
    """
    recent = turns[-(most_tokens // (2 * _TURN_TOKENS)) :]
    words = [text for turn in recent for text in _texts(turn)]
    room = (most_tokens - _TURN_TOKENS * len(recent)) * _characters_per_token(words)
    kept, _ = newest([_clipped(turn, room // 4) for turn in recent], room)
    return kept, len(turns) - len(kept)


def _texts(turn: AnyTurn) -> tuple[str, ...]:
    match turn:
        case Turn(text=text):
            return (text,)
        case ToolTurn(arguments=arguments, output=output):
            return (arguments, output or "")


def _characters_per_token(texts: Sequence[str]) -> int:
    """1 for scripts other than Latin (Japanese takes about a token a character), else 2."""
    total = sum(map(len, texts))
    foreign = sum(character > _LATIN_ENDS for text in texts for character in text)
    return 1 if foreign > total * _FOREIGN_SHARE else _CHARACTERS_PER_TOKEN


def _clipped(turn: AnyTurn, most: int) -> AnyTurn:
    match turn:
        case Turn(text=text) if len(text) > most:
            return turn.model_copy(update={"text": f"… {text[-most + 2 :]}"})
        case ToolTurn(output=str(output)) if len(output) > most // 2:
            return turn.model_copy(update={"output": f"{output[: most // 2 - 2]} …"})
        case _:
            return turn
