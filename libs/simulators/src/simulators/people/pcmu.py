"""What a µ-law byte is worth: samples for recordings, loudness for deciding whether somebody is audible."""

import struct

SILENCE = 0xFF
FRAME_BYTES = 160
FRAME_MS = 20
BYTES_PER_MS = 8
SILENT_FRAME = bytes([SILENCE]) * FRAME_BYTES

# Mean magnitude (of 32124) from which a 20 ms frame counts as speech: about -46 dBFS. In the human recordings the
# quietest frames (room noise) are at 50 to 90, the median (speech) above 800.
AUDIBLE_LOUDNESS = 160.0


def _decode(byte: int) -> int:
    """One sample of G.711 µ-law (ITU-T G.711 table 2a) as a 16-bit number."""
    inverted = ~byte & 0xFF
    magnitude = (((inverted & 0x0F) << 3) + 0x84 << (inverted >> 4 & 0x07)) - 0x84
    return -magnitude if inverted & 0x80 else magnitude


SAMPLES = tuple(_decode(byte) for byte in range(256))
_LINEAR = tuple(struct.pack("<h", sample) for sample in SAMPLES)
# Magnitudes in steps of 16, cut at 4080: enough to tell speech from silence, and `translate` makes it cheap enough
# for hundreds of calls (a sum over squares costs five times as much).
_STEP = 16
_MAGNITUDES = bytes(min(255, abs(sample) // _STEP) for sample in SAMPLES)


def loudness(pcmu: bytes) -> float:
    """Mean magnitude of the samples (0 to 4080, louder ones are cut there); 0 for none."""
    if not pcmu or pcmu == SILENT_FRAME:
        return 0.0
    return sum(pcmu.translate(_MAGNITUDES)) * _STEP / len(pcmu)


def is_audible(frame: bytes) -> bool:
    """Whether a listener would call this frame speech (or a tone) rather than silence."""
    return loudness(frame) >= AUDIBLE_LOUDNESS


def audible_span_ms(pcmu: bytes) -> tuple[int, int]:
    """Where speech begins and ends in a recording, in whole frames; (0, 0) if there is none."""
    frames = range(0, len(pcmu), FRAME_BYTES)
    loud = [index for index, start in enumerate(frames) if is_audible(pcmu[start : start + FRAME_BYTES])]
    return (loud[0] * FRAME_MS, (loud[-1] + 1) * FRAME_MS) if loud else (0, 0)


def to_linear(pcmu: bytes) -> bytes:
    """The same samples as 16-bit little-endian linear PCM."""
    return b"".join(map(_LINEAR.__getitem__, pcmu))
