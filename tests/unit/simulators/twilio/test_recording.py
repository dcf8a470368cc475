"""The stereo file: caller left, agent right, exact to the sample."""

import struct
import wave
from pathlib import Path

from simulators.people.pcmu import SAMPLES
from simulators.twilio.recording import write_stereo


def test_both_tracks_begin_together_and_the_shorter_is_filled_with_silence(tmp_path: Path) -> None:
    path = tmp_path / "new" / "call.wav"
    write_stereo(path, b"\x80\x10\x20", b"\x30")
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (2, 2, 8000, 3)
        samples = struct.unpack("<6h", file.readframes(3))
    assert samples == (SAMPLES[0x80], SAMPLES[0x30], SAMPLES[0x10], 0, SAMPLES[0x20], 0)
