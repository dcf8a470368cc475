"""The tones of a telephone's keys as pcmu (ITU-T Q.23): each key is two sines, one of its row and one of its column."""

import math
import struct
from functools import cache
from typing import Final

from common.pcmu import BYTES_PER_MS, SAMPLE_RATE_HZ, from_linear, silence

ROWS_HZ: Final = (697, 770, 852, 941)
COLUMNS_HZ: Final = (1209, 1336, 1477, 1633)
_KEYS: Final = ("123A", "456B", "789C", "*0#D")
FREQUENCIES_HZ: Final = {
    key: (row_hz, column_hz)
    for row, row_hz in zip(_KEYS, ROWS_HZ, strict=True)
    for key, column_hz in zip(row, COLUMNS_HZ, strict=True)
}
"""The two tones of each key."""

TONE_MS: Final = 100
GAP_MS: Final = 60
"""Receivers want at least 40 ms of each (ITU-T Q.24); networks shorten both."""
_ROW_PEAK: Final = 8_000
_COLUMN_PEAK: Final = 10_000
"""About -9 and -7 dBm0: lines damp the higher tone more."""


def tones(keys: str) -> bytes:
    """The keys one after the other, each followed by a gap. Raises `KeyError` for anything but 0-9, *, #, A-D."""
    return b"".join(_tone(*FREQUENCIES_HZ[key]) + silence(GAP_MS) for key in keys)


@cache
def _tone(row_hz: int, column_hz: int) -> bytes:
    row, column = (2 * math.pi * hz / SAMPLE_RATE_HZ for hz in (row_hz, column_hz))
    samples = [
        round(_ROW_PEAK * math.sin(row * at) + _COLUMN_PEAK * math.sin(column * at))
        for at in range(TONE_MS * BYTES_PER_MS)
    ]
    return from_linear(struct.pack(f"<{len(samples)}h", *samples))
