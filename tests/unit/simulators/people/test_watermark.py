"""The mark in the lowest bits says whose audio it is and which part, and leaves everything else as it was."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.people import recordings
from simulators.people.pcmu import SILENCE, is_audible, loudness
from simulators.people.recognition import Recogniser
from simulators.people.watermark import CELL_BYTES, MAX_CELL, MAX_NUMBER, Marker, Run, mark, runs, unmarked


@given(st.binary(max_size=1_000), st.integers(0, MAX_NUMBER), st.integers(0, MAX_CELL - 20), st.binary(max_size=200))
def test_what_was_marked_is_read_wherever_it_begins(pcmu: bytes, number: int, first: int, before: bytes) -> None:
    cells = len(pcmu) // CELL_BYTES
    expected = [Run(len(before), number, first, cells)] if cells else []
    assert runs(unmarked(before) + mark(pcmu, number, first)) == expected


@given(st.binary(max_size=500))
def test_only_the_lowest_bits_change(pcmu: bytes) -> None:
    marked = mark(pcmu, 77, 5)
    assert len(marked) == len(pcmu)
    assert unmarked(marked) == unmarked(pcmu)


def test_unmarked_audio_carries_no_mark() -> None:
    noise = Random(5).randbytes(400_000)
    assert runs(noise) == []
    assert [runs(recording.pcmu) for recording in recordings.load_all()] == [[]] * len(recordings.load_all())


def test_a_marker_counts_on_from_piece_to_piece() -> None:
    marker = Marker(9)
    marked = b"".join(marker.mark(bytes([SILENCE]) * 160) for _ in range(50))
    assert runs(marked) == [Run(0, 9, 0, 100)]


def test_a_cell_that_was_cut_is_not_read_and_the_next_one_is() -> None:
    marked = mark(bytes(800), 3, 0)
    assert runs(marked[:250] + marked[350:]) == [Run(0, 3, 0, 3), Run(300, 3, 5, 5)]


def test_voices_that_follow_each_other_are_told_apart() -> None:
    marked = mark(bytes(160), 3, 10) + bytes([SILENCE]) * 33 + mark(bytes(240), 4, 0)
    assert runs(marked) == [Run(0, 3, 10, 2), Run(193, 4, 0, 3)]


@pytest.mark.parametrize("flipped", range(16, 80, 7))
def test_a_damaged_cell_is_not_read(flipped: int) -> None:
    marked = bytearray(mark(bytes(CELL_BYTES), 1, 1))
    marked[flipped] ^= 1
    assert runs(bytes(marked)) == []


def test_marked_silence_stays_inaudible() -> None:
    assert not is_audible(mark(bytes([SILENCE]) * 160, MAX_NUMBER, MAX_CELL - 5))
    assert loudness(mark(bytes([SILENCE]) * 160, 1, 1)) <= 16


def test_marked_speech_is_recognised_as_before() -> None:
    recogniser = Recogniser(recordings.load_all())
    plain, marked = recordings.load("caller-2").pcmu, mark(recordings.load("caller-2").pcmu, 12, 0)
    assert recogniser.recognise(marked) == recogniser.recognise(plain)
    assert recogniser.recognise(plain).text == recordings.load("caller-2").text
