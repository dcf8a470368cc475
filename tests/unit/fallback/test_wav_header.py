"""Headers of WAV streams, as servers write them and as nobody should."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import RemoteProtocolError
from fallback.pipeline.wav_header import WavHeader, read_header
from simulators.people.wav import streamed_header

SAMPLES = b"\1\2" * 8


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """A RIFF chunk, padded to an even length."""
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def form(tag: int = 1, channels: int = 1, rate: int = 24_000, bits: int = 16) -> bytes:
    """The content of a format chunk."""
    return struct.pack("<HHIIHH", tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)


def riff(*chunks: bytes, size: int = 0xFFFFFFFF) -> bytes:
    """A WAV file, or stream."""
    return b"RIFF" + struct.pack("<I", size) + b"WAVE" + b"".join(chunks)


def test_a_file_of_the_standard_library_is_read() -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(2)
        writer.setsampwidth(2)
        writer.setframerate(44_100)
        writer.writeframes(SAMPLES)
    data = file.getvalue()
    found = read_header(data)
    assert found is not None
    assert found[0] == WavHeader(44_100, 2)
    assert data[found[1] :] == SAMPLES


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_a_stream_whose_sizes_are_not_known_is_read(size: int) -> None:
    data = riff(chunk(b"fmt ", form()), chunk(b"data", SAMPLES, size), size=size)
    assert read_header(data) == (WavHeader(24_000, 1), len(data) - len(SAMPLES))


def test_the_simulators_header_is_read() -> None:
    data = streamed_header(24_000) + SAMPLES
    assert read_header(data) == (WavHeader(24_000, 1), len(data) - len(SAMPLES))


@pytest.mark.parametrize("before", [b"", b"odd", b"INFOISFT\x05\0\0\0Lavf\0\0"])
def test_chunks_before_the_samples_are_passed_over_odd_ones_with_their_pad(before: bytes) -> None:
    data = riff(chunk(b"LIST", before), chunk(b"fmt ", form()), chunk(b"fact", b"\0" * 4), chunk(b"data", SAMPLES))
    assert read_header(data) == (WavHeader(24_000, 1), len(data) - len(SAMPLES))


def test_an_extensible_format_is_read() -> None:
    extended = form(tag=0xFFFE) + struct.pack("<HHI", 22, 16, 4) + b"\1\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    data = riff(chunk(b"fmt ", extended), chunk(b"data", SAMPLES))
    assert read_header(data) == (WavHeader(24_000, 1), len(data) - len(SAMPLES))


def test_until_the_samples_begin_more_has_to_come() -> None:
    data = riff(chunk(b"LIST", b"odd"), chunk(b"fmt ", form()), chunk(b"data", SAMPLES))
    begins_at = len(data) - len(SAMPLES)
    assert [read_header(data[:length]) for length in range(begins_at)] == [None] * begins_at
    assert read_header(data[:begins_at]) == (WavHeader(24_000, 1), begins_at)


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html>",
        b"RIFF\0\0\0\0AVI fmt ",
        riff(chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form()[:10]), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", b""), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(tag=3, bits=32)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(tag=7, bits=8)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(bits=24)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(channels=0)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(channels=6)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(rate=0)), chunk(b"data", SAMPLES)),
        riff(chunk(b"fmt ", form(rate=0xFFFFFFF)), chunk(b"data", SAMPLES)),
    ],
)
def test_what_is_no_wav_of_samples_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read_header(data)


def test_a_chunk_that_claims_to_be_huge_only_lets_more_be_waited_for() -> None:
    assert read_header(riff(chunk(b"LIST", b"", 0xFFFFFFFF), chunk(b"fmt ", form()), chunk(b"data", SAMPLES))) is None


@given(st.binary(max_size=200).map(lambda data: riff() + data) | st.binary(max_size=60))
def test_whatever_comes_it_is_read_refused_or_waited_for(data: bytes) -> None:
    try:
        found = read_header(data)
    except RemoteProtocolError:
        return
    assert found is None or found[1] <= len(data)
