"""The tones of keys: heard as a receiver hears them (ITU-T Q.23, Q.24)."""

import math

import numpy as np
import pytest

from common import dtmf
from common.pcmu import BYTES_PER_MS, SAMPLE_RATE_HZ, SILENCE

ALL_KEYS = "0123456789*#ABCD"
_TO_LINEAR = np.array(
    [
        (-1 if code & 0x80 == 0 else 1) * ((((~code & 0x0F) << 3) + 132 << ((~code & 0x70) >> 4)) - 132)
        for code in range(256)
    ]
)


def linear(pcmu: bytes) -> np.ndarray:
    return _TO_LINEAR[np.frombuffer(pcmu, np.uint8)].astype(float)


def power(samples: np.ndarray, hz: int) -> float:
    """Goertzel's: how much of one frequency there is."""
    turns = np.exp(-2j * math.pi * hz / SAMPLE_RATE_HZ * np.arange(len(samples)))
    return float(abs((samples * turns).mean()) ** 2)


def detect(samples: np.ndarray) -> str:
    """The key whose two tones are the strongest of their groups."""
    row = max(dtmf.ROWS_HZ, key=lambda hz: power(samples, hz))
    column = max(dtmf.COLUMNS_HZ, key=lambda hz: power(samples, hz))
    return next(key for key, pair in dtmf.FREQUENCIES_HZ.items() if pair == (row, column))


@pytest.mark.parametrize("key", ALL_KEYS)
def test_each_key_is_its_two_tones_and_hardly_anything_else(key: str) -> None:
    samples = linear(dtmf.tones(key)[: dtmf.TONE_MS * BYTES_PER_MS])
    assert detect(samples) == key
    row_hz, column_hz = dtmf.FREQUENCIES_HZ[key]
    tones = 2 * (power(samples, row_hz) + power(samples, column_hz))
    assert tones > 0.98 * (samples**2).mean()
    twist_db = 10 * math.log10(power(samples, column_hz) / power(samples, row_hz))
    assert -4 < twist_db < 8
    assert np.abs(samples).max() < 32_000


def test_keys_follow_each_other_with_a_gap() -> None:
    pcmu = dtmf.tones("1A#")
    each = (dtmf.TONE_MS + dtmf.GAP_MS) * BYTES_PER_MS
    assert len(pcmu) == 3 * each
    for number, key in enumerate("1A#"):
        part = pcmu[number * each : (number + 1) * each]
        assert detect(linear(part[: dtmf.TONE_MS * BYTES_PER_MS])) == key
        assert part[dtmf.TONE_MS * BYTES_PER_MS :] == SILENCE * (dtmf.GAP_MS * BYTES_PER_MS)


def test_the_keys_are_those_of_the_recommendation() -> None:
    assert dtmf.FREQUENCIES_HZ["1"] == (697, 1209)
    assert dtmf.FREQUENCIES_HZ["0"] == (941, 1336)
    assert dtmf.FREQUENCIES_HZ["D"] == (941, 1633)
    assert set(dtmf.FREQUENCIES_HZ) == set(ALL_KEYS)
    with pytest.raises(KeyError):
        dtmf.tones("x")
