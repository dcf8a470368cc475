"""The clip says that the line lives, and no more."""

from common import pcmu
from edge.core.clip import CLIP


def test_the_clip_is_short_soft_and_begins_and_ends_in_silence() -> None:
    assert pcmu.duration_ms(CLIP) == 300
    assert {CLIP[0], CLIP[-1]} <= {0x7F, 0xFF, 0xFE, 0x7E}
    loudest = min(byte & 0x7F for byte in CLIP)  # of the inverted exponent and mantissa the smallest is the loudest
    assert 0x2F < loudest < 0x50
