"""WAV files: what can be read is read, what is none is refused, what is begun can be read by others."""

import io
import struct
import wave
from array import array
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.people.pcmu import to_linear
from simulators.people.recordings import load
from simulators.people.wav import WAV_HEADER_BYTES, from_linear, linear_of, read_sound, streamed_header

RAMP = array("h", range(-3000, 3000, 7))


def written(samples: bytes, *, rate_hz: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """As the standard library writes it."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setparams((channels, width, rate_hz, 0, "NONE", ""))
        writer.writeframes(samples)
    return file.getvalue()


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 24_000, 44_100])
def test_pcm_is_read_with_its_rate(rate_hz: int) -> None:
    sound = read_sound(written(linear_of(RAMP), rate_hz=rate_hz))
    assert (sound.rate_hz, sound.samples) == (rate_hz, RAMP)
    assert sound.duration_s == len(RAMP) / rate_hz


def test_mu_law_is_read_as_the_samples_it_means() -> None:
    sound = read_sound((files("simulators.people") / "voices" / "caller-2.wav").read_bytes())
    assert linear_of(sound.samples) == to_linear(load("caller-2").pcmu)


def test_a_streamed_wav_is_read_by_us_and_by_the_standard_library() -> None:
    data = streamed_header(24_000) + linear_of(RAMP)
    assert len(streamed_header(24_000)) == WAV_HEADER_BYTES
    assert read_sound(data).samples == RAMP
    with wave.open(io.BytesIO(data)) as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 24_000)
        assert reader.readframes(len(RAMP)) == linear_of(RAMP)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF",
        b"<html></html>" * 10,
        written(b"\0\0" * 100)[:-10],
        written(b"\0\0\0\0" * 100, channels=2),
        written(b"\0" * 100, width=1),
        b"RIFF\0\0\0\0WAVE",
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", 4) + b"\1\0\1\0data\0\0\0\0",
        b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 0, 0, 2, 16) + b"data\0\0\0\0",
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_sound(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for candidate in (data, b"RIFF\0\0\0\0WAVE" + data, written(b"\0\0")[:36] + data):
        try:
            read_sound(candidate)
        except ValueError:
            continue


@given(st.lists(st.integers(-32_768, 32_767)))
def test_samples_survive_their_bytes(samples: list[int]) -> None:
    assert list(from_linear(linear_of(array("h", samples)))) == samples
