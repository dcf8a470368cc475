"""G.711 µ-law arithmetic: the codec of every audio path (8 kHz, one byte a sample; ITU-T G.711)."""

import struct
from functools import cache
from typing import Final

SAMPLE_RATE_HZ: Final = 8000
BYTES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
FRAME_MS: Final = 20
FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
SILENCE: Final = b"\xff"


def duration_ms(pcmu: bytes) -> int:
    """Whole milliseconds of audio in `pcmu`."""
    return len(pcmu) // BYTES_PER_MS


def silence(ms: int) -> bytes:
    """`ms` milliseconds of digital silence."""
    return SILENCE * (ms * BYTES_PER_MS)


def from_linear(samples: bytes) -> bytes:
    """16-bit little-endian linear PCM as pcmu. Raises `ValueError` for half a sample."""
    if len(samples) % 2:
        raise ValueError("16-bit samples cannot fill an odd number of bytes")
    return bytes(map(_codes().__getitem__, struct.unpack(f"<{len(samples) // 2}H", samples)))


@cache
def _codes() -> bytes:
    """The code of every 16-bit number, negative ones behind the others; made when first needed."""
    of_magnitudes = bytes(_code(magnitude) for magnitude in range(0x2001))
    numbers = (*range(0x8000), *range(-0x8000, 0))
    return bytes(
        of_magnitudes[(number if number >= 0 else -number) >> 2] & (0xFF if number >= 0 else 0x7F) for number in numbers
    )


def _code(magnitude: int) -> int:
    """Of a positive number of 14 bits (ITU-T G.711, table 2a)."""
    biased = min(magnitude + 33, 0x1FFF)
    exponent = biased.bit_length() - 6
    mantissa = (biased >> (exponent + 1)) & 0x0F
    return ~(exponent << 4 | mantissa) & 0xFF
