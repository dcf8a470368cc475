"""The audio of replies: a recording by name, or a speech-like tone when there is none."""

import base64
import hashlib
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from simulators.people.pcmu import BYTES_PER_MS, SAMPLES, SILENCE
from simulators.people.recognition import Recording

_SYLLABLE_MS: Final = 160
_GAP_MS: Final = 40
_MS_PER_CHARACTER: Final = 65
"""English is spoken at about fifteen characters a second."""
_MIN_TONE_MS: Final = 400
_PITCHES_HZ: Final = (110, 124, 139, 147, 165, 185, 196, 220)


@dataclass(frozen=True, slots=True)
class Voice:
    """Audio to speak, and the text it says (empty for tones: they say whatever is asked)."""

    pcmu: bytes
    text: str = ""

    @property
    def duration_ms(self) -> int:
        """How long it sounds."""
        return len(self.pcmu) // BYTES_PER_MS

    def deltas(self, delta_ms: int) -> tuple[str, ...]:
        """The audio in base64 pieces of `delta_ms`, the last one shorter."""
        return _deltas(self.pcmu, delta_ms)


class Voices:
    """Every voice a script can name."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        self._voices: Mapping[str, Voice] = {r.name: Voice(r.pcmu, r.text) for r in recordings}

    @property
    def names(self) -> tuple[str, ...]:
        """The names a script may use."""
        return tuple(self._voices)

    def named(self, name: str) -> Voice:
        """The recording of this name; KeyError if there is none."""
        return self._voices[name]


@lru_cache(maxsize=256)
def _deltas(pcmu: bytes, delta_ms: int) -> tuple[str, ...]:
    size = delta_ms * BYTES_PER_MS
    return tuple(base64.b64encode(pcmu[start : start + size]).decode() for start in range(0, len(pcmu), size))


def tone(text: str, length_ms: int | None = None) -> Voice:
    """A tone in syllables, the same for the same text, as long as the text would take to say (or `length_ms`)."""
    wanted_ms = length_ms or max(_MIN_TONE_MS, len(text) * _MS_PER_CHARACTER)
    return Voice(_tone(text, wanted_ms))


@lru_cache(maxsize=256)
def _tone(text: str, length_ms: int) -> bytes:
    melody = hashlib.blake2b(text.encode()).digest()
    count = -(-length_ms // (_SYLLABLE_MS + _GAP_MS))
    gap = bytes([SILENCE]) * (_GAP_MS * BYTES_PER_MS)
    syllables = (_syllable(melody[i % len(melody)] % len(_PITCHES_HZ)) + gap for i in range(count))
    return b"".join(syllables)[: length_ms * BYTES_PER_MS]


@cache
def _syllable(pitch: int) -> bytes:
    """One vowel-like sound: a few harmonics under a rounded envelope, peaking near -12 dBFS."""
    hz, samples = _PITCHES_HZ[pitch], _SYLLABLE_MS * BYTES_PER_MS
    return bytes(
        _encode(
            6000
            * math.sin(math.pi * i / samples) ** 0.5
            * sum(math.sin(2 * math.pi * hz * h * i / 8000) / h for h in (1, 2, 3, 5))
            / 1.5
        )
        for i in range(samples)
    )


_BY_SAMPLE: Final = sorted((sample, byte) for byte, sample in enumerate(SAMPLES))


def _encode(sample: float) -> int:
    """The µ-law byte nearest above a 16-bit sample."""
    return _BY_SAMPLE[min(bisect_left(_BY_SAMPLE, (int(sample), -1)), len(_BY_SAMPLE) - 1)][1]
