"""An outage's verdict as a row of the report, and the row held against the issue's marks."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

from bench.latency import summarise
from chaos.evidence import Evidence
from chaos.outage_times import answered_ms, back_ms, gap_ms, spoke_ms, spoken_to_ms
from chaos.outage_verdict import has_tripped, levels, lost, silence_between_replicas_s, wrongs
from chaos.outages import Outage
from chaos.rows import Row, judge_mark
from chaos.silences import ModelPace

FEW: Final = 12


@dataclass(frozen=True, slots=True)
class Afterwards:
    """What was looked at once the calls were over."""

    wrong: tuple[str, ...] = ()
    """What was left over, missing, or did not recover."""
    took_s: float = 0.0


def row_of(outage: Outage, evidence: Evidence, pace: ModelPace, afterwards: Afterwards) -> Row:
    """The counts, the times, the verdict on each mark, and everything that is wrong."""
    offered = len(evidence.calls) + len(evidence.unplaced)
    wrong = [*wrongs(outage, evidence), *afterwards.wrong]
    row: Row = {
        "outage": outage.name,
        "what": outage.what,
        "offered": offered,
        "held": offered - len(lost(evidence)),
        **_times(evidence, pace),
        "levels": _sequences(evidence),
        "has_tripped": has_tripped(evidence.told),
        "took_s": round(afterwards.took_s, 1),
        "notes": list(_notes(outage, evidence)),
        "wrong": wrong[:FEW],
        "is_correct": not wrong,
    }
    row["marks"] = [judge_mark(mark, row) for mark in outage.marks]
    return row


def _times(evidence: Evidence, pace: ModelPace) -> dict[str, Any]:
    told, struck, before = evidence.told, evidence.struck, evidence.before
    return {
        "spoken_to_ms": _summary(spoken_to_ms(told, each, struck) for each in before),
        "answered_ms": _summary(answered_ms(told, each, struck) for each in before),
        "gap_ms": _summary(gap_ms(evidence, each, pace) for each in before),
        "spoke_ms": _summary(spoke_ms(each) for each in evidence.during),
        "back_ms": _summary(back_ms(told, each, struck) for each in before),
    }


def _sequences(evidence: Evidence) -> dict[str, int]:
    """How many calls went through which levels, most first."""
    counts: dict[str, int] = {}
    for each in evidence.calls:
        name = "→".join(f"L{level}" for level in levels(evidence.told, each.call_id))
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _notes(outage: Outage, evidence: Evidence) -> Iterable[str]:
    between_s = silence_between_replicas_s(evidence.told)
    if outage.stays_open and between_s is not None:
        yield f"{between_s:.1f} s from the last word of the replica that decided to the first of the next"
    if late := sum(each.call.late_frames for each in evidence.calls):
        yield f"{late} caller frames left late: the machine was busy"


def _summary(samples_ms: Iterable[float | None]) -> Row:
    return asdict(summarise([each / 1000 for each in samples_ms if each is not None]))
