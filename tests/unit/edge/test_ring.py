"""The caller-audio ring."""

from itertools import pairwise

from common.pcmu import BYTES_PER_MS, FRAME_BYTES
from edge.core.ring import CallerRing


def frame(number: int) -> bytes:
    """A frame that can be told from its neighbours."""
    return bytes([number % 251]) * FRAME_BYTES


def filled(until_ms: int, ring: CallerRing) -> CallerRing:
    """`ring` with a frame every 20 ms."""
    for at_ms in range(0, until_ms, 20):
        ring.add(at_ms, frame(at_ms // 20))
    return ring


def audio(pieces: list[tuple[int, bytes]]) -> bytes:
    """All of it in one piece; each piece must begin where the one before ended."""
    for (start_ms, pcmu), (next_ms, _) in pairwise(pieces):
        assert start_ms + len(pcmu) // BYTES_PER_MS == next_ms
    return b"".join(pcmu for _, pcmu in pieces)


def test_audio_comes_back_from_the_asked_moment_on() -> None:
    ring = filled(100, CallerRing())
    assert ring.since(40) == [(40, frame(2) + frame(3) + frame(4))]
    assert ring.since(41)[0] == (41, (frame(2) + frame(3) + frame(4))[BYTES_PER_MS:])
    assert ring.since(1_000) == []


def test_an_empty_ring_has_nothing() -> None:
    assert CallerRing().since(0) == []


def test_every_byte_comes_back_in_order_in_pieces_of_a_second() -> None:
    pieces = filled(5_000, CallerRing()).since(0)
    assert audio(pieces) == b"".join(frame(number) for number in range(250))
    assert max(len(pcmu) for _, pcmu in pieces) <= 8_000


def test_a_gap_in_the_callers_audio_stays_a_gap() -> None:
    ring = CallerRing()
    ring.add(0, frame(1))
    ring.add(500, frame(2))
    assert ring.since(0) == [(0, frame(1)), (500, frame(2))]
    assert ring.since(100) == [(500, frame(2))]


def test_frames_of_other_lengths_are_kept_whole() -> None:
    ring = CallerRing()
    ring.add(0, b"\x01" * 400)
    ring.add(50, b"\x02" * 80)
    assert audio(ring.since(0)) == b"\x01" * 400 + b"\x02" * 80


def test_when_the_calls_clock_is_put_forward_what_is_kept_goes_along() -> None:
    ring = filled(100, CallerRing())
    ring.shift(1_000)
    ring.add(1_100, frame(5))
    assert [at_ms for at_ms, _ in ring.since(0)] == [1_000]
    assert len(audio(ring.since(0))) == 6 * FRAME_BYTES


def test_thirty_seconds_are_kept_and_hardly_more() -> None:
    pieces = filled(60_000, CallerRing()).since(0)
    assert pieces[-1][0] + len(pieces[-1][1]) // BYTES_PER_MS == 60_000
    assert 60_000 - 32_000 <= pieces[0][0] <= 60_000 - 30_000


def test_a_carrier_whose_clock_stands_still_does_not_fill_the_memory() -> None:
    ring = CallerRing(keep_ms=1_000)
    for _ in range(10_000):
        ring.add(0, frame(1))
    assert len(ring.since(0)) < 100
