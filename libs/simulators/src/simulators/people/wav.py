"""Read G.711 µ-law WAV files, which the standard library's `wave` refuses (RIFF, format tag 7)."""

import struct
from collections.abc import Iterator

SAMPLE_RATE_HZ = 8000
_FORMAT_MULAW = 7
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")


def read_pcmu(data: bytes) -> bytes:
    """The µ-law samples of an 8 kHz mono WAV; raise ValueError for any other kind of file."""
    chunks = dict(_chunks(data))
    if b"fmt " not in chunks or b"data" not in chunks or len(chunks[b"fmt "]) < _FORMAT.size:
        raise ValueError("not a WAV file with a format and data")
    tag, channels, rate, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    if (tag, channels, rate, bits) != (_FORMAT_MULAW, 1, SAMPLE_RATE_HZ, 8):
        raise ValueError(f"not 8 kHz mono µ-law: tag {tag}, {channels} channel(s), {rate} Hz, {bits} bit")
    return chunks[b"data"]


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The RIFF chunks of a WAVE file; each starts on an even offset."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a RIFF WAVE file")
    offset = 12
    while offset + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, offset)
        start = offset + _CHUNK.size
        if start + size > len(data):
            raise ValueError(f"chunk {name!r} is cut short")
        yield name, data[start : start + size]
        offset = start + size + size % 2
