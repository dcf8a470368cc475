"""An outage's row has the fields of the report, whatever is wrong spoils it, and the table shows it."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from chaos.evidence import Evidence
from chaos.outage_report import outage_remarks
from chaos.outage_rows import Afterwards, row_of
from chaos.outages import BY_NAME
from chaos.report import show
from chaos.rows import Row
from common.messages.breaker import BreakerState
from unit.chaos.hand_made import PACE
from unit.chaos.hand_made_outage import (
    SECOND,
    back_home,
    breaker,
    evidence,
    good,
    heard_standing,
    in_realtime,
    placed,
    said,
    turn_based,
)

TIMES = ("spoken_to_ms", "answered_ms", "gap_ms", "spoke_ms", "back_ms")


def row(made: Evidence | None = None, afterwards: Afterwards | None = None, outage: str = "realtime_away") -> Row:
    return row_of(BY_NAME[outage], made or good(), PACE, afterwards or Afterwards())


def test_a_good_outage() -> None:
    made = row()
    assert (made["is_correct"], made["wrong"], made["offered"], made["held"]) == (True, [], 1, 1)
    assert (made["levels"], made["has_tripped"]) == ({"L0→L2→L0": 1}, True)
    assert made["answered_ms"]["p99"] == pytest.approx(1500)
    assert [mark["is_met"] for mark in made["marks"]] == [True]
    assert all(set(made[name]) >= {"p50", "p99", "max"} for name in TIMES)


def test_a_lost_call_is_not_held_and_spoils_the_row() -> None:
    made = row(replace(good(), before=(placed(failure="hung up"),), unplaced=("call 2: refused",)))
    assert (made["is_correct"], made["offered"], made["held"]) == (False, 2, 0)
    assert any("call 2: refused" in line for line in outage_remarks(made))


def test_what_is_left_over_spoils_the_row() -> None:
    made = row(afterwards=Afterwards(("2 subscriptions are still held",)))
    assert (made["is_correct"], made["held"]) == (False, 1)
    assert outage_remarks(made) == ["realtime_away: 2 subscriptions are still held"]


def test_a_missed_speed_is_shown_and_spoils_nothing() -> None:
    slow = [*in_realtime(), *turn_based()[:4], *said(SECOND, 2, 24_000), *back_home(), breaker(BreakerState.OPEN)]
    chats = (replace(good().chats[0], at_s=23.0),)
    made = row(replace(evidence(slow), chats=chats))
    assert made["is_correct"]
    assert outage_remarks(made) == ["realtime_away: answered_ms p99 4000, target 2000"]


def test_how_long_no_replica_decided_is_noted_where_one_dies() -> None:
    words = [heard_standing(16, BreakerState.OPEN), heard_standing(18.5, BreakerState.OPEN, "fallback-b")]
    made = row(replace(good(), told=replace(good().told, standings=words)), outage="leader_kill")
    assert made["is_correct"]
    assert outage_remarks(made) == [
        "leader_kill: 2.5 s from the last word of the replica that decided to the first of the next"
    ]


def test_the_table_shows_every_row_and_what_is_wrong() -> None:
    output = StringIO()
    machine = {"cpu": "a machine", "cores": 2, "python": "3.11"}
    spoilt = row(afterwards=Afterwards(("2 subscriptions are still held",)), outage="leader_kill")
    report = {"rows": [], "outages": [row(), spoilt], "machine": machine, "seed": 7}
    show(report, Console(file=output, width=200))
    text = output.getvalue()
    for wanted in ("realtime_away", "1500/1500/1500", "1/1", "1 × L0→L2→L0", "opened", "good", "WRONG", "still held"):
        assert wanted in text
    assert "What every fault cost" not in text
