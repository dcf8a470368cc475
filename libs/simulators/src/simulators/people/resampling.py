"""Bring 16-bit samples from a multiple of 8 kHz to the telephone's rate, and back up.

Downwards a windowed sinc lets little above 4 kHz fold back. Upwards a cubic curve is laid through the samples, cheap
and good enough for speech: every given sample stays as it is, so whoever takes each n-th has exactly what was given.
"""

import math
from array import array
from collections.abc import Iterable, Sequence
from functools import cache
from operator import mul
from typing import Final

PHONE_RATE_HZ: Final = 8000
_LOBES: Final = 6
"""Zero crossings of the sinc on each side."""
_MIN, _MAX = -32768, 32767


def to_phone_rate(samples: Sequence[int], rate_hz: int) -> "array[int]":
    """The same sound at 8 kHz; raise ValueError unless `rate_hz` is a multiple of that."""
    factor = _factor(rate_hz)
    if factor == 1:
        return array("h", samples)
    taps = _low_pass(factor)
    reach, count = len(taps) // 2, len(taps)
    padded = [0] * reach + list(samples) + [0] * reach
    return _limited(sum(map(mul, taps, padded[at : at + count])) for at in range(0, len(samples), factor))


def from_phone_rate(samples: Sequence[int], rate_hz: int) -> "array[int]":
    """The same sound at a multiple of 8 kHz; each `factor`-th sample is one of those given."""
    factor = _factor(rate_hz)
    filled = array("h", bytes(2 * factor * len(samples)))
    filled[::factor] = array("h", samples)
    if not samples:
        return filled
    before, after = [samples[0], *samples[:-1]], [*samples[1:], samples[-1]]
    last = [*after[1:], samples[-1]]
    for phase in range(1, factor):
        a, b, c, d = _cubic(phase / factor)
        neighbours = zip(before, samples, after, last, strict=True)
        filled[phase::factor] = _limited(a * p + b * q + c * r + d * s for p, q, r, s in neighbours)
    return filled


def _factor(rate_hz: int) -> int:
    if rate_hz <= 0 or rate_hz % PHONE_RATE_HZ:
        raise ValueError(f"{rate_hz} Hz is no multiple of {PHONE_RATE_HZ} Hz")
    return rate_hz // PHONE_RATE_HZ


@cache
def _low_pass(factor: int) -> tuple[float, ...]:
    """A sinc that cuts at 4 kHz under a raised cosine; together its taps are about 1."""
    reach = _LOBES * factor - 1
    return tuple(_tap(offset / factor) / factor for offset in range(-reach, reach + 1))


def _tap(at: float) -> float:
    if at == 0:
        return 1.0
    return math.sin(math.pi * at) / (math.pi * at) * (0.54 + 0.46 * math.cos(math.pi * at / _LOBES))


@cache
def _cubic(t: float) -> tuple[float, float, float, float]:
    """Catmull and Rom's weights of the four samples around a place `t` between the middle two."""
    return (
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )


def _limited(values: Iterable[float]) -> "array[int]":
    return array("h", [_MIN if value < _MIN else _MAX if value > _MAX else int(value) for value in values])
