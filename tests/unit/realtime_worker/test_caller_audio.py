"""The caller's audio: what came before is not heard twice, what comes too early is kept."""

from hypothesis import given
from hypothesis import strategies as st

from talker.core.caller_audio import DOUBT_S, KEEP_MS, CallerAudio

FRAME = 160


def test_audio_that_follows_is_new() -> None:
    audio = CallerAudio(0.0)
    assert [audio.repeated(at_ms, FRAME, 0.0) for at_ms in (0, 20, 40, 500)] == [0, 0, 0, 0]
    assert audio.until_ms == 520


def test_a_repetition_is_known_from_end_to_end() -> None:
    audio = CallerAudio(0.0)
    audio.repeated(1_000, 8_000, 0.0)
    assert audio.repeated(1_000, 8_000, 0.0) == 8_000
    assert audio.repeated(1_500, FRAME, 0.0) == FRAME
    assert audio.until_ms == 2_000


def test_of_an_overlap_only_the_front_is_known() -> None:
    audio = CallerAudio(0.0)
    audio.repeated(0, 800, 0.0)
    assert audio.repeated(60, 8_000, 0.0) == 40 * 8
    assert audio.until_ms == 1_060


def test_a_clock_that_was_set_back_further_than_any_replay_does_not_make_us_deaf() -> None:
    audio = CallerAudio(0.0)
    audio.repeated(4_000_000_000, FRAME, 0.0)
    assert audio.repeated(1_000, FRAME, 0.0) == 0
    assert audio.repeated(1_020, FRAME, 0.0) == 0


def test_every_record_is_a_sign_of_life() -> None:
    audio = CallerAudio(0.0)
    audio.repeated(1_000, FRAME, 1.0)
    audio.repeated(1_000, FRAME, 2.0)
    assert audio.heard_at == 2.0


def test_what_is_kept_comes_out_once_and_in_order() -> None:
    audio = CallerAudio(0.0)
    for at_ms in (0, 20, 40):
        audio.keep(at_ms, b"x" * FRAME)
    assert [at_ms for at_ms, _ in audio.take_kept()] == [0, 20, 40]
    assert list(audio.take_kept()) == []


def test_no_more_is_kept_than_an_edge_can_replay() -> None:
    audio = CallerAudio(0.0)
    dropped = sum(audio.keep(second * 1_000, b"x" * 8_000) for second in range(40))
    assert dropped == 5
    assert next(audio.take_kept()) == (5_000, b"x" * 8_000)


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 8_000)), max_size=80))
def test_nothing_is_heard_twice_whatever_is_replayed(records: list[tuple[int, int]]) -> None:
    """Within what an edge can replay, positions only rise."""
    audio, heard_until = CallerAudio(0.0), 0
    for at_ms, size in records:
        known = audio.repeated(at_ms, size, 0.0)
        assert 0 <= known <= size
        if known < size:
            assert at_ms + known // 8 >= heard_until
            heard_until = at_ms + size // 8
        assert audio.until_ms == heard_until
        assert heard_until - at_ms <= KEEP_MS


# --- after the bus was away -------------------------------------------------------------------------------------------


class Line:
    """Caller audio of 20 ms records, as a talker hears it that was away from the bus."""

    def __init__(self, heard: range) -> None:
        self.audio = CallerAudio(0.0)
        self.heard: list[int] = []
        self.say(*heard)
        self.audio.doubt(0.0)

    def say(self, *times_ms: int, now: float = 0.0) -> None:
        for at_ms in times_ms:
            settled = (
                self.audio.settled(at_ms, b"x" * FRAME, now) if self.audio.is_in_doubt else ((at_ms, b"x" * FRAME),)
            )
            self.heard += [at for at, pcmu in settled if not self.audio.repeated(at, len(pcmu), now)]


def test_what_was_missed_is_heard_before_what_came_in_the_meantime() -> None:
    line = Line(range(0, 100, 20))
    line.say(1_000, 1_020)
    assert line.heard[-1] == 80, "newer audio waits"
    line.say(*range(40, 1_060, 20))
    assert line.heard == list(range(0, 1_060, 20))
    assert not line.audio.is_in_doubt


def test_if_nothing_was_missed_nothing_waits() -> None:
    line = Line(range(0, 100, 20))
    line.say(100)
    assert line.heard[-1] == 100
    assert not line.audio.is_in_doubt


def test_what_never_comes_again_is_not_waited_for_without_end() -> None:
    line = Line(range(0, 100, 20))
    line.say(1_000, 1_020)
    line.say(1_040, now=DOUBT_S)
    line.say(1_060, now=DOUBT_S)
    assert line.heard[-5:] == [80, 1_000, 1_020, 1_040, 1_060]


def test_who_has_heard_nothing_yet_waits_for_nothing() -> None:
    line = Line(range(0))
    line.say(8_000)
    assert line.heard == [8_000]


def test_audio_that_waits_is_a_sign_of_life() -> None:
    line = Line(range(0, 100, 20))
    line.say(1_000, now=0.5)
    assert line.audio.heard_at == 0.5


@given(st.integers(1, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_nothing_is_missing_however_much_was_missed_and_comes_again(
    heard: int, missed: int, meanwhile: int, again: int
) -> None:
    line = Line(range(0, heard * 20, 20))
    back, now = (heard + missed) * 20, (heard + missed + meanwhile) * 20
    line.say(*range(back, now, 20))
    line.say(*range(max(0, heard - again) * 20, now + 40, 20))
    assert line.heard == list(range(0, now + 40, 20))
