"""Which known recording a piece of pcmu audio is: frame by frame, so that losing, doubling or reordering shows.

Audio is never transcoded on the way, so a 20 ms frame of a recording arrives as the very bytes that were played, but
for their lowest bits, which may carry a watermark and are left out of the comparison.
A frame counts as evidence only if its bytes occur once among all recordings; silence and repeated frames are ignored.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from simulators.people.pcmu import BYTES_PER_MS, FRAME_BYTES, FRAME_MS
from simulators.people.watermark import unmarked
from simulators.people.wording import parts

_AGAIN_FRAMES: Final = 10
"""A recording that starts over within its first 200 ms may be a second telling of it …"""
_AGAIN_AFTER: Final = 0.8
"""… if this much of it was heard before, or …"""
_AGAIN_PAUSE_MS: Final = 300
"""… if the caller was quiet for this long. Anything else that comes twice is a duplicate."""


class Recording(Protocol):
    """What can be recognised: `pcmu` is 8 kHz mono µ-law, `text` what is said in it."""

    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def pcmu(self) -> bytes: ...


class Match(NamedTuple):
    """One frame that was recognised: where it was heard (byte offset), and which frame of which recording it is."""

    at_byte: int
    recording: int
    frame: int


@dataclass(frozen=True, slots=True)
class Span:
    """One telling of a recording, from its first to its last heard frame (frames of 20 ms, counted from 0)."""

    name: str
    text: str
    first_frame: int
    last_frame: int
    at_ms: float
    """Where in the audio the first of these frames was heard."""
    until_ms: float
    """Where the last of them ended."""
    matched_frames: int
    """Distinct frames heard."""
    expected_frames: int
    """Frames of the recording that can be recognised at all."""
    missing: tuple[int, ...]
    """Recognisable frames between the first and the last that were never heard."""
    duplicates: int
    in_order: bool


@dataclass(frozen=True, slots=True)
class Recognition:
    """What was heard; `text` is "" when nothing known was."""

    text: str
    spans: tuple[Span, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The recordings that were told, in their order."""
        return tuple(dict.fromkeys(span.name for span in self.spans))

    @property
    def matched_frames(self) -> int:
        """Distinct frames heard, over all tellings."""
        return sum(span.matched_frames for span in self.spans)

    @property
    def expected_frames(self) -> int:
        """Recognisable frames of the recordings that were heard at all, once for each telling."""
        return sum(span.expected_frames for span in self.spans)

    @property
    def in_order(self) -> bool:
        """No frame was heard before an earlier one of its recording."""
        return all(span.in_order for span in self.spans)

    @property
    def duplicates(self) -> int:
        """Frames heard more than once."""
        return sum(span.duplicates for span in self.spans)

    @property
    def missing_frames(self) -> int:
        """Frames lost between the first and the last heard frame of each telling."""
        return sum(len(span.missing) for span in self.spans)


class Known:
    """One recording and those of its frames that identify it."""

    def __init__(self, recording: Recording, frames: Sequence[int]) -> None:
        self.recording = recording
        self.frames = frames

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """The text cut where a partly heard recording may be cut: words, or characters where words are not spaced."""
        return parts(self.recording.text)

    def text_between(self, first_frame: int, last_frame: int) -> str:
        """The part of the text whose pieces, spread evenly over the speech, have their middle in the heard frames."""
        if not self.frames:
            return ""
        begin, length = self.frames[0], self.frames[-1] - self.frames[0] + 1
        count = len(self.pieces)
        heard = [
            piece
            for index, piece in enumerate(self.pieces)
            if first_frame - begin <= (index + 0.5) / count * length < last_frame - begin + 1
        ]
        return (" " if " " in self.recording.text else "").join(heard)

    def frames_of(self, first_piece: int, end_piece: int) -> tuple[int, int]:
        """First frame of some pieces of the text, and the frame after their last: what `text_between` reads back."""
        begin, length = self.frames[0], self.frames[-1] - self.frames[0] + 1
        count = len(self.pieces)
        return begin + first_piece * length // count, begin + -(-end_piece * length // count)


class Recogniser:
    """Knows recordings by their frames. Safe to share: it holds no state of any audio."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self.recordings = tuple(recordings)
        times = Counter(frame for recording in self.recordings for _, frame in _frames(recording.pcmu))
        self._index: dict[bytes, tuple[int, int]] = {}
        self._known: list[Known] = []
        for number, recording in enumerate(self.recordings):
            telling = [(i, frame) for i, frame in _frames(recording.pcmu) if times[frame] == 1]
            telling = [(i, frame) for i, frame in telling if len(set(frame)) > 1]
            self._index.update({frame: (number, i) for i, frame in telling})
            self._known.append(Known(recording, [i for i, _ in telling]))

    def recognise(self, pcmu: bytes) -> Recognition:
        """What is said in `pcmu`. Frames may begin at any byte, and the offset may change within the audio."""
        return account(self._known, self.matches(pcmu))

    def matches(self, pcmu: bytes) -> list[Match]:
        """Every recognised frame, in the order heard."""
        pcmu = unmarked(pcmu)
        found: list[Match] = []
        at, end = 0, len(pcmu) - FRAME_BYTES
        while at <= end:
            hit = self._index.get(pcmu[at : at + FRAME_BYTES])
            if hit is None and not _is_flat(pcmu, at):
                shift = self._shift(pcmu, at, min(end, at + FRAME_BYTES - 1))
                if shift is not None:
                    at = shift
                    hit = self._index[pcmu[at : at + FRAME_BYTES]]
            if hit is not None:
                found.append(Match(at, *hit))
            at += FRAME_BYTES
        return found

    def _shift(self, pcmu: bytes, at: int, last: int) -> int | None:
        """Where, up to `last`, the next known frame begins."""
        index = self._index
        return next((start for start in range(at + 1, last + 1) if pcmu[start : start + FRAME_BYTES] in index), None)


def account(known: Sequence[Known], matches: Sequence[Match], *, at_least: int = 1) -> Recognition:
    """What frames found in the order heard add up to; tellings of fewer than `at_least` frames are left out."""
    tellings = (group for group in _tellings(known, matches) if len(group) >= at_least)
    spans = tuple(_span(known[group[0].recording], group) for group in tellings)
    return Recognition(" ".join(span.text for span in spans if span.text), spans)


def _tellings(known: Sequence[Known], matches: Sequence[Match]) -> Iterator[list[Match]]:
    """Group matches by telling, ordered by where each began."""
    running: dict[int, list[Match]] = {}
    groups: list[list[Match]] = []
    for match in matches:
        group = running.get(match.recording)
        if group is None or _begins_again(known[match.recording], group, match):
            group = running[match.recording] = []
            groups.append(group)
        group.append(match)
    return iter(groups)


def _begins_again(known: Known, group: Sequence[Match], match: Match) -> bool:
    if match.frame > group[-1].frame or bisect_left(known.frames, match.frame) >= _AGAIN_FRAMES:
        return False
    pause_ms = (match.at_byte - group[-1].at_byte) / BYTES_PER_MS - FRAME_MS
    heard = len({earlier.frame for earlier in group}) / len(known.frames)
    return heard >= _AGAIN_AFTER or pause_ms >= _AGAIN_PAUSE_MS


def _span(known: Known, group: Sequence[Match]) -> Span:
    heard = {match.frame for match in group}
    first, last = min(heard), max(heard)
    return Span(
        name=known.recording.name,
        text=known.text_between(first, last),
        first_frame=first,
        last_frame=last,
        at_ms=group[0].at_byte / BYTES_PER_MS,
        until_ms=(group[-1].at_byte + FRAME_BYTES) / BYTES_PER_MS,
        matched_frames=len(heard),
        expected_frames=len(known.frames),
        missing=tuple(frame for frame in known.frames if first < frame < last and frame not in heard),
        duplicates=len(group) - len(heard),
        in_order=all(before.frame <= after.frame for before, after in pairwise(group)),
    )


def _frames(pcmu: bytes) -> Iterator[tuple[int, bytes]]:
    pcmu = unmarked(pcmu)
    for index in range(len(pcmu) // FRAME_BYTES):
        yield index, pcmu[index * FRAME_BYTES : (index + 1) * FRAME_BYTES]


def _is_flat(pcmu: bytes, at: int) -> bool:
    """True if the two frames from `at` on are one constant value: then no known frame can begin in the first."""
    window = pcmu[at : at + 2 * FRAME_BYTES]
    return window.count(window[:1]) == len(window)
