"""Every verdict can fail: a lost call, a late takeover, an unnoticed fault, a tool run twice."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.judge import CallVerdict, Strike, judge
from chaos.recorded import Call, Recordings, Session, Span
from unit.chaos.hand_made import ANSWER, CALLER, PACE, call, heard, seeded, session, speech, turn

STRIKE = Strike(12.0)


def verdict(made: Call, sessions: Sequence[Session], strike: Strike = STRIKE) -> CallVerdict:
    (found,) = judge(Recordings((made,), tuple(sessions)), strike, PACE)
    return found


def taken_over(*, opened_s: float = 12.04, spoke_s: float = 12.5) -> CallVerdict:
    """An answer of six seconds from 8.0 on is cut at the fault; a second session goes on."""
    made = call(
        [heard(0, 1), heard(8, 1, 600, 400), heard(spoke_s, 2), heard(24.8, 2, 600)], [turn(6.5, 7), turn(21, 24)]
    )
    told = [seeded("assistant", ANSWER, 12.2), seeded("user", "hello there", 12.21), seeded("assistant", ANSWER, 12.22)]
    second = session(2, answers=2, items=told, listened=Span(12.3, 60), opened_s=opened_s, updated_s=(12.1, 12.25))
    speeches = tuple(replace(each, started_s=12.3) for each in second.speeches)
    first = session(1, answers=2, listened=Span(0, 12), closed_s=12.0)
    return verdict(made, [first, replace(second, speeches=speeches)])


def test_a_takeover_is_timed_from_the_fault() -> None:
    found = taken_over()
    (takeover,) = found.takeovers
    assert (takeover.asked_s, takeover.ready_s, takeover.speaking_s) == pytest.approx((0.04, 0.25, 0.5))
    assert found.noticed_s == pytest.approx(0.04)
    assert (found.lost_because, found.is_affected) == (None, True)
    assert [silence.gap_s for silence in found.silences] == pytest.approx([0.5])


def test_a_session_opened_ahead_of_need_was_asked_when_it_was_configured() -> None:
    assert taken_over(opened_s=2.0).takeovers[0].asked_s == pytest.approx(0.1)


def test_speaking_counts_from_the_end_of_what_was_buffered() -> None:
    made = call([heard(0, 1), heard(9, 1, 600), heard(15.2, 2)], [turn(6.5, 8), turn(30, 33)])
    second = session(2, items=(), listened=Span(12.3, 60), opened_s=12.1)
    found = verdict(made, [session(1, answers=2, closed_s=12.0), second])
    assert found.takeovers[0].speaking_s == pytest.approx(0.2)


def test_a_session_that_goes_on_where_the_buffered_speech_ends_was_not_late() -> None:
    buffered = heard(9, 1, 600, 437)
    made = call([heard(0, 1), buffered, heard(buffered.end_s - 1e-7, 2)], [turn(6.5, 8), turn(30, 33)])
    found = verdict(made, [session(1, answers=2, closed_s=12.0), session(2, listened=Span(12.3, 60), opened_s=12.1)])
    assert found.takeovers[0].speaking_s == pytest.approx(0, abs=0.001)


def test_sessions_before_the_fault_are_no_takeovers() -> None:
    made = call([heard(0, 1), heard(8, 2), heard(20, 2, 600)], [turn(16, 19)])
    found = verdict(made, [session(1, closed_s=7.0), session(2, answers=2, opened_s=7.1, listened=Span(7, 60))])
    assert (found.takeovers, found.noticed_s, found.is_affected) == ((), None, False)


def test_the_local_clip_and_the_carrier_asking_again_are_signs_too() -> None:
    made = call([heard(0, 1), heard(20, 1, 600)], [turn(16, 19)], clips=[Span(12.3, 12.6)])
    assert verdict(made, [session(1, answers=2)]).noticed_s == pytest.approx(0.3)
    again = replace(made, asked_again_s=(12.2,), streams=(Span(0, 12), Span(12.7, 60)))
    found = verdict(again, [session(1, answers=2)])
    assert found.noticed_s == pytest.approx(0.2)
    assert found.reattached_s == pytest.approx((0.5,))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (
            call([heard(0, 1), heard(20, 1, 600)], [turn(16, 19)], failure="step 3: nobody spoke"),
            "step 3: nobody spoke",
        ),
        (call([heard(0, 1)], [turn(7, 9)]), "the caller said nothing after the fault"),
        (call([heard(0, 1), heard(13, 1, 600)], [turn(20, 23)]), "no agent answered after the fault"),
        (call([heard(0, 1), heard(24, 1, 600)], [turn(20, 23)]), None),
    ],
)
def test_a_call_is_held_if_it_ended_by_script_and_the_caller_was_answered_again(made: Call, why: str | None) -> None:
    assert verdict(made, [session(1, answers=2)]).lost_because == why


def test_a_silence_before_the_fault_is_not_the_faults() -> None:
    made = call([heard(0, 1, 0, 300), heard(8, 2), heard(24, 2, 600)], [turn(20, 23)])
    both = [session(1, closed_s=4), session(2, answers=2, listened=Span(4, 60))]
    assert [silence.start_s for silence in verdict(made, both).silences] == pytest.approx([23.8])
    during = verdict(made, both, Strike(5.0)).silences[0]
    assert (during.start_s, during.gap_s) == pytest.approx((5.0, 3.0))


def test_caller_audio_that_nobody_was_given_is_counted() -> None:
    made = call([heard(0, 1), heard(14, 2)], [turn(16, 19)])
    sessions = [session(1, listened=Span(0, 12), closed_s=12), session(2, listened=Span(12.4, 60), opened_s=12.1)]
    assert verdict(made, sessions).caller_frames_lost == 20


def test_a_result_given_twice_is_a_tool_run_twice() -> None:
    made = call([heard(0, 1), heard(20, 1, 600)], [turn(16, 19)])
    tools = replace(session(1, answers=2), tools_asked=("a", "b"), tools_returned=("a", "b", "a"))
    found = verdict(made, [tools])
    assert (found.tools_asked, found.tools_twice) == (2, 1)


def test_sessions_of_other_callers_are_not_this_calls() -> None:
    made = call([heard(0, 1), heard(20, 1, 600)], [turn(16, 19)])
    stranger = session(2, caller=CALLER + 1, opened_s=12.1)
    warm = replace(session(3, opened_s=12.1), caller_runs=())
    assert verdict(made, [session(1, answers=2), stranger, warm]).sessions == (1,)


def test_speeches_are_those_of_the_hand_made_sessions() -> None:
    assert speech(1).first_cell == speech(0).end_cell
