"""How much of a text was heard: the words that go with the audio the carrier played."""

from collections.abc import Sequence
from itertools import pairwise
from unicodedata import east_asian_width

Piece = tuple[int, str]
"""Where in the item's audio (ms) a piece of text was announced, and the piece."""


def heard_text(pieces: Sequence[Piece], audio_ms: int, heard_ms: int) -> str:
    """The part of the text that belongs to the first `heard_ms` of `audio_ms`.

    The model announces text a little ahead of its audio, so within a span the text is taken in proportion to time.
    Cut at a word's end where there are words, else (Japanese, Chinese) at a character.
    """
    text = "".join(piece for _, piece in pieces)
    if not text or heard_ms >= audio_ms:
        return text
    return _whole_words(text, _characters(pieces, len(text), audio_ms, heard_ms))


def _characters(pieces: Sequence[Piece], length: int, audio_ms: int, heard_ms: int) -> int:
    points: list[tuple[int, int]] = [(0, 0)]
    count = 0
    for offset_ms, piece in pieces:
        begins_ms = min(offset_ms, audio_ms)
        if begins_ms > points[-1][0]:
            points.append((begins_ms, count))
        count += len(piece)
    points.append((audio_ms, length))
    for (start_ms, start), (end_ms, end) in pairwise(points):
        if start_ms <= heard_ms < end_ms:
            return start + (end - start) * (heard_ms - start_ms) // (end_ms - start_ms)
    return length


def _whole_words(text: str, characters: int) -> str:
    cut = text[:characters]
    if characters >= len(text) or " " not in text.strip() or text[characters].isspace() or _is_wide(text[characters]):
        return cut.rstrip()
    return cut.rpartition(" ")[0].rstrip()


def _is_wide(character: str) -> bool:
    """True for the scripts that put no spaces between words."""
    return east_asian_width(character) in "WF"
