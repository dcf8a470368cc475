"""What a session has to know of a call it took over, and what counts as forgotten."""

from dataclasses import replace

from chaos.memory import Memory, recall
from chaos.recorded import Call, Item, Session, Span
from simulators.people.watermark import Run
from unit.chaos.hand_made import ANSWER, CALLER, call, heard, seeded, session, turn

FIRST_HALF = "one two three four five six"


def taken_over(*items: Item, call_: Call | None = None, listened: Span | None = None) -> Memory:
    """A session of one whole answer and one caller turn, then another that was told `items`."""
    made = call_ or call([heard(0, 1), heard(14, 2)], [turn(7, 10)])
    first = session(1, listened=Span(0, 12), closed_s=12)
    return recall(made, [first, session(2, items=items, listened=listened or Span(12, 60))])


def test_everything_told_is_nothing_missing() -> None:
    memory = taken_over(seeded("assistant", ANSWER), seeded("user", "hello there"), seeded("system", "go on"))
    assert (memory.missing, memory.unheard) == ((), ())
    assert memory.expected == 1 + 1 + 1


def test_a_caller_turn_neither_told_nor_played_is_missing() -> None:
    assert taken_over(seeded("assistant", ANSWER)).missing == ("session 2: caller turn 1",)


def test_a_caller_turn_that_was_played_need_not_be_told() -> None:
    assert taken_over(seeded("assistant", ANSWER), listened=Span(6.9, 60)).missing == ()


def test_a_caller_turn_played_but_for_its_beginning_is_missing() -> None:
    assert taken_over(seeded("assistant", ANSWER), listened=Span(7.1, 60)).missing == ("session 2: caller turn 1",)


def test_the_audio_of_another_caller_does_not_count() -> None:
    second = session(2, items=[seeded("assistant", ANSWER)], listened=Span(12, 60))
    foreign = replace(second, caller_runs=(*second.caller_runs, Run(0, CALLER + 1, 0, 6000)))
    made = call([heard(0, 1), heard(14, 2)], [turn(7, 10)])
    memory = recall(made, [session(1, listened=Span(0, 12), closed_s=12), foreign])
    assert memory.missing == ("session 2: caller turn 1",)


def test_turns_told_in_the_wrong_order_are_missing() -> None:
    made = call([heard(0, 1), heard(20, 2)], [turn(7, 10, "first words"), turn(12, 14, "second words")])
    told = (seeded("assistant", ANSWER), seeded("user", "second words"), seeded("user", "first words"))
    sessions = [session(1, listened=Span(0, 16), closed_s=16), session(2, items=told, listened=Span(16, 60))]
    assert recall(made, sessions).missing == ("session 2: caller turn 2",)


def test_a_turn_told_in_pieces_is_told() -> None:
    told = (seeded("assistant", ANSWER), seeded("user", "hello"), Item("user", "there", False, 13.0))
    assert taken_over(*told).missing == ()


def test_an_answer_that_was_not_told_is_missing() -> None:
    assert taken_over(seeded("user", "hello there")).missing == ("session 2: answer 1 of session 1",)


def test_an_answer_told_too_short_is_missing() -> None:
    told = (seeded("assistant", "one two three"), seeded("user", "hello there"))
    assert taken_over(*told).missing == ("session 2: answer 1 of session 1",)


def test_another_answer_is_not_this_one() -> None:
    told = (seeded("assistant", "one two and now for something completely different"), seeded("user", "hello there"))
    assert taken_over(*told).missing == ("session 2: answer 1 of session 1",)


def test_of_an_answer_that_broke_off_only_what_was_heard_is_wanted() -> None:
    broken = call([heard(0, 1, 0, 300), heard(14, 2)], [turn(7, 10)])
    told = (seeded("assistant", FIRST_HALF), seeded("user", "hello there"))
    memory = taken_over(*told, call_=broken)
    assert (memory.missing, memory.unheard) == ((), ())


def test_an_answer_told_beyond_what_was_heard_is_said_so() -> None:
    broken = call([heard(0, 1, 0, 300), heard(14, 2)], [turn(7, 10)])
    memory = taken_over(seeded("assistant", ANSWER), seeded("user", "hello there"), call_=broken)
    assert (memory.missing, memory.unheard) == ((), ("session 2: answer 1 of session 1",))


def test_an_answer_of_which_hardly_a_word_was_heard_is_not_wanted() -> None:
    broken = call([heard(0, 1, 0, 80), heard(14, 2)], [turn(7, 10)])
    assert taken_over(seeded("user", "hello there"), call_=broken).missing == ()


def test_caller_audio_that_no_session_was_given_is_missing_without_any_takeover() -> None:
    made = call([heard(0, 1), heard(14, 1, 600)], [turn(7, 10)])
    deaf = session(1, answers=2, listened=Span(0, 8))
    assert recall(made, [deaf]).missing == ("session 1: caller turn 1",)
    assert recall(made, [session(1, answers=2)]).missing == ()


def test_a_session_in_a_black_hole_knows_nothing_any_more_and_the_next_one_has_to() -> None:
    made = call([heard(0, 1), heard(14, 2)], [turn(7, 10)])
    dark = replace(session(1, listened=Span(0, 8), closed_s=12), dark_s=8.0)
    told = [seeded("assistant", ANSWER), seeded("user", "hello there")]
    assert recall(made, [dark, session(2, items=told, listened=Span(12, 60))]).missing == ()
    assert recall(made, [dark, session(2, items=told[:1], listened=Span(12, 60))]).missing


def test_what_the_carrier_had_no_stream_for_cannot_be_known() -> None:
    streams = [Span(0, 8.0), Span(11, 60)]
    made = call([heard(0, 1), heard(14, 1, 600)], [turn(7, 10)], streams=streams)
    assert recall(made, [replaced_runs(session(1, answers=2), Span(0, 7.8), Span(11, 60))]).missing == ()
    again = call([heard(0, 1), heard(14, 1, 600)], [turn(7, 12)], streams=streams)
    assert recall(again, [replaced_runs(session(1, answers=2), Span(0, 7.8), Span(11.03, 60))]).missing == ()
    assert recall(again, [replaced_runs(session(1, answers=2), Span(0, 7.8), Span(11.06, 60))]).missing
    missing = recall(made, [replaced_runs(session(1, answers=2), Span(0, 7.2), Span(11, 60))]).missing
    assert missing == ("session 1: caller turn 1",)


def replaced_runs(made: Session, *spans: Span) -> Session:
    runs = (Run(0, CALLER, round(s.start_s * 100), round((s.end_s - s.start_s) * 100)) for s in spans)
    return replace(made, caller_runs=tuple(runs))
