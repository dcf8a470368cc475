"""Rows hold what was measured, ratios compare like with like, targets and warnings follow from them."""

from array import array
from typing import Any

import pytest

from bench.board import Samples
from bench.report import warnings_of
from bench.rows import row_of, rows_of, with_ratios
from bench.targets import judge
from bench.trial import Plan, Trial


def trial(sut: str = "trunkline", calls: int = 80, cpu_s: float = 2.4, **changes: Any) -> Trial:
    samples = Samples(
        uplink_s=array("d", [0.002]),
        first_audio_s=array("d", [0.003]),
        clear_s=array("d", [0.004]),
        frame_late_s=array("d", [0.0005]),
        frames_sent=1,
        frames_received=1,
        replies=1,
        interruptions=1,
        truncations=1,
    )
    measured: dict[str, Any] = {
        "window_s": 10.0,
        "cpu_s": {"edge": cpu_s / 2, "worker": cpu_s / 2},
        "rss_bytes": {"edge": calls * 100_000, "worker": calls * 200_000},
        "samples": samples,
        "load_cpu_s": 2.0,
        "others_cpu_s": 0.1,
    }
    return Trial(Plan(sut, calls, 10.0), **measured | changes)


def test_a_row_gives_costs_per_call_and_second() -> None:
    row = row_of([trial()])
    assert row["cpu_ms_per_call_s"] == 3.0
    assert row["by_process"] == {"edge": 1.5, "worker": 1.5}
    assert row["calls_per_core"] == 333
    assert row["rss_mb_per_call"] == 0.3
    assert row["uplink_ms"] == {"p50": 2.0, "p99": 2.0, "max": 2.0, "n": 1}
    assert (row["frames_lost"], row["saturated"]) == (0, False)


def test_rounds_give_median_cost_and_pooled_latency() -> None:
    row = row_of([trial(cpu_s=each) for each in (2.4, 8.0, 3.2)])
    assert row["cpu_ms_per_call_s"] == 4.0
    assert row["uplink_ms"]["n"] == 3


def test_the_ratio_compares_with_the_bridge_at_the_same_number_of_calls() -> None:
    rows = with_ratios(rows_of([trial(), trial("bridge", cpu_s=3.6), trial(calls=20, cpu_s=0.6)]))
    assert [row.get("ratio_to_bridge") for row in rows] == [1.5, 1.0, None]


@pytest.mark.parametrize("changes", [{"load_cpu_s": 8.1}, {"samples": Samples(frame_late_s=array("d", [0.006]))}])
def test_a_slow_load_generator_is_said_loudly(changes: dict[str, Any]) -> None:
    row = row_of([trial(**changes)])
    assert row["saturated"]
    assert any("SATURATED" in warning for warning in warnings_of([row]))


def test_a_failed_trial_gives_a_row_without_numbers() -> None:
    row = row_of([Trial(Plan("trunkline", 20, 10.0), failures=["edge ended with 2"])])
    assert "cpu_ms_per_call_s" not in row
    assert with_ratios([row]) == [row]
    assert warnings_of([row]) == ["trunkline at 20 calls: FAILED to carry its calls: edge ended with 2"]


def test_targets_are_judged_for_trunkline_only() -> None:
    rows = with_ratios(rows_of([trial(), trial("bridge", cpu_s=2.4)]))
    judged = {target["name"]: target["met"] for target in judge(rows)}
    assert judged == {
        "ratio_to_bridge ≥": False,
        "uplink_ms p99 ≤": True,
        "first_audio_ms p99 ≤": True,
        "clear_ms p99 ≤": True,
        "rss_mb_per_call ≤": True,
    }
