"""Only what begins within the window counts, once."""

import pytest

from bench.board import CallBoard, Window
from bench.stamps import Stamp


@pytest.fixture
def board() -> CallBoard:
    return CallBoard(7, Window(opens_at=10.0, closes_at=20.0))


def test_a_frame_counts_once_and_only_if_written_within_the_window(board: CallBoard) -> None:
    for sequence, at in ((0, 9.9), (1, 10.0), (2, 19.9), (3, 20.0)):
        board.frame_written(at, late_s=0.001)
        board.frame_arrived(Stamp(7, sequence, at), at + 0.25)
        board.frame_arrived(Stamp(7, sequence, at), at + 0.5)
    samples = board.window.samples
    assert (samples.frames_sent, samples.frames_received) == (2, 2)
    assert list(samples.uplink_s) == pytest.approx([0.25, 0.25])


def test_a_frame_that_never_arrives_is_missing(board: CallBoard) -> None:
    for sequence in range(3):
        board.frame_written(11.0, late_s=0.0)
        if sequence != 1:
            board.frame_arrived(Stamp(7, sequence, 11.0), 11.01)
    assert board.window.samples.frames_sent - board.window.samples.frames_received == 1


def test_first_audio_is_that_of_the_reply_awaited(board: CallBoard) -> None:
    board.reply_begins(4, 11.0)
    board.audio_heard(Stamp(7, 3, 5.0), 11.1)
    board.audio_heard(Stamp(7, 4, 11.0), 11.25)
    board.audio_heard(Stamp(7, 4, 11.0), 11.5)
    assert list(board.window.samples.first_audio_s) == [0.25]


def test_a_clear_is_measured_from_the_interruption_that_asked_for_it(board: CallBoard) -> None:
    board.cleared(11.0)
    board.interrupted(12.0)
    board.cleared(12.25)
    board.cleared(13.0)
    board.truncated()
    samples = board.window.samples
    assert list(samples.clear_s) == [0.25]
    assert (samples.interruptions, samples.truncations) == (1, 1)


def test_a_window_that_was_never_opened_counts_nothing() -> None:
    board = CallBoard(0, Window())
    board.frame_written(1.0, late_s=0.0)
    board.reply_begins(1, 1.0)
    board.interrupted(1.0)
    samples = board.window.samples
    assert (samples.frames_sent, samples.replies, samples.interruptions) == (0, 0, 0)
