"""A row has the report's fields, and each thing that must be 0 spoils it when it is not."""

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from chaos.faults import BY_NAME
from chaos.judge import CallVerdict, Takeover
from chaos.memory import Memory
from chaos.report import remarks, show
from chaos.rows import CORRECTNESS, TIMES, Circumstances, Leaks, row_of
from chaos.silences import Silence

KILL = BY_NAME["worker_kill"]
GOOD = CallVerdict(
    number=1,
    lost_because=None,
    sessions=(1, 2),
    takeovers=(Takeover(2, 0.02, 0.2, 0.9),),
    noticed_s=0.02,
    reattached_s=(),
    silences=(Silence(10.0, 10.25, 11.0, 0.4),),
    double_talk_frames=0,
    foreign_frames=0,
    repeated_frames=0,
    memory=Memory(5, (), ()),
    caller_frames_lost=0,
    tools_asked=0,
    tools_twice=0,
)
AROUND = Circumstances(offered=2)


def row(verdict: CallVerdict = GOOD, around: Circumstances = AROUND, fault: str = "worker_kill") -> dict[str, Any]:
    return row_of(BY_NAME[fault], [GOOD, replace(verdict, number=2)], around)


def test_a_good_round() -> None:
    made = row()
    assert made["is_correct"]
    assert (made["offered"], made["held"], made["lost"], made["affected"]) == (2, 2, 0, 2)
    assert made["asked_ms"]["max"] == pytest.approx(20)
    assert made["gap_ms"]["p99"] == pytest.approx(250)
    assert made["silence_ms"]["p99"] == pytest.approx(400)
    assert [mark["is_met"] for mark in made["marks"]] == [True] * len(KILL.marks)


def test_a_row_has_all_the_fields_of_the_report() -> None:
    fields = {"fault", "offered", "held", "lost", "double_talk_frames", "items_missing", "tools_twice", "leaked"}
    assert fields | {"gap_ms", *TIMES} <= set(row())
    assert all(set(row()[name]) >= {"p50", "p99", "max"} for name in ("gap_ms", *TIMES))


@pytest.mark.parametrize(
    ("name", "verdict", "around"),
    [
        ("lost", replace(GOOD, lost_because="the agent was not heard"), AROUND),
        ("lost", GOOD, replace(AROUND, unplaced=("call 3: refused",), offered=3)),
        ("double_talk_frames", replace(GOOD, double_talk_frames=1), AROUND),
        ("foreign_frames", replace(GOOD, foreign_frames=1), AROUND),
        ("items_missing", replace(GOOD, memory=Memory(5, ("session 2: caller turn 1",), ())), AROUND),
        ("tools_twice", replace(GOOD, tools_asked=2, tools_twice=1), AROUND),
        ("leaked", GOOD, replace(AROUND, leaks=Leaks(sessions=1))),
        ("leaked", GOOD, replace(AROUND, leaks=Leaks(subscriptions=1))),
        ("leaked", GOOD, replace(AROUND, leaks=Leaks(connections=1))),
        ("leaked", GOOD, replace(AROUND, leaks=Leaks(open_files=1))),
    ],
)
def test_what_must_be_nothing_spoils_the_row(name: str, verdict: CallVerdict, around: Circumstances) -> None:
    made = row(verdict, around)
    assert (made["wrong"], made["is_correct"], made[name]) == ([name], False, 1)
    assert any(name in line for line in remarks(made))


def test_a_missed_speed_is_shown_and_spoils_nothing() -> None:
    made = row(replace(GOOD, takeovers=(Takeover(2, 0.3, 0.4, 0.9),)))
    assert made["is_correct"]
    assert [mark["column"] for mark in made["marks"] if not mark["is_met"]] == ["asked_ms", "ready_ms"]
    assert any("asked_ms p99 300, target 50" in line for line in remarks(made))


def test_times_are_those_of_the_calls_that_the_fault_met() -> None:
    unmet = replace(GOOD, takeovers=(), silences=(), noticed_s=None, sessions=(1,))
    made = row(unmet)
    assert (made["affected"], made["gap_ms"]["p50"], made["asked_ms"]["n"]) == (1, pytest.approx(250), 1)


def test_a_takeover_without_reason_is_named() -> None:
    made = row(fault="soak")
    assert (made["false_takeovers"], made["asked_ms"]["p50"]) == (2, None)
    assert any("no reason" in line for line in remarks(made))
    assert row()["false_takeovers"] == 0


def test_correctness_is_what_the_issue_wants_to_be_nothing() -> None:
    assert set(CORRECTNESS) == {"lost", "double_talk_frames", "items_missing", "tools_twice", "leaked"}


def test_the_table_shows_every_row() -> None:
    output = StringIO()
    machine = {"cpu": "a machine", "cores": 2, "python": "3.11"}
    spoilt = row(replace(GOOD, double_talk_frames=3), fault="soak")
    show({"rows": [row(), spoilt], "outages": [], "machine": machine, "seed": 7}, Console(file=output, width=200))
    text = output.getvalue()
    for wanted in ("worker_kill", "20/20/20", "2/2", "good", "soak", "WRONG", "double_talk_frames 3", "seed 7"):
        assert wanted in text
