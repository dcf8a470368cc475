"""The caller-audio ring."""

from common.pcmu import FRAME_BYTES
from edge.core.ring import CallerRing


def frame(number: int) -> bytes:
    """A frame that can be told from its neighbours."""
    return bytes([number % 251]) * FRAME_BYTES


def filled(until_ms: int, ring: CallerRing) -> CallerRing:
    """`ring` with a frame every 20 ms."""
    for at_ms in range(0, until_ms, 20):
        ring.add(at_ms, frame(at_ms // 20))
    return ring


def test_frames_come_back_oldest_first_from_the_asked_moment_on() -> None:
    ring = filled(100, CallerRing())
    assert ring.since(40) == [(40, frame(2)), (60, frame(3)), (80, frame(4))]
    assert ring.since(41)[0][0] == 60
    assert ring.since(1_000) == []


def test_an_empty_ring_has_nothing() -> None:
    assert CallerRing().since(0) == []


def test_every_frame_comes_back_with_its_own_bytes_across_segments() -> None:
    ring = filled(5_000, CallerRing())
    assert ring.since(0) == [(at_ms, frame(at_ms // 20)) for at_ms in range(0, 5_000, 20)]


def test_a_gap_in_the_callers_audio_stays_a_gap() -> None:
    ring = CallerRing()
    ring.add(0, frame(1))
    ring.add(500, frame(2))
    assert ring.since(0) == [(0, frame(1)), (500, frame(2))]


def test_frames_of_other_lengths_are_kept_whole() -> None:
    ring = CallerRing()
    ring.add(0, b"\x01" * 400)
    ring.add(50, b"\x02" * 80)
    assert b"".join(pcmu for _, pcmu in ring.since(0)) == b"\x01" * 400 + b"\x02" * 80


def test_thirty_seconds_are_kept_and_hardly_more() -> None:
    kept = [at_ms for at_ms, _ in filled(60_000, CallerRing()).since(0)]
    assert kept[-1] == 59_980
    assert 59_980 - 32_000 <= kept[0] <= 59_980 - 30_000


def test_a_carrier_whose_clock_stands_still_does_not_fill_the_memory() -> None:
    ring = CallerRing(keep_ms=1_000)
    for _ in range(10_000):
        ring.add(0, frame(1))
    assert len(ring.since(0)) < 100
