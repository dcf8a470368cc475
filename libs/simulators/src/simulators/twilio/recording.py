"""Write what both sides of a call heard as a stereo WAV: the caller left, the agent as heard right."""

import wave
from pathlib import Path

from simulators.people.pcmu import SILENCE, to_linear
from simulators.people.wav import SAMPLE_RATE_HZ


def write_stereo(path: Path, caller: bytes, heard: bytes) -> None:
    """Two µ-law tracks that begin together, as 16-bit PCM; the shorter one is filled up with silence."""
    length = max(len(caller), len(heard))
    tracks = bytearray(4 * length)
    for side, pcmu in enumerate((caller, heard)):
        linear = to_linear(pcmu.ljust(length, bytes([SILENCE])))
        tracks[2 * side :: 4] = linear[0::2]
        tracks[2 * side + 1 :: 4] = linear[1::2]
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(bytes(tracks))
