"""How loud each channel of a WAV file is: listening by looking."""

import math
import wave
from array import array
from pathlib import Path

from common.errors import TrunklineError


def loudness(path: Path) -> list[float]:
    """Root mean square of each channel of a 16-bit WAV, on the scale of its samples (0 to 32767)."""
    try:
        with wave.open(str(path), "rb") as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            samples = array("h", file.readframes(file.getnframes()))
    except (OSError, EOFError, wave.Error, ValueError) as error:
        raise TrunklineError(f"the recording {path} cannot be read: {error}") from None
    if width != 2:
        raise TrunklineError(f"the recording {path} has {8 * width}-bit samples, expected 16")
    return [_rms(samples[channel::channels]) for channel in range(channels)]


def _rms(samples: "array[int]") -> float:
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples)) if samples else 0.0
