"""Playout and the heard ledger: exact at each mark, interpolated between, never ahead of the carrier."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import pcmu
from edge.core.playout import AHEAD_BYTES, AgentBegan, AgentTurn, Gap, Output, Playout, SendAudio

FRAME = pcmu.FRAME_BYTES


def audio(ms: int) -> bytes:
    return b"\x55" * (ms * pcmu.BYTES_PER_MS)


def sent(outputs: tuple[Output, ...]) -> list[SendAudio]:
    return [output for output in outputs if isinstance(output, SendAudio)]


def turns(outputs: tuple[Output, ...]) -> list[AgentTurn]:
    return [output for output in outputs if isinstance(output, AgentTurn)]


def begun(outputs: tuple[Output, ...]) -> list[AgentBegan]:
    return [output for output in outputs if isinstance(output, AgentBegan)]


def test_the_first_audio_of_an_item_says_that_the_agent_began_and_goes_out_with_a_mark() -> None:
    playout = Playout()
    playout.begin_item("item-1", 1, 4_200)
    outputs = playout.audio(1, audio(20), 10.0)
    assert outputs == (AgentBegan("item-1", 1, 4_200), SendAudio(audio(20), "1:0:160"))
    assert not begun(playout.audio(1, audio(20), 10.0))


def test_audio_that_comes_after_the_carrier_ran_dry_within_a_turn_is_a_gap() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    (first,) = sent(playout.audio(1, audio(200), 0.0))
    playout.mark(first.mark, 0.2)
    (gap,) = [output for output in playout.audio(1, audio(200), 0.65) if isinstance(output, Gap)]
    assert gap.seconds == pytest.approx(0.45)


def test_audio_in_time_and_the_silence_between_turns_are_no_gaps() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    outputs = [playout.audio(1, audio(200), 0.0), playout.audio(1, audio(200), 0.1)]
    for output in sent(outputs[0]) + sent(outputs[1]):
        playout.mark(output.mark, 0.4)
    playout.end_item("a", 0.4)
    playout.begin_item("b", 1, 0)
    outputs.append(playout.audio(1, audio(200), 9.0))
    assert not [note for output in outputs for note in output if isinstance(note, Gap)]


def test_marks_name_epoch_generation_and_position_in_bytes() -> None:
    playout = Playout()
    playout.begin_item("a", 3, 0)
    marks = [sent(playout.audio(3, audio(20), 0.0))[0].mark for _ in range(3)]
    assert marks == ["3:0:160", "3:0:320", "3:0:480"]
    playout.clear(0.0)
    playout.begin_item("b", 3, 0)
    assert sent(playout.audio(3, audio(20), 0.0))[0].mark == "3:1:160"


def test_at_a_returned_mark_what_was_heard_is_exact_to_the_frame() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    marks = [sent(playout.audio(1, audio(20), 0.0))[0].mark for _ in range(10)]
    for count, mark in enumerate(marks, 1):
        playout.mark(mark, 0.001 * count)
        assert playout.heard(0.001 * count) == count * FRAME


def test_between_marks_the_ledger_runs_with_the_clock() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(1_000), 5.0)
    assert playout.heard(5.0) == 0
    assert playout.heard(5.25) == 250 * pcmu.BYTES_PER_MS


def test_interpolation_never_passes_a_mark_that_is_still_out() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(100), 0.0)
    playout.audio(1, audio(100), 0.0)
    assert playout.heard(60.0) == 100 * pcmu.BYTES_PER_MS


def test_a_late_mark_does_not_lower_what_was_heard() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    first = sent(playout.audio(1, audio(100), 0.0))[0].mark
    playout.audio(1, audio(100), 0.0)
    before = playout.heard(0.5)
    playout.mark(first, 0.5)
    assert playout.heard(0.5) == before == 800
    assert playout.heard(0.55) == 1_200


def test_audio_after_a_pause_is_not_heard_before_it_is_sent() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.mark(sent(playout.audio(1, audio(20), 0.0))[0].mark, 0.02)
    playout.audio(1, audio(200), 30.0)
    assert playout.heard(30.0) == FRAME
    assert playout.heard(30.05) == FRAME + 400


def test_a_mark_stands_for_those_before_it_that_never_came() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    marks = [sent(playout.audio(1, audio(20), 0.0))[0].mark for _ in range(3)]
    playout.mark(marks[2], 0.06)
    assert playout.heard(0.06) == 3 * FRAME
    assert playout.mark(marks[0], 0.07) == ()
    assert (playout.heard(0.07), playout.unknown_marks) == (3 * FRAME, 1)


def test_what_was_heard_of_a_turn_is_not_forgotten_while_a_clip_of_ours_plays_in_its_middle() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    (first,) = sent(playout.audio(1, audio(100), 2.0))
    playout.mark(first.mark, 2.1)
    playout.local(audio(300), 2.4)
    (turn,) = playout.clear(2.5)
    assert (turn.heard_ms, turn.audio_ms, turn.is_interrupted) == (100, 100, False)


def test_a_turn_is_under_way_from_its_first_audio_until_its_end_is_told() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    assert not playout.is_mid_turn, "nothing can be heard of it yet"
    (first,) = sent(playout.audio(1, audio(100), 2.0))
    playout.mark(first.mark, 2.1)
    assert (playout.is_mid_turn, playout.is_silent) == (True, True)
    playout.local(audio(20), 2.4)
    assert playout.is_mid_turn
    playout.end_item("a", 2.5)
    assert not playout.is_mid_turn


def test_an_item_played_to_its_end_is_a_complete_turn() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    outputs = playout.audio(1, audio(100), 2.0)
    playout.text(1, 0, "Hello there.")
    assert not playout.end_item("a", 2.01)
    (turn,) = turns(playout.mark(sent(outputs)[0].mark, 2.1))
    assert turn == AgentTurn("a", 1, "Hello there.", 2.0, 2.1, 100, 100, is_interrupted=False)
    assert playout.is_quiet


def test_an_item_whose_audio_was_heard_before_it_ended_is_reported_when_it_ends() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    assert not turns(playout.mark(sent(playout.audio(1, audio(20), 0.0))[0].mark, 0.02))
    (turn,) = turns(playout.end_item("a", 0.5))
    assert (turn.heard_ms, turn.is_interrupted) == (20, False)


def test_a_clear_cuts_the_item_where_the_caller_heard_it_and_those_behind_it_at_nothing() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(1_000), 0.0)
    playout.text(1, 0, "one two three four five six seven eight nine ten")
    playout.begin_item("b", 1, 0)
    playout.audio(1, audio(500), 0.0)
    first, second = playout.clear(0.3)
    assert (first.item_id, first.heard_ms, first.audio_ms, first.is_interrupted) == ("a", 300, 1_000, True)
    assert first.text == "one two three"
    assert (second.item_id, second.heard_ms, second.text, second.is_interrupted) == ("b", 0, "", True)
    assert playout.is_quiet
    assert playout.buffered_ms(0.3) == 0


def test_after_a_clear_heard_stands_still_and_new_audio_counts_from_there() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(1_000), 0.0)
    playout.clear(0.3)
    assert playout.heard(9.0) == 2_400
    playout.begin_item("b", 1, 0)
    (out,) = sent(playout.audio(1, audio(20), 9.0))
    assert out.mark == "1:1:2560"
    playout.end_item("b", 9.0)
    (turn,) = turns(playout.mark(out.mark, 9.02))
    assert (turn.heard_ms, turn.is_interrupted) == (20, False)


def test_marks_that_a_clear_returned_are_void_and_counted() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    (old,) = sent(playout.audio(1, audio(500), 0.0))
    playout.clear(0.1)
    playout.begin_item("b", 1, 0)
    playout.audio(1, audio(500), 0.1)
    assert playout.mark(old.mark, 0.11) == ()
    assert playout.heard(0.1) == 800
    assert playout.unknown_marks == 1


@pytest.mark.parametrize(
    "name",
    ["", "1", "1:0", "1:0:161", "1:1:160", "x:y:z", "1:0:-160", "1:0:160:9", "1:0:" + "9" * 5_000, "１:0:160", "::"],
)
def test_a_mark_nobody_sent_changes_nothing(name: str) -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(20), 0.0)
    assert playout.mark(name, 0.0) == ()
    assert (playout.heard(0.0), playout.unknown_marks) == (0, 1)


def test_audio_more_than_nine_minutes_ahead_waits_for_the_carrier() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    outputs: list[SendAudio] = []
    for _ in range(600):
        outputs += sent(playout.audio(1, audio(1_000), 0.0))
    assert sum(len(out.pcmu) for out in outputs) == AHEAD_BYTES
    assert playout.buffered_ms(0.0) == 600_000
    more = sent(playout.mark(outputs[0].mark, 1.0))
    assert [out.mark for out in more] == [f"1:0:{AHEAD_BYTES + 8_000}"]


def test_a_clear_also_throws_away_what_was_held_back() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    for _ in range(600):
        playout.audio(1, audio(1_000), 0.0)
    (turn,) = playout.clear(1.0)
    assert (turn.heard_ms, turn.audio_ms) == (1_000, 600_000)
    playout.begin_item("b", 1, 0)
    (out,) = sent(playout.audio(1, audio(20), 1.0))
    assert out.mark == "1:1:8160"


def test_a_new_talker_ends_open_items_and_what_was_sent_plays_on() -> None:
    playout = Playout()
    playout.begin_item("old", 1, 0)
    (first,) = sent(playout.audio(1, audio(100), 0.0))
    assert playout.end_items(0.01) == ()
    playout.begin_item("new", 2, 0)
    (second,) = sent(playout.audio(2, audio(100), 0.02))
    (turn,) = turns(playout.mark(first.mark, 0.1))
    assert (turn.item_id, turn.epoch, turn.is_interrupted) == ("old", 1, False)
    playout.end_item("new", 0.15)
    (turn,) = turns(playout.mark(second.mark, 0.2))
    assert (turn.item_id, turn.epoch) == ("new", 2)
    assert turn.began_at == pytest.approx(0.1)


def test_an_item_behind_others_is_said_to_begin_when_they_are_played() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    playout.audio(1, audio(2_000), 0.0)
    playout.begin_item("b", 1, 0)
    (out,) = sent(playout.audio(1, audio(1_000), 0.5))
    playout.end_item("b", 0.5)
    *_, turn = turns(playout.mark(out.mark, 3.0))
    assert (turn.item_id, turn.ended_at) == ("b", 3.0)
    assert turn.began_at == pytest.approx(2.0)


def test_audio_of_an_unannounced_item_is_played_and_told_like_any_other() -> None:
    playout = Playout()
    outputs = playout.audio(4, audio(20), 0.0)
    assert begun(outputs)[0].epoch == 4
    playout.end_items(0.0)
    (turn,) = turns(playout.mark(sent(outputs)[0].mark, 0.02))
    assert turn.heard_ms == 20


def test_an_item_without_audio_is_no_turn_and_does_not_keep_the_ones_behind_it() -> None:
    playout = Playout()
    playout.begin_item("silent", 1, 0)
    playout.begin_item("spoken", 1, 0)
    (out,) = sent(playout.audio(1, audio(20), 0.0))
    playout.end_item("spoken", 0.0)
    assert [turn.item_id for turn in turns(playout.mark(out.mark, 0.02))] == ["spoken"]
    assert playout.is_quiet


def test_text_that_comes_after_the_audio_ended_still_belongs_to_its_item() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    (out,) = sent(playout.audio(1, audio(100), 0.0))
    playout.end_item("a", 0.0)
    playout.text(1, 50, "late words")
    (turn,) = turns(playout.mark(out.mark, 0.1))
    assert turn.text == "late words"
    assert playout.is_quiet
    playout.text(1, 60, "far too late")
    assert playout.is_quiet


def test_empty_audio_is_nothing() -> None:
    playout = Playout()
    playout.begin_item("a", 1, 0)
    assert playout.audio(1, b"", 0.0) == ()


# --- any order of anything --------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 5), st.integers(1, 3)),
        st.tuples(st.just("audio"), st.integers(0, 20_000), st.integers(1, 3)),
        st.tuples(st.just("text"), st.integers(0, 5_000), st.integers(1, 3)),
        st.tuples(st.just("end"), st.integers(0, 5), st.just(0)),
        st.tuples(st.just("mark"), st.integers(0, 30), st.just(0)),
        st.tuples(st.just("odd mark"), st.integers(0, 99_999), st.integers(0, 3)),
        st.tuples(st.just("clear"), st.just(0), st.just(0)),
        st.tuples(st.just("end all"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


class Driven:
    """A playout driven step by step, with everything it said."""

    def __init__(self) -> None:
        self.playout = Playout()
        self.marks: list[str] = []
        self.outputs: list[Output] = []
        self.begins = 0
        self.newest: dict[int, str] = {}

    def step(self, kind: str, number: int, epoch: int, now: float) -> None:
        playout = self.playout
        outputs: tuple[Output, ...] = ()
        match kind:
            case "begin":
                self.begins += 1
                self.newest[number] = f"item-{number}-{self.begins}"
                playout.begin_item(self.newest[number], epoch, number)
            case "audio":
                outputs = playout.audio(epoch, b"\x00" * number, now)
            case "text":
                playout.text(epoch, number, f"word{number} ")
            case "end":
                outputs = playout.end_item(self.newest.get(number, "never"), now)
            case "mark":
                outputs = playout.mark(self.marks[number % len(self.marks)] if self.marks else "none", now)
            case "odd mark":
                outputs = playout.mark(f"1:{epoch}:{number}", now)
            case "clear":
                outputs = playout.clear(now)
            case _:
                outputs = playout.end_items(now)
        self.outputs += outputs
        self.marks += [out.mark for out in sent(outputs)]


@given(STEPS, st.lists(st.floats(0, 3), min_size=60, max_size=60))
def test_whatever_the_order_heard_never_falls_never_exceeds_what_was_sent_and_each_item_is_told_once(
    steps: list[tuple[str, int, int]], waits: list[float]
) -> None:
    driven = Driven()
    now, heard, sent_bytes = 100.0, [0], 0
    for (kind, number, epoch), wait in zip(steps, waits, strict=False):
        now += wait
        before = len(driven.outputs)
        driven.step(kind, number, epoch, now)
        sent_bytes += sum(len(out.pcmu) for out in sent(tuple(driven.outputs[before:])))
        heard.append(driven.playout.heard(now))
        assert heard[-1] <= sent_bytes
        assert driven.playout.buffered_ms(now) >= 0
    driven.outputs += driven.playout.clear(now)
    told = turns(tuple(driven.outputs))
    started = [began.item_id for began in begun(tuple(driven.outputs))]
    assert all(earlier <= later for earlier, later in pairwise(heard))
    assert sorted(turn.item_id for turn in told) == sorted(started)
    assert len(set(started)) == len(started)
    assert all(0 <= turn.heard_ms <= turn.audio_ms and turn.began_at <= turn.ended_at for turn in told)
    assert sum(turn.heard_ms for turn in told) <= heard[-1] // pcmu.BYTES_PER_MS
    assert driven.playout.is_quiet
