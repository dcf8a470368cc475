"""WAV files: what others write is read, what is wrong is said, and what we write others can read."""

import contextlib
import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import pcmu, wav


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(
        name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2) for name, content in chunks
    )
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def form(tag: int, *, channels: int = 1, rate_hz: int = 8_000, bits: int = 8) -> bytes:
    width = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * width, width, bits)


SPEECH = bytes(range(256))


def test_mulaw_is_read_as_it_is_whatever_else_the_file_holds() -> None:
    data = riff((b"LIST", b"abc"), (b"fmt ", form(7) + b"\0\0"), (b"fact", b"\0\1\0\0"), (b"data", SPEECH))
    assert wav.read(data) == SPEECH


def test_linear_samples_are_encoded() -> None:
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
        file.writeframes(struct.pack("<5h", 0, 32_767, -32_768, 1_000, -1_000))
    assert wav.read(written.getvalue()) == bytes([0xFF, 0x80, 0x00, 0xCE, 0x4E])


def test_the_extensible_format_is_understood() -> None:
    extension = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + b"\0" * 14
    data = riff((b"fmt ", form(0xFFFE, bits=16) + extension), (b"data", b"\0\0" * 3))
    assert wav.read(data) == b"\xff" * 3


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not a WAV file"),
        (b"RIFF\0\0\0\0AVI " + b"\0" * 40, "not a WAV file"),
        (riff((b"fmt ", form(7))), "without"),
        (riff((b"data", SPEECH)), "without"),
        (riff((b"fmt ", form(7)[:10]), (b"data", SPEECH)), "without"),
        (riff((b"fmt ", form(7, rate_hz=16_000)), (b"data", SPEECH)), "16000 Hz, expected 8000"),
        (riff((b"fmt ", form(7, channels=2)), (b"data", SPEECH)), "2 channels, expected one"),
        (riff((b"fmt ", form(6)), (b"data", SPEECH)), "format 6 with 8 bits"),
        (riff((b"fmt ", form(1, bits=8)), (b"data", SPEECH)), "format 1 with 8 bits"),
        (riff((b"fmt ", form(1, bits=16)), (b"data", b"\0\0\0")), "odd number of bytes"),
        (riff((b"fmt ", form(7)), (b"data", SPEECH))[:-1], "cut short"),
        (riff((b"fmt ", form(0xFFFE, bits=16)), (b"data", b"\0\0")), "format 65534"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        wav.read(data)


@given(st.binary(max_size=200))
def test_whatever_follows_the_head_of_a_file_nothing_but_a_value_error_is_raised(rest: bytes) -> None:
    for data in (rest, b"RIFF\0\0\0\0WAVE" + rest, b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + rest):
        with contextlib.suppress(ValueError):
            assert len(wav.read(data)) <= len(data)


@given(st.binary(max_size=99))
def test_what_we_write_we_read(audio: bytes) -> None:
    assert wav.read(wav.header(len(audio)) + audio + wav.trailer(len(audio))) == audio


def test_what_we_write_says_how_long_it_is_in_every_place() -> None:
    data = wav.header(801) + b"\xff" * 801 + wav.trailer(801)
    assert struct.unpack_from("<I", data, 4)[0] == len(data) - 8
    assert data[38:50] == b"fact" + struct.pack("<II", 4, 801)
    assert data[50:58] == b"data" + struct.pack("<I", 801)


@given(st.integers(-32_768, 32_767))
def test_a_sample_is_encoded_as_the_nearest_magnitude_below_the_next_step(sample: int) -> None:
    (code,) = pcmu.from_linear(struct.pack("<h", sample))
    magnitude = ((2 * (~code & 0x0F) + 33) << (~code >> 4 & 0x07)) - 33 << 2
    step = 8 << (~code >> 4 & 0x07)
    assert (code < 0x80) == (sample < 0)
    assert abs(min(abs(sample), 32_635) - magnitude) <= step
