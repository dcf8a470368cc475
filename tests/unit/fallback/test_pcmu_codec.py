"""The table codec of the pipeline, against G.711's own values and two independent implementations."""

import numpy as np
import pytest

from common import pcmu
from fallback.pipeline.pcmu_codec import from_samples, to_floats, to_samples
from simulators.people.pcmu import SAMPLES

EVERY_CODE = bytes(range(256))


@pytest.mark.parametrize(
    ("code", "sample"),
    [
        (0xFF, 0),
        (0x7F, 0),
        (0x80, 32_124),
        (0x00, -32_124),
        (0xFE, 8),
        (0x7E, -8),
        (0xF0, 120),
        (0xEF, 132),
        (0x8F, 16_764),
    ],
)
def test_a_code_has_the_value_of_the_standard(code: int, sample: int) -> None:
    """ITU-T G.711 table 2a: decision values at 14 bits, here at 16."""
    assert to_samples(bytes([code])).tolist() == [sample]


def test_every_code_decodes_as_it_does_elsewhere() -> None:
    assert tuple(to_samples(EVERY_CODE).tolist()) == SAMPLES


def test_every_sample_encodes_as_it_does_elsewhere() -> None:
    every = np.arange(-32_768, 32_768, dtype=np.int32).astype(np.int16)
    assert from_samples(every) == pcmu.from_linear(every.astype("<i2").tobytes())


def test_there_and_back_changes_nothing_but_the_second_zero() -> None:
    there_and_back = from_samples(to_samples(EVERY_CODE))
    assert there_and_back == EVERY_CODE.replace(b"\x7f", b"\xff")


def test_no_sample_is_off_by_more_than_half_a_step() -> None:
    every = np.arange(-32_124, 32_125, dtype=np.int32)
    decoded = to_samples(from_samples(every.astype(np.int16))).astype(np.int32)
    steps = 8 << np.clip(np.floor(np.log2(np.abs(every) + 132)).astype(np.int32) - 7, 0, 7)
    assert (np.abs(decoded - every) <= steps).all()


def test_floats_are_the_samples_between_one_and_minus_one() -> None:
    floats = to_floats(EVERY_CODE)
    assert floats.dtype == np.float32
    assert np.allclose(floats * 32_768, to_samples(EVERY_CODE))


def test_nothing_is_nothing() -> None:
    assert from_samples(to_samples(b"")) == b""
