"""Stamps survive whatever a system does to the audio's packaging."""

from base64 import b64decode, b64encode

from bench.stamps import (
    FRAME_BYTES,
    Stamp,
    audio_bytes_in,
    filler_base64,
    read_stamps,
    stamp_base64,
    unstamped_base64,
)


def payload(call: int, sequence: int, at: float, audio_bytes: int = FRAME_BYTES) -> str:
    return (stamp_base64(call, sequence, at) + filler_base64(audio_bytes)).decode()


def test_a_stamped_frame_is_160_bytes_and_says_whose_it_is() -> None:
    frame = payload(199, 70_000, 12.5)
    assert len(b64decode(frame, validate=True)) == audio_bytes_in(frame) == FRAME_BYTES
    assert list(read_stamps(frame)) == [Stamp(199, 70_000, 12.5)]


def test_frames_joined_by_the_system_are_all_read() -> None:
    audio = b"".join(b64decode(payload(3, n, n / 50)) for n in range(3))
    assert [stamp.sequence for stamp in read_stamps(b64encode(audio).decode())] == [0, 1, 2]


def test_a_stamp_away_from_the_start_of_a_payload_is_found() -> None:
    audio = b"\xff" * 7 + b64decode(payload(3, 9, 1.0))
    assert list(read_stamps(b64encode(audio).decode())) == [Stamp(3, 9, 1.0)]


def test_the_first_piece_of_a_split_delta_holds_its_stamp() -> None:
    delta = b64decode(payload(3, 9, 1.0, audio_bytes=1600))
    pieces = [b64encode(delta[at : at + FRAME_BYTES]).decode() for at in range(0, 1600, FRAME_BYTES)]
    assert [list(read_stamps(each)) for each in pieces] == [[Stamp(3, 9, 1.0)], *[[]] * 9]


def test_audio_without_stamps_has_none() -> None:
    for size in (1, 20, 23, 24, FRAME_BYTES, 1600):
        assert list(read_stamps(unstamped_base64(size).decode())) == []
