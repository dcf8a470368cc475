"""G.711 µ-law arithmetic: the codec of every audio path (8 kHz, one byte a sample; ITU-T G.711)."""

from typing import Final

SAMPLE_RATE_HZ: Final = 8000
BYTES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
FRAME_MS: Final = 20
FRAME_BYTES: Final = FRAME_MS * BYTES_PER_MS
SILENCE: Final = b"\xff"


def duration_ms(pcmu: bytes) -> int:
    """Whole milliseconds of audio in `pcmu`."""
    return len(pcmu) // BYTES_PER_MS


def silence(ms: int) -> bytes:
    """`ms` milliseconds of digital silence."""
    return SILENCE * (ms * BYTES_PER_MS)
