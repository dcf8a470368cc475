"""What a text sounds like: the recording that says it, the part of one that does, or a tone as long as the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from simulators.openai.voices import tone
from simulators.people.likeness import Likeness
from simulators.people.pcmu import BYTES_PER_MS, FRAME_BYTES, SILENCE
from simulators.people.recognition import Known
from simulators.people.wording import pieces, wording

_SENTENCE: Final = re.compile(r"\S.*?(?:[.!?…](?=\s)|[。！？]|\n|\Z)\s*", re.DOTALL)
_MOST_SENTENCES: Final = 6
"""No recording holds more."""
_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")
_PAUSE: Final = bytes([SILENCE]) * (120 * BYTES_PER_MS)
_MIN_PART: Final = 3
"""Pieces (words or characters) from which anything else than whole sentences of a recording may stand for one."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Audio at 8 kHz, and the recordings it comes from."""

    pcmu: bytes
    recordings: tuple[str, ...]


class _Text(NamedTuple):
    """A recording, and the pieces of its text that are heard, each with its place in the text."""

    known: Known
    placed: Sequence[tuple[int, str]]


class Reader:
    """Reads texts with the voices of the recordings."""

    def __init__(self, likeness: Likeness) -> None:
        self._texts = [_Text(known, [*_placed(known)]) for known in likeness.known]

    def read(self, text: str) -> Spoken:
        """As few recordings as possible; sentences that none holds are tones."""
        parts = list(self._parts(text))
        names = tuple(name for _, name in parts if name is not None)
        return Spoken(_PAUSE.join(pcmu for pcmu, _ in parts), names)

    def _parts(self, text: str) -> Iterator[tuple[bytes, str | None]]:
        """Audio, and the recording it is from."""
        ends = [match.end() for match in _SENTENCE.finditer(text)]
        start = 0
        while start < len(ends):
            begin = ends[start - 1] if start else 0
            for end in range(min(len(ends), start + _MOST_SENTENCES), start, -1):
                part = self._recorded(text[begin : ends[end - 1]])
                if part is not None or end == start + 1:
                    break
            yield part or (tone(text[begin : ends[start]]).pcmu, None)
            start = end

    def _recorded(self, text: str) -> tuple[bytes, str] | None:
        wanted = wording(text)
        for held in self._texts:
            pcmu = _part(held, wanted) if wanted else None
            if pcmu is not None:
                return pcmu, held.known.recording.name
        return None


def _placed(known: Known) -> Iterator[tuple[int, str]]:
    return ((index, piece) for index, piece in enumerate(pieces(known.recording.text)) if piece)


def _part(text: _Text, wanted: tuple[str, ...]) -> bytes | None:
    """The recording, whole or in part, if it says this."""
    known, count = text.known, len(wanted)
    held = tuple(piece for _, piece in text.placed)
    if held == wanted:
        return known.recording.pcmu
    for at in range(len(held) - count + 1):
        first, last = text.placed[at][0], text.placed[at + count - 1][0]
        if held[at : at + count] == wanted and (count >= _MIN_PART or _are_sentences(known, first, last)):
            begin, end = known.frames_of(first, last + 1)
            return known.recording.pcmu[begin * FRAME_BYTES : end * FRAME_BYTES]
    return None


def _are_sentences(known: Known, first: int, last: int) -> bool:
    """These pieces of the text begin with a sentence and end with one."""
    return (first == 0 or known.pieces[first - 1].endswith(_ENDS)) and known.pieces[last].endswith(_ENDS)
