"""Recognition tells which frames of which recording arrived, in order, lost, doubled or reordered."""

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.people.pcmu import FRAME_BYTES
from simulators.people.recognition import Recogniser
from simulators.people.recordings import load, load_all
from unit.simulators.openai.rig import shared

SILENCE = b"\xff" * FRAME_BYTES


@dataclass(frozen=True)
class Telling:
    name: str
    text: str
    pcmu: bytes


def noise(seed: int, frames: int) -> bytes:
    """Frames that all differ."""
    return random.Random(seed).randbytes(frames * FRAME_BYTES)


ONE = Telling("one", "a b c d e f g h i j", noise(1, 100))
TWO = Telling("two", "おはようございます", noise(2, 40))
SMALL = Recogniser([ONE, TWO])


def frames(pcmu: bytes) -> list[bytes]:
    return [pcmu[start : start + FRAME_BYTES] for start in range(0, len(pcmu), FRAME_BYTES)]


@pytest.mark.parametrize("recording", load_all(), ids=lambda recording: recording.name)
def test_every_recording_is_recognised_whole(recording: Telling) -> None:
    heard = shared()[1].recognise(recording.pcmu)
    assert heard.text == recording.text
    assert [span.name for span in heard.spans] == [recording.name]
    assert heard.matched_frames == heard.expected_frames > 0
    assert heard.in_order
    assert heard.duplicates == heard.missing_frames == 0


def test_nothing_known_is_nothing() -> None:
    for unknown in (b"", b"\xff" * 8000, noise(9, 50), b"\x00" * 159):
        heard = SMALL.recognise(unknown)
        assert (heard.text, heard.spans, heard.in_order) == ("", (), True)


@given(before=st.integers(0, 700), pieces=st.lists(st.integers(1, 500), max_size=3))
def test_frames_are_found_at_any_offset_even_when_it_changes(before: int, pieces: list[int]) -> None:
    stream, at = b"\xff" * before, 0
    for piece in pieces:
        stream += ONE.pcmu[at : at + 20 * FRAME_BYTES] + b"\xff" * piece
        at += 20 * FRAME_BYTES
    stream += ONE.pcmu[at:]
    heard = SMALL.recognise(stream)
    assert heard.text == ONE.text
    assert (heard.matched_frames, heard.duplicates, heard.in_order) == (100, 0, True)
    assert heard.spans[0].at_ms == before / 8


@given(st.sets(st.integers(1, 98)))
def test_lost_frames_are_counted(lost: set[int]) -> None:
    heard = SMALL.recognise(b"".join(f for i, f in enumerate(frames(ONE.pcmu)) if i not in lost))
    assert heard.spans[0].missing == tuple(sorted(lost))
    assert heard.matched_frames == 100 - len(lost)
    assert heard.in_order


@given(st.lists(st.integers(20, 99), min_size=1, max_size=10))
def test_doubled_frames_are_counted(doubled: list[int]) -> None:
    stream = b"".join(f * (1 + doubled.count(i)) for i, f in enumerate(frames(ONE.pcmu)))
    heard = SMALL.recognise(stream)
    assert (heard.duplicates, heard.missing_frames, heard.in_order) == (len(doubled), 0, True)


@given(st.permutations(range(30, 60)))
def test_reordered_frames_are_seen(order: list[int]) -> None:
    parts = frames(ONE.pcmu)
    shuffled = [*range(30), *order, *range(60, 100)]
    heard = SMALL.recognise(b"".join(parts[i] for i in shuffled))
    assert heard.in_order == (shuffled == list(range(100)))
    assert (heard.matched_frames, heard.duplicates, len(heard.spans)) == (100, 0, 1)


def test_a_replayed_stretch_is_duplicated_and_out_of_order() -> None:
    heard = SMALL.recognise(ONE.pcmu[: 60 * FRAME_BYTES] + ONE.pcmu[40 * FRAME_BYTES :])
    assert (heard.duplicates, heard.in_order, len(heard.spans)) == (20, False, 1)


def test_a_recording_told_twice_is_two_tellings() -> None:
    heard = SMALL.recognise(ONE.pcmu + SILENCE * 20 + ONE.pcmu)
    assert [span.name for span in heard.spans] == ["one", "one"]
    assert (heard.duplicates, heard.in_order, heard.text) == (0, True, f"{ONE.text} {ONE.text}")


def test_a_telling_broken_off_and_begun_again_after_a_pause_is_two() -> None:
    heard = SMALL.recognise(ONE.pcmu[: 30 * FRAME_BYTES] + SILENCE * 20 + ONE.pcmu)
    assert heard.text == f"a b c {ONE.text}"
    assert heard.duplicates == 0


@pytest.mark.parametrize(("first", "last", "text"), [(0, 50, "a b c d e"), (50, 100, "f g h i j"), (27, 53, "d e")])
def test_a_part_of_a_recording_gives_the_words_in_it(first: int, last: int, text: str) -> None:
    assert SMALL.recognise(ONE.pcmu[first * FRAME_BYTES : last * FRAME_BYTES]).text == text


@given(st.integers(1, 99))
def test_the_words_of_two_halves_are_all_words_once(cut: int) -> None:
    halves = (ONE.pcmu[: cut * FRAME_BYTES], ONE.pcmu[cut * FRAME_BYTES :])
    assert " ".join(t for t in (SMALL.recognise(half).text for half in halves) if t) == ONE.text


def test_text_without_spaces_is_cut_between_characters() -> None:
    assert SMALL.recognise(TWO.pcmu[: 20 * FRAME_BYTES]).text == TWO.text[:4]


def test_silence_and_frames_that_occur_twice_are_no_evidence() -> None:
    twin = Telling("twin", "x y", ONE.pcmu[: 10 * FRAME_BYTES] + noise(5, 10) + SILENCE * 10)
    heard = Recogniser([ONE, twin]).recognise(twin.pcmu)
    assert [span.name for span in heard.spans] == ["twin"]
    assert heard.expected_frames == 10


def test_two_speakers_frames_are_told_apart() -> None:
    heard = shared()[1].recognise(load("caller-2").pcmu + SILENCE * 30 + load("ja-caller-3").pcmu)
    assert heard.text == f"{load('caller-2').text} {load('ja-caller-3').text}"
