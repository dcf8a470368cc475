"""Read and begin WAV files: G.711 µ-law, which the standard library's `wave` refuses (RIFF, format tag 7), and PCM."""

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from simulators.people.pcmu import SAMPLES

SAMPLE_RATE_HZ = 8000
_FORMAT_PCM = 1
_FORMAT_MULAW = 7
_UNTIL_THE_END: Final = 0xFFFFFFFF
"""Size of a chunk whose end was not known when it was begun, as in audio that is streamed."""
WAV_HEADER_BYTES: Final = 44
"""Length of what `streamed_header` makes."""
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


@dataclass(frozen=True, slots=True)
class Sound:
    """Mono audio as 16-bit samples."""

    rate_hz: int
    samples: "array[int]"

    @property
    def duration_s(self) -> float:
        """How long it sounds."""
        return len(self.samples) / self.rate_hz


def read_sound(data: bytes) -> Sound:
    """Any mono WAV of 16-bit PCM or µ-law; raise ValueError for any other kind of file."""
    tag, channels, rate, bits, body = _format_and_data(data)
    if channels != 1 or rate == 0:
        raise ValueError(f"not mono: {channels} channel(s), {rate} Hz")
    if (tag, bits) == (_FORMAT_PCM, 16):
        return Sound(rate, from_linear(body[: len(body) // 2 * 2]))
    if (tag, bits) == (_FORMAT_MULAW, 8):
        return Sound(rate, array("h", map(SAMPLES.__getitem__, body)))
    raise ValueError(f"neither 16-bit PCM nor µ-law: tag {tag}, {bits} bit")


def from_linear(linear: bytes) -> "array[int]":
    """Samples from 16-bit little-endian PCM."""
    samples = array("h", linear)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def linear_of(samples: "array[int]") -> bytes:
    """16-bit little-endian PCM from samples."""
    if sys.byteorder == "big":
        samples = samples[:]
        samples.byteswap()
    return samples.tobytes()


def streamed_header(rate_hz: int) -> bytes:
    """The beginning of a WAV of 16-bit mono PCM whose length is not known yet; the samples follow."""
    form = _FORMAT.pack(_FORMAT_PCM, 1, rate_hz, 2 * rate_hz, 2, 16)
    riff = b"RIFF" + struct.pack("<I", _UNTIL_THE_END) + b"WAVE"
    return riff + _CHUNK.pack(b"fmt ", len(form)) + form + _CHUNK.pack(b"data", _UNTIL_THE_END)


def read_pcmu(data: bytes) -> bytes:
    """The µ-law samples of an 8 kHz mono WAV; raise ValueError for any other kind of file."""
    tag, channels, rate, bits, body = _format_and_data(data)
    if (tag, channels, rate, bits) != (_FORMAT_MULAW, 1, SAMPLE_RATE_HZ, 8):
        raise ValueError(f"not 8 kHz mono µ-law: tag {tag}, {channels} channel(s), {rate} Hz, {bits} bit")
    return body


def _format_and_data(data: bytes) -> tuple[int, int, int, int, bytes]:
    """Format tag, channels, sampling rate, bits of a sample, and the samples."""
    chunks = dict(_chunks(data))
    if b"fmt " not in chunks or b"data" not in chunks or len(chunks[b"fmt "]) < _FORMAT.size:
        raise ValueError("not a WAV file with a format and data")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    return tag, channels, rate, bits, chunks[b"data"]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The RIFF chunks of a WAVE file; each starts on an even offset."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a RIFF WAVE file")
    offset = 12
    while offset + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, offset)
        start = offset + _CHUNK.size
        if size == _UNTIL_THE_END:
            size = len(data) - start
        if start + size > len(data):
            raise ValueError(f"chunk {name!r} is cut short")
        yield name, data[start : start + size]
        offset = start + size + size % 2
