"""What a text sounds like: the recording that says it, the part of one that does, or a tone as long as the text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from simulators.openai.voices import tone
from simulators.people.likeness import Likeness
from simulators.people.pcmu import BYTES_PER_MS, FRAME_BYTES, SILENCE
from simulators.people.recognition import Known
from simulators.people.wording import pieces, wording

_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_PAUSE: Final = bytes([SILENCE]) * (120 * BYTES_PER_MS)
_MIN_PART: Final = 3
"""Pieces (words or characters) from which a part of a recording may stand for a sentence."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """Audio at 8 kHz, and the recordings it comes from."""

    pcmu: bytes
    recordings: tuple[str, ...]


class Reader:
    """Reads texts with the voices of the recordings."""

    def __init__(self, likeness: Likeness) -> None:
        self._known = likeness.known

    def read(self, text: str) -> Spoken:
        """As few recordings as possible; sentences that none holds are tones."""
        parts = list(self._parts([part.strip() for part in _SENTENCE.split(text) if part.strip()]))
        names = tuple(name for _, name in parts if name is not None)
        return Spoken(_PAUSE.join(pcmu for pcmu, _ in parts), names)

    def _parts(self, sentences: Sequence[str]) -> Iterator[tuple[bytes, str | None]]:
        start = 0
        while start < len(sentences):
            end, part = self._longest(sentences, start)
            yield part
            start = end

    def _longest(self, sentences: Sequence[str], start: int) -> tuple[int, tuple[bytes, str | None]]:
        """The most sentences from `start` on that one recording holds, and how they sound."""
        for end in range(len(sentences), start, -1):
            wanted = wording(" ".join(sentences[start:end]))
            for known in self._known:
                pcmu = _part(known, wanted)
                if pcmu is not None:
                    return end, (pcmu, known.recording.name)
        return start + 1, (tone(sentences[start]).pcmu, None)


def _part(known: Known, wanted: Sequence[str]) -> bytes | None:
    """The recording, whole or in part, if it says this."""
    placed = [(index, piece) for index, piece in enumerate(pieces(known.recording.text)) if piece]
    held = tuple(piece for _, piece in placed)
    if not wanted or len(wanted) > len(held):
        return None
    if held == tuple(wanted):
        return known.recording.pcmu
    for at in range(len(held) - len(wanted) + 1):
        if len(wanted) >= _MIN_PART and held[at : at + len(wanted)] == tuple(wanted):
            first, end = known.frames_of(placed[at][0], placed[at + len(wanted) - 1][0] + 1)
            return known.recording.pcmu[first * FRAME_BYTES : end * FRAME_BYTES]
    return None
