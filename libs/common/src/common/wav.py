"""RIFF WAVE files of 8 kHz mono audio: read strictly, written as µ-law (the standard library knows PCM only)."""

import struct
from collections.abc import Iterator
from typing import Final

from common import pcmu

_PCM: Final = 1
_MULAW: Final = 7
_EXTENSIBLE: Final = 0xFFFE
"""The real format is the beginning of a GUID further on."""
_CHUNK: Final = struct.Struct("<4sI")
_FORMAT: Final = struct.Struct("<HHIIHH")
_SUBFORMAT_AT: Final = 24
_SUBFORMAT_END: Final = 40


def read(data: bytes) -> bytes:
    """The audio as pcmu. Raises `ValueError` saying what is wrong with any file but 8 kHz mono, µ-law or 16-bit PCM."""
    chunks = _chunks(data)
    if len(chunks.get(b"fmt ", b"")) < _FORMAT.size or b"data" not in chunks:
        raise ValueError("a WAV file without its format or without audio")
    tag, channels, rate_hz, _, _, bits = _FORMAT.unpack_from(chunks[b"fmt "])
    if tag == _EXTENSIBLE and len(chunks[b"fmt "]) >= _SUBFORMAT_END:
        (tag,) = struct.unpack_from("<H", chunks[b"fmt "], _SUBFORMAT_AT)
    if rate_hz != pcmu.SAMPLE_RATE_HZ:
        raise ValueError(f"{rate_hz} Hz, expected {pcmu.SAMPLE_RATE_HZ}")
    if channels != 1:
        raise ValueError(f"{channels} channels, expected one")
    if (tag, bits) == (_MULAW, 8):
        return chunks[b"data"]
    if (tag, bits) == (_PCM, 16):
        return pcmu.from_linear(chunks[b"data"])
    raise ValueError(f"format {tag} with {bits} bits a sample, expected µ-law or 16-bit PCM")


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """The chunks by name; of several with one name the first."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    found: dict[bytes, bytes] = {}
    for name, content in _walk(data):
        found.setdefault(name, content)
    return found


def _walk(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + _CHUNK.size <= len(data):
        name, size = _CHUNK.unpack_from(data, at)
        begin = at + _CHUNK.size
        if begin + size > len(data):
            raise ValueError("a WAV file that is cut short")
        yield name, data[begin : begin + size]
        at = begin + size + size % 2  # chunks begin at even offsets


def header(audio_bytes: int) -> bytes:
    """What stands before so many bytes of pcmu in a WAV file: `fmt `, `fact` and the head of `data`."""
    rate_hz = pcmu.SAMPLE_RATE_HZ
    form = _FORMAT.pack(_MULAW, 1, rate_hz, rate_hz, 1, 8) + b"\0\0"
    chunks = _CHUNK.pack(b"fmt ", len(form)) + form
    chunks += _CHUNK.pack(b"fact", 4) + struct.pack("<I", audio_bytes)
    chunks += _CHUNK.pack(b"data", audio_bytes)
    total = 4 + len(chunks) + audio_bytes + audio_bytes % 2
    return _CHUNK.pack(b"RIFF", total) + b"WAVE" + chunks


def trailer(audio_bytes: int) -> bytes:
    """What stands after them: chunks are even."""
    return b"\0" * (audio_bytes % 2)
