"""The header of a WAV stream whose end is not known yet: where its samples begin, and what they are."""

import struct
from dataclasses import dataclass
from typing import Final

from common.errors import RemoteProtocolError

HEADER_BYTES_AT_MOST: Final = 65_536
_PCM: Final = 1
_EXTENSIBLE: Final = 0xFFFE


@dataclass(frozen=True, slots=True)
class WavHeader:
    """16-bit samples of this rate (Hz), `channels` of them to a moment."""

    sample_rate: int
    channels: int


def read_header(data: bytes) -> tuple[WavHeader, int] | None:
    """The header and where the samples begin; None: more has to come. Raises `RemoteProtocolError`: it is no such WAV.

    RIFF chunks as in "Multimedia Programming Interface and Data Specifications 1.0"; streams give sizes they do not
    know as 0 or 0xFFFFFFFF, so only the sizes of the chunks before the samples count.
    """
    if len(data) >= 12 and (data[:4] != b"RIFF" or data[8:12] != b"WAVE"):
        raise RemoteProtocolError("no RIFF/WAVE")
    header: WavHeader | None = None
    at = 12
    while len(data) >= at + 8:
        kind, size = data[at : at + 4], int(struct.unpack_from("<I", data, at + 4)[0])
        if kind == b"data":
            if header is None:
                raise RemoteProtocolError("a WAV whose samples come before their format")
            return header, at + 8
        if kind == b"fmt " and len(data) >= at + 8 + min(size, 16):
            header = _format(data[at + 8 : at + 8 + size])
        at += 8 + size + size % 2
    return None


def _format(chunk: bytes) -> WavHeader:
    if len(chunk) < 16:
        raise RemoteProtocolError("a WAV with half a format")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag not in (_PCM, _EXTENSIBLE) or bits != 16 or channels not in (1, 2) or not 8_000 <= rate <= 96_000:
        raise RemoteProtocolError("a WAV that is not 16-bit samples of a usable rate")
    return WavHeader(rate, channels)
