"""Twilio's buffer: order, marks, clear, the cap."""

from hypothesis import given
from hypothesis import strategies as st

from simulators.people.pcmu import FRAME_BYTES, SILENT_FRAME
from simulators.twilio import playback
from simulators.twilio.playback import CAP_BYTES, CarrierBuffer, Chunk, Cleared, Played


def test_an_empty_buffer_is_silent_and_returns_marks_at_once() -> None:
    buffer = CarrierBuffer()
    assert buffer.next_frame(0.0) == Played(SILENT_FRAME, ())
    assert buffer.mark("now") == ("now",)


def test_a_mark_returns_when_what_stands_before_it_has_sounded() -> None:
    buffer = CarrierBuffer()
    buffer.receive(b"a" * 160, 0.0)
    assert buffer.mark("one") == ()
    buffer.receive(b"b" * 160, 0.0)
    assert buffer.mark("two") == ()
    assert buffer.next_frame(0.0) == Played(b"a" * 160, ())
    assert buffer.next_frame(0.02) == Played(b"b" * 160, ("one",))
    assert buffer.mark("three") == ()  # the last frame still sounds
    assert buffer.next_frame(0.04) == Played(SILENT_FRAME, ("two", "three"))


def test_marks_in_the_middle_of_a_frame_wait_for_its_end() -> None:
    buffer = CarrierBuffer()
    buffer.receive(b"a" * 40, 0.0)
    buffer.mark("early")
    buffer.receive(b"b" * 200, 0.0)
    assert buffer.next_frame(0.0) == Played(b"a" * 40 + b"b" * 120, ())
    assert buffer.next_frame(0.02) == Played((b"b" * 80).ljust(160, b"\xff"), ("early",))


def test_clear_drops_what_does_not_sound_yet_and_returns_every_mark() -> None:
    buffer = CarrierBuffer()
    buffer.receive(b"a" * 320, 0.0)
    buffer.mark("one")
    buffer.receive(b"b" * 160, 0.0)
    buffer.mark("two")
    assert buffer.next_frame(0.0).frame == b"a" * 160
    assert buffer.clear() == Cleared(320, ("one", "two"))
    assert buffer.next_frame(0.02) == Played(SILENT_FRAME, ())
    assert buffer.mark("after") == ("after",)
    assert buffer.clear() == Cleared(0, ())


def test_what_comes_after_a_clear_plays_and_marks_as_before() -> None:
    buffer = CarrierBuffer()
    buffer.receive(b"a" * 3200, 0.0)
    buffer.next_frame(0.0)
    buffer.clear()
    buffer.receive(b"b" * 160, 0.01)
    assert buffer.mark("new") == ()
    assert buffer.next_frame(0.02) == Played(b"b" * 160, ())
    assert buffer.next_frame(0.04).marks == ("new",)


def test_more_than_ten_minutes_are_discarded() -> None:
    buffer = CarrierBuffer()
    assert buffer.receive(b"a" * (CAP_BYTES - 10), 0.0) == 0
    assert buffer.receive(b"b" * 30, 0.0) == 20
    assert buffer.buffered_bytes == CAP_BYTES
    assert buffer.receive(b"c", 0.0) == 1
    buffer.next_frame(0.0)
    assert buffer.receive(b"c" * 160, 0.02) == 0


def test_the_log_tells_what_was_played_when_and_what_was_cleared() -> None:
    log: list[Chunk] = []
    buffer = CarrierBuffer(log)
    buffer.receive(b"a" * 80, 1.0)
    buffer.receive(b"b" * 400, 1.5)
    buffer.receive(b"c" * 100, 1.6)
    buffer.next_frame(2.0)
    buffer.next_frame(2.02)
    buffer.clear()
    first, second, third = log
    assert first == Chunk(1.0, 80, 80, 2.0, 2.01, 0)
    assert (second.played_from_s, second.played_bytes, second.cleared_bytes) == (2.01, 240, 160)
    assert second.played_to_s == 2.04
    assert third == Chunk(1.6, 100, cleared_bytes=100)


@given(st.lists(st.one_of(st.binary(max_size=500), st.sampled_from(["mark", "clear", "tick"])), max_size=60))
def test_nothing_is_lost_doubled_or_reordered(actions: list[bytes | str]) -> None:
    """Whatever the order of messages: heard + cleared = received, and marks come back once, in order."""
    log: list[Chunk] = []
    buffer = CarrierBuffer(log)
    heard, expected = b"", b""
    names: list[str] = []
    returned: list[str] = []
    now = 0.0
    for number, action in enumerate([*actions, *["tick"] * 200]):
        match action:
            case bytes():
                buffer.receive(action, now)
                expected += action
            case "mark":
                names.append(str(number))
                returned.extend(buffer.mark(str(number)))
            case "clear":
                cleared = buffer.clear()
                expected = expected[: len(expected) - cleared.dropped_bytes]
                returned.extend(cleared.marks)
            case _:
                played = buffer.next_frame(now)
                assert len(played.frame) == FRAME_BYTES
                heard += played.frame[: min(FRAME_BYTES, len(expected) - len(heard))]
                returned.extend(played.marks)
                now += 0.02
    assert heard == expected
    assert returned == names
    assert sum(chunk.played_bytes for chunk in log) == len(expected)
    assert all(chunk.played_bytes + chunk.cleared_bytes == chunk.size for chunk in log)


def test_the_cap_is_ten_minutes_of_audio() -> None:
    assert playback.CAP_BYTES == 10 * 60 * 8000
