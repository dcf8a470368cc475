"""The table holds every scenario of an outage, and every row of it can be played and judged."""

from itertools import pairwise
from random import Random

import pytest

from chaos.outage_rows import Afterwards, row_of
from chaos.outages import BY_NAME, OUTAGES, QUICK, Outage
from chaos.people import script
from common.metrics import BREAKER_STATE, PROVIDER_OUTCOMES, STAGE_ATTEMPTS, STAGE_UP
from fallback.settings import FallbackSettings
from simulators.twilio.script import Script
from unit.chaos.hand_made import PACE
from unit.chaos.hand_made_outage import good

SCENARIOS = {
    "realtime": {"realtime_away", "realtime_mute", "brown_out"},
    "everything": {"openai_away", "openai_black_hole", "rate_limited"},
    "our own": {"fallback_kill", "leader_kill", "rollout"},
}


def test_the_table_is_complete() -> None:
    assert set(BY_NAME) == set().union(*SCENARIOS.values())
    assert len(OUTAGES) == len(BY_NAME)


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_callers_can_act_their_scripts_and_talk_until_it_is_over(outage: Outage) -> None:
    assert Script.parse(script(Random(1), outage.talks_s)).steps[-1].kind == "hangup"
    assert outage.talks_s >= outage.lasts_s + 15
    if outage.steps_during:
        made = Script.parse({"name": "meanwhile", "max_call_ms": 90_000, "steps": list(outage.steps_during)})
        assert made.steps[-1].kind == "hangup"


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_calls_go_through_neighbouring_levels_and_end_where_they_began(outage: Outage) -> None:
    for sequence in (*outage.levels, *outage.levels_during, *outage.levels_after):
        assert all(one != other for one, other in pairwise(sequence))
    assert all(sequence[0] == outage.starts_at for sequence in outage.levels)
    assert any(outage.reaches in sequence for sequence in outage.levels)
    assert outage.is_home_again
    assert all(sequence[-1] == outage.starts_at for sequence in outage.levels)


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_callers_of_meanwhile_are_judged_and_those_who_leave_a_message_call(outage: Outage) -> None:
    assert bool(outage.calls_during) == bool(outage.levels_during)
    assert (outage.says is None) == (outage.cause is None)
    assert not outage.leaves_messages or (outage.calls_during and outage.steps_during)
    assert not (outage.stays_open and not outage.may_trip)


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: outage.name)
def test_marks_name_times_that_the_row_has(outage: Outage) -> None:
    row = row_of(outage, good(), PACE, Afterwards())
    assert [mark["measured_ms"] for mark in row["marks"]] == [row[mark.column][mark.statistic] for mark in outage.marks]


def test_what_must_be_counted_are_counters_of_ours_with_labels_they_have() -> None:
    ours = {f"{each._name}_total": set(each._labelnames) for each in (PROVIDER_OUTCOMES, STAGE_ATTEMPTS)}
    counted = [counter for outage in OUTAGES for counter in outage.counts]
    assert {counter.name for counter in counted} == set(ours)
    assert all(set(counter.labels) <= ours[counter.name] for counter in counted)
    assert (BREAKER_STATE._name, STAGE_UP._name) == ("trunkline_breaker_state", "trunkline_stage_up")


def test_the_shortened_times_are_settings_that_make_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in QUICK:
        monkeypatch.setenv(name, value)
    assert {name.lower() for name, _ in QUICK} <= set(FallbackSettings.model_fields)
    assert FallbackSettings().thresholds().open_at_most_s == 2
