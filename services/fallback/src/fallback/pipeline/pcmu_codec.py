"""µ-law to samples and back (ITU-T G.711), for the stages that want samples."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from common.pcmu import from_linear

_BIAS: Final = 0x84


def _decoding_table() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + _BIAS) << exponent) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encoding_table() -> NDArray[np.uint8]:
    """By the sample's value, the lowest first."""
    samples = np.arange(-32_768, 32_768, dtype="<i2")
    return np.frombuffer(from_linear(samples.tobytes()), dtype=np.uint8)


_DECODED: Final = _decoding_table()
_ENCODED: Final = _encoding_table()
_FLOATS: Final = (_DECODED / 32_768).astype(np.float32)


def to_samples(pcmu: bytes) -> NDArray[np.int16]:
    """16-bit samples at 8 kHz."""
    return _DECODED[np.frombuffer(pcmu, dtype=np.uint8)]


def to_floats(pcmu: bytes) -> NDArray[np.float32]:
    """Samples from -1 to 1 at 8 kHz."""
    return _FLOATS[np.frombuffer(pcmu, dtype=np.uint8)]


def from_samples(samples: NDArray[np.int16]) -> bytes:
    """pcmu of 16-bit samples at 8 kHz."""
    return _ENCODED[samples.astype(np.int32) + 32_768].tobytes()
