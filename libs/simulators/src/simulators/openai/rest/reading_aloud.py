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

_SENTENCE: Final = re.compile(r"\S.*?(?:[.!?…](?=\s)|[。！？]|\n|\Z)\s*", re.DOTALL)
_ENDS: Final = (".", "!", "?", "…", "。", "！", "？")
_PAUSE: Final = bytes([SILENCE]) * (120 * BYTES_PER_MS)
_MIN_PART: Final = 3
"""Pieces (words or characters) from which anything else than whole sentences of a recording may stand for one."""


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
        parts = list(self._parts(text))
        names = tuple(name for _, name in parts if name is not None)
        return Spoken(_PAUSE.join(pcmu for pcmu, _ in parts), names)

    def _parts(self, text: str) -> Iterator[tuple[bytes, str | None]]:
        """Audio, and the recording it is from."""
        ends = [match.end() for match in _SENTENCE.finditer(text)]
        start = 0
        while start < len(ends):
            begin = ends[start - 1] if start else 0
            for end in range(len(ends), start, -1):
                part = self._recorded(text[begin : ends[end - 1]])
                if part is not None or end == start + 1:
                    break
            yield part or (tone(text[begin : ends[start]]).pcmu, None)
            start = end

    def _recorded(self, text: str) -> tuple[bytes, str] | None:
        wanted = wording(text)
        for known in self._known:
            pcmu = _part(known, wanted)
            if pcmu is not None:
                return pcmu, known.recording.name
        return None


def _part(known: Known, wanted: Sequence[str]) -> bytes | None:
    """The recording, whole or in part, if it says this."""
    placed = [(index, piece) for index, piece in enumerate(pieces(known.recording.text)) if piece]
    held, count = [piece for _, piece in placed], len(wanted)
    if held == list(wanted):
        return known.recording.pcmu
    for at in range(len(held) - count + 1) if wanted else ():
        first, last = placed[at][0], placed[at + count - 1][0]
        if held[at : at + count] == list(wanted) and (count >= _MIN_PART or _are_sentences(known, first, last)):
            begin, end = known.frames_of(first, last + 1)
            return known.recording.pcmu[begin * FRAME_BYTES : end * FRAME_BYTES]
    return None


def _are_sentences(known: Known, first: int, last: int) -> bool:
    """These pieces of the text begin with a sentence and end with one."""
    return (first == 0 or known.pieces[first - 1].endswith(_ENDS)) and known.pieces[last].endswith(_ENDS)
