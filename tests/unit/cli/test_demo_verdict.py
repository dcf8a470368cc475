"""The demo's report and its verdict: every way in which a conversation did not take place."""

from collections.abc import Sequence
from typing import Any

import pytest

from common.messages.facts import AgentSaid, AnyFact, CallerSaid, EpochChanged, TransferBegun
from common.messages.offers import HandoverReason
from trunkline.demo import report, verdict
from trunkline.demo.report import CallerResult

LOUD = (2000.0, 1500.0)


def caller_result(**changes: Any) -> CallerResult:
    data: dict[str, Any] = {
        "call_sid": "CA1",
        "is_ok": True,
        "duration_ms": 30_000.4,
        "caller_turns": [
            {"text": "he was not ill", "speech_start_ms": 5000, "speech_end_ms": 8000},
            {"text": "he might even", "speech_start_ms": 12_000, "speech_end_ms": 15_000},
        ],
        "agent_audible": [
            {"start_ms": 400, "end_ms": 4500},
            {"start_ms": 8700, "end_ms": 12_150},
            {"start_ms": 15_900, "end_ms": 18_000},
        ],
        "barge_ins": [{"onset_ms": 12_000, "silent_after_ms": 150.4, "cleared_after_ms": 130.0}],
    }
    return CallerResult.model_validate(data | changes)


def facts() -> list[AnyFact]:
    return [
        EpochChanged(
            call_id="CA1",
            epoch=1,
            talker_id="worker-a",
            reason=HandoverReason.START,
            realtime_session_id="s",
            ready_after_ms=200,
        ),
        AgentSaid(call_id="CA1", item_id="a1", text="Hello.", start_ms=400, end_ms=4500, heard_ms=4100, audio_ms=4100),
        AgentSaid(
            call_id="CA1",
            item_id="a2",
            text="The reading room",
            start_ms=8700,
            end_ms=12_150,
            heard_ms=3450,
            audio_ms=12_000,
            is_interrupted=True,
        ),
        CallerSaid(call_id="CA1", item_id="c1", text="He was not ill.", start_ms=5000, end_ms=8000),
        CallerSaid(call_id="CA1", item_id="c2", text="he might even", start_ms=12_000, end_ms=15_000),
    ]


def judge(result: CallerResult, said: Sequence[AnyFact], rms: Sequence[float] = LOUD) -> str:
    return "\n".join(verdict.problems(result, report.build(result, said), rms))


def test_the_report_has_turns_in_spoken_order_and_times_as_heard() -> None:
    built = report.build(caller_result(), facts())
    assert built["call_id"] == "CA1"
    assert built["duration_s"] == 30.0
    assert [turn["speaker"] for turn in built["turns"]] == ["agent", "caller", "agent", "caller"]
    assert built["turns"][2] == {
        "speaker": "agent",
        "text": "The reading room",
        "start_ms": 8700,
        "end_ms": 12_150,
        "heard_ms": 3450,
    }
    assert built["turns"][1]["heard_ms"] == 3000
    assert built["barge_ins"] == [{"onset_ms": 12_000, "silent_after_ms": 150}]
    assert built["epochs"] == [1]
    assert built["latencies_ms"] == {"setup": 400, "response": [700, 900], "barge_in_stop": [130]}


def test_a_fact_that_arrives_twice_is_one_turn() -> None:
    assert len(report.turns([*facts(), *facts()])) == 4


def test_a_conversation_that_took_place_has_no_problems() -> None:
    assert judge(caller_result(), facts()) == ""


def test_a_caller_that_failed_is_quoted() -> None:
    assert "no TwiML" in judge(caller_result(is_ok=False, failure="no TwiML"), facts())


def test_a_call_without_facts_had_no_greeting_no_turns_and_no_epoch() -> None:
    found = judge(caller_result(), [])
    assert "no greeting" in found
    assert "0 turns were written down" in found
    assert "begin with 1, not nothing" in found


def test_a_wrong_transcript_is_shown_beside_what_was_said() -> None:
    wrong = [*facts()[:4], CallerSaid(call_id="CA1", item_id="c2", text="he may", start_ms=12_000, end_ms=15_000)]
    assert "“he might even” but “he may”" in judge(caller_result(), wrong)


def test_an_unanswered_turn_is_named() -> None:
    silent = caller_result(agent_audible=[{"start_ms": 400, "end_ms": 4500}, {"start_ms": 8700, "end_ms": 12_150}])
    assert "did not answer “he might even”" in judge(silent, facts())


def test_an_answer_that_comes_after_the_next_turn_began_does_not_count() -> None:
    late = caller_result(agent_audible=[{"start_ms": 400, "end_ms": 4500}, {"start_ms": 15_900, "end_ms": 18_000}])
    assert "did not answer “he was not ill”" in judge(late, facts())


@pytest.mark.parametrize(
    ("barge_ins", "complaint"),
    [
        ([], "never spoke over"),
        ([{"onset_ms": 1, "silent_after_ms": 301, "cleared_after_ms": None}], "heard for 301 ms"),
    ],
)
def test_a_barge_in_must_silence_the_agent_in_time(barge_ins: list[dict[str, Any]], complaint: str) -> None:
    assert complaint in judge(caller_result(barge_ins=barge_ins), facts())


@pytest.mark.parametrize(("epochs", "complaint"), [([2], "not 2"), ([1, 3, 3], "should rise")])
def test_epochs_begin_with_one_and_rise(epochs: list[int], complaint: str) -> None:
    built = report.build(caller_result(), facts()) | {"epochs": epochs}
    assert complaint in "\n".join(verdict.problems(caller_result(), built, LOUD))


@pytest.mark.parametrize(
    ("rms", "complaint"), [((), "0 channel"), ((0.0, 900.0), "caller's side"), ((900.0, 3.0), "agent's side")]
)
def test_both_sides_must_be_heard_in_the_recording(rms: tuple[float, ...], complaint: str) -> None:
    assert complaint in judge(caller_result(), facts(), rms)


# --- a caller who is given to a human -------------------------------------------------------------------------------

IN_VAIN: dict[str, Any] = {"status": "busy"}
REACHED: dict[str, Any] = {"status": "completed", "is_bridged": True, "heard": ["A refund."]}


def given_away(*dials: dict[str, Any], returns: bool = True) -> tuple[CallerResult, list[AnyFact]]:
    sorry = AgentSaid(
        call_id="CA1", item_id="a3", text="Sorry.", start_ms=11_000, end_ms=11_900, heard_ms=900, audio_ms=900
    )
    begun = [TransferBegun(call_id="CA1", to=to) for to in ("front-desk", "lending")]
    return caller_result(dials=dials, barge_ins=[]), [*facts(), *([sorry] if returns else []), *begun]


def judge_transfer(result: CallerResult, said: Sequence[AnyFact]) -> str:
    return "\n".join(verdict.problems_of_transfer(result, report.build(result, said), LOUD))


def test_who_was_dialled_and_what_they_heard_is_in_the_report_by_name() -> None:
    assert report.build(*given_away(IN_VAIN, REACHED))["transfers"] == [
        {"to": "front-desk", "status": "busy", "has_talked": False, "human_heard": []},
        {"to": "lending", "status": "completed", "has_talked": True, "human_heard": ["A refund."]},
    ]


def test_a_caller_whom_the_second_human_was_found_for_has_no_problems() -> None:
    assert judge_transfer(*given_away(IN_VAIN, REACHED)) == ""


@pytest.mark.parametrize(
    ("dials", "problem"),
    [
        ((), "of 0 0 talked"),
        ((REACHED,), "of 1 1 talked"),
        ((IN_VAIN, IN_VAIN), "of 2 0 talked"),
        ((IN_VAIN, REACHED | {"heard": []}), "was told nothing"),
    ],
)
def test_a_transfer_that_did_not_take_place_is_said(dials: tuple[dict[str, Any], ...], problem: str) -> None:
    assert problem in judge_transfer(*given_away(*dials))


def test_an_agent_that_is_silent_when_the_caller_is_back_is_a_problem() -> None:
    assert "did not speak first" in judge_transfer(*given_away(IN_VAIN, REACHED, returns=False))
