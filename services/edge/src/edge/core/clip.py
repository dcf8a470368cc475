"""The local clip: two soft notes that say that the line lives."""

import math
from itertools import pairwise
from typing import Final

from common import pcmu


def _encode(sample: int) -> int:
    """One 14-bit sample as G.711 µ-law."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample) + 33, 0x1FFF)
    exponent = magnitude.bit_length() - 6
    mantissa = (magnitude >> (exponent + 1)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def _tone() -> bytes:
    """Two soft notes, a fifth apart, each fading in and out: the line lives, and nobody speaks over it."""
    notes = ((392.0, 0.14), (587.33, 0.16))
    edges = (0.0, notes[0][1], notes[0][1] + notes[1][1])
    samples = bytearray()
    for (begin, end), (frequency, seconds) in zip(pairwise(edges), notes, strict=True):
        for index in range(round((end - begin) * pcmu.SAMPLE_RATE_HZ)):
            at = index / pcmu.SAMPLE_RATE_HZ
            envelope = math.sin(math.pi * at / seconds) ** 2
            samples.append(_encode(round(520 * envelope * math.sin(2 * math.pi * frequency * at))))
    return bytes(samples)


CLIP: Final = _tone()
"""0.3 s of pcmu at about -24 dBm0."""
