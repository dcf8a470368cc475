"""Turns trials into the rows of the report."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any, Final

from .latency import summarise
from .trial import Trial

LATE_P99_MS: Final = 5.0
LOAD_CPU_SHARE: Final = 0.8
REFERENCE: Final = "bridge"

Row = dict[str, Any]


def rows_of(trials: Iterable[Trial]) -> list[Row]:
    """One row per system and number of calls, in the order first met."""
    groups: dict[tuple[int, str], list[Trial]] = {}
    for trial in trials:
        groups.setdefault((trial.plan.calls, trial.plan.sut), []).append(trial)
    return [row_of(group) for group in groups.values()]


def row_of(rounds: Sequence[Trial]) -> Row:
    """The rounds of one system and number of calls: costs are medians, latencies are pooled, losses are summed."""
    plan = rounds[0].plan
    measured = [each for each in rounds if each.window_s]
    row: Row = {"sut": plan.sut, "calls": plan.calls, "rounds": len(rounds)}
    row["failures"] = [failure for each in rounds for failure in each.failures]
    return row | (_costs(measured) | _latencies(measured) | _load(measured) if measured else {})


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """The rows, each saying how many times the bridge's calls per core it carries, where both were measured."""
    references = {row["calls"]: row.get("cpu_ms_per_call_s") for row in rows if row["sut"] == REFERENCE}
    return [row | _ratio(row.get("cpu_ms_per_call_s"), references.get(row["calls"])) for row in rows]


def _ratio(cost: float | None, reference: float | None) -> Row:
    return {"ratio_to_bridge": round(reference / cost, 3)} if cost and reference else {}


def _costs(rounds: Sequence[Trial]) -> Row:
    total = median(_per_call_ms(each, sum(each.cpu_s.values())) for each in rounds)
    by_process = {
        name: round(median(_per_call_ms(each, each.cpu_s[name]) for each in rounds), 3) for name in rounds[0].cpu_s
    }
    grown = median(sum(each.rss_bytes.values()) / each.plan.calls for each in rounds)
    return {
        "cpu_ms_per_call_s": round(total, 3),
        "cpu_cores": round(total * rounds[0].plan.calls / 1000, 3),
        "by_process": by_process,
        "calls_per_core": round(1000 / total) if total else None,
        "rss_mb_per_call": round(grown / 1e6, 3),
    }


def _latencies(rounds: Sequence[Trial]) -> Row:
    samples = [each.samples for each in rounds]
    return {
        "uplink_ms": asdict(summarise([s for each in samples for s in each.uplink_s])),
        "first_audio_ms": asdict(summarise([s for each in samples for s in each.first_audio_s])),
        "clear_ms": asdict(summarise([s for each in samples for s in each.clear_s])),
        "frames_sent": sum(each.frames_sent for each in samples),
        "frames_lost": sum(each.frames_sent - each.frames_received for each in samples),
        "unanswered": {
            "replies": sum(each.replies - len(each.first_audio_s) for each in samples),
            "clears": sum(each.interruptions - len(each.clear_s) for each in samples),
            "truncations": sum(each.interruptions - each.truncations for each in samples),
        },
    }


def _load(rounds: Sequence[Trial]) -> Row:
    lateness = summarise([late for each in rounds for late in each.samples.frame_late_s])
    share = max(each.load_cpu_s / each.window_s for each in rounds)
    late = lateness.p99 is not None and lateness.p99 > LATE_P99_MS
    return {
        "load_cpu_cores": round(share, 3),
        "load_late_ms": asdict(lateness),
        "others_cpu_cores": round(median(each.others_cpu_s / each.window_s for each in rounds), 3),
        "saturated": late or share > LOAD_CPU_SHARE,
    }


def _per_call_ms(trial: Trial, cpu_s: float) -> float:
    return cpu_s * 1000 / trial.plan.calls / trial.window_s
