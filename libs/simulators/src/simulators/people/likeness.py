"""Which known recording a sound resembles, when it came through codecs and filters and no byte is as it was.

What is compared is the sign of each sample at 8 kHz, 160 of them for a frame of 20 ms. Filters and quantisation flip
few signs; of two frames of different speech about half differ. A filter may also leave the sound a part of a sample
late, so each recording is known on two sampling grids.
"""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from simulators.people.pcmu import FRAME_BYTES, SAMPLES, is_audible
from simulators.people.recognition import Known, Match, Recognition, Recording, account

FRAME_SAMPLES: Final = FRAME_BYTES
_SIGN_OF: Final = bytes(ord("1" if sample < 0 else "0") for sample in SAMPLES)
_GRIDS: Final = 2
_KEY_BITS: Final = 64
_KEY_STEP: Final = 16
"""A key is kept for each so many samples of a recording."""
_MIN_CHANGES: Final = 5
"""Sign changes of a key worth keeping: hums are alike."""
_MAX_HOLDERS: Final = 4
_MIN_VOTES: Final = 3
"""Keys that must agree on where a recording begins before its frames are compared there."""
_MOST_BEGINNINGS: Final = 100
_MOST_FLIPPED: Final = 40
"""Signs of a frame that may differ."""
_MOST_OVERLAP_SAMPLES: Final = FRAME_SAMPLES // 4
"""What two frames that were heard may share."""
_MIN_FRAMES: Final = 8
"""Less than 160 ms of a recording is chance …"""
_MOST_MISSING_FRAMES: Final = 5
"""… and so are frames with more than these audible ones missing between them."""


@dataclass(frozen=True, slots=True)
class _Print:
    """A recording on one grid: the signs of all of it, and of each audible frame."""

    number: int
    signs: str
    frames: Sequence[tuple[int, int]]


class Likeness:
    """Knows recordings by their signs. Safe to share; call `prepare` first: the index takes a while to make."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self.known = tuple(Known(recording, tuple(_audible(recording.pcmu))) for recording in recordings)
        """The recordings with their audible frames."""

    def recognise(self, samples: Sequence[int]) -> Recognition:
        """What is said in these samples at 8 kHz, which may begin anywhere."""
        return account(self.known, self._matches(_signs(samples)))

    def recognise_pcmu(self, pcmu: bytes) -> Recognition:
        """What is said in µ-law audio, as after a transcoding that the byte by byte `Recogniser` cannot follow."""
        return account(self.known, self._matches(pcmu.translate(_SIGN_OF).decode()))

    def prepare(self) -> None:
        """Make the index now."""
        _ = self._index

    @cached_property
    def _prints(self) -> tuple[_Print, ...]:
        return tuple(_print(n, known, grid) for n, known in enumerate(self.known) for grid in range(_GRIDS))

    @cached_property
    def _index(self) -> dict[str, list[tuple[int, int]]]:
        """Which prints hold a key, and at which sample."""
        index: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, one in enumerate(self._prints):
            for frame, _ in one.frames:
                for at in range(frame * FRAME_SAMPLES, (frame + 1) * FRAME_SAMPLES, _KEY_STEP):
                    key = one.signs[at : at + _KEY_BITS]
                    if len(key) == _KEY_BITS and _changes(key) >= _MIN_CHANGES:
                        index[key].append((number, at))
        return {key: holders for key, holders in index.items() if len(holders) <= _MAX_HOLDERS}

    def _matches(self, signs: str) -> list[Match]:
        """The frames that are there, in the order heard. What was heard is explained once, by what fits most of it."""
        explained = bytearray(len(signs))
        found: list[Match] = []
        alignments = [self._compared(signs, *beginning) for beginning in self._beginnings(signs)]
        for alignment in sorted(alignments, key=len, reverse=True):
            if len(alignment) < _MIN_FRAMES:
                break
            new = [match for match in alignment if explained.count(1, *_stretch(match)) <= _MOST_OVERLAP_SAMPLES]
            for match in _without_strays(new, self.known[alignment[0].recording].frames):
                found.append(match)
                explained[slice(*_stretch(match))] = b"\x01" * FRAME_SAMPLES
        return sorted(found)

    def _beginnings(self, signs: str) -> Iterator[tuple[int, int]]:
        """Prints, and where in the audio their first sample would be."""
        votes: Counter[tuple[int, int]] = Counter()
        index = self._index
        for at in range(len(signs) - _KEY_BITS + 1):
            for number, held_at in index.get(signs[at : at + _KEY_BITS], ()):
                votes[number, at - held_at] += 1
        return (beginning for beginning, count in votes.most_common(_MOST_BEGINNINGS) if count >= _MIN_VOTES)

    def _compared(self, signs: str, number: int, begin: int) -> list[Match]:
        """The frames of a print that are where they should be if it begins there."""
        one = self._prints[number]
        matches: list[Match] = []
        for frame, held in one.frames:
            at = begin + frame * FRAME_SAMPLES
            if 0 <= at <= len(signs) - FRAME_SAMPLES:
                flipped = (int(signs[at : at + FRAME_SAMPLES], 2) ^ held).bit_count()
                if flipped <= _MOST_FLIPPED:
                    matches.append(Match(at, one.number, frame))
        return matches


def _print(number: int, known: Known, grid: int) -> _Print:
    """The recording as if sampled `grid` parts of a sample later, which a straight line tells well enough for signs."""
    pcmu = known.recording.pcmu
    signs = pcmu.translate(_SIGN_OF).decode()
    if grid:
        samples = [SAMPLES[byte] for byte in pcmu]
        pairs = zip(samples, [*samples[1:], 0], strict=True)
        signs = _signs((_GRIDS - grid) * sample + grid * following for sample, following in pairs)
    frames = [(frame, int(signs[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES], 2)) for frame in known.frames]
    return _Print(number, signs, frames)


def _without_strays(matches: Sequence[Match], audible: Sequence[int]) -> list[Match]:
    """Those of one alignment that stand close together among the recording's audible frames."""
    kept: list[Match] = []
    run: list[Match] = []
    for match in matches:
        if run and bisect_left(audible, match.frame) - bisect_left(audible, run[-1].frame) > _MOST_MISSING_FRAMES:
            kept += run if len(run) >= _MIN_FRAMES else []
            run = []
        run.append(match)
    return kept + (run if len(run) >= _MIN_FRAMES else [])


def _stretch(match: Match) -> tuple[int, int]:
    return match.at_byte, match.at_byte + FRAME_SAMPLES


def _signs(samples: Iterable[int]) -> str:
    return "".join("1" if sample < 0 else "0" for sample in samples)


def _changes(key: str) -> int:
    return key.count("01") + key.count("10")


def _audible(pcmu: bytes) -> Iterator[int]:
    whole = len(pcmu) // FRAME_BYTES
    return (i for i in range(whole) if is_audible(pcmu[i * FRAME_BYTES : (i + 1) * FRAME_BYTES]))
