"""Whether a frame of pcmu is loud enough to be somebody who speaks: enough to be polite, not enough to take turns."""

from typing import Final

LOUD: Final = 100
"""Mean magnitude of a frame of speech, of 8031: -38 dB. Lines are mostly below a fifth of it."""
_STEP: Final = 8


def _magnitude(code: int) -> int:
    """Of one G.711 µ-law byte: 0 to 8031 (ITU-T G.711, table 2)."""
    exponent, mantissa = (~code >> 4) & 0x07, ~code & 0x0F
    return ((2 * mantissa + 33) << exponent) - 33


_STEPS: Final = bytes(min(0xFF, _magnitude(code) // _STEP) for code in range(256))
"""Each byte's magnitude in steps, so that a frame is measured without a loop."""


def is_loud(pcmu: bytes) -> bool:
    """True if the mean magnitude of `pcmu` (any length) is that of speech."""
    return sum(pcmu.translate(_STEPS)) * _STEP > LOUD * len(pcmu)
