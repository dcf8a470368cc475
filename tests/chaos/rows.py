"""A round's verdicts as a row of the report, and the row held against the fault's marks."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bench.latency import summarise
from chaos.faults import Fault, Mark
from chaos.judge import CallVerdict

Row = dict[str, Any]

TIMES: Final = ("notice_ms", "asked_ms", "ready_ms", "speaking_ms", "reattached_ms")
CORRECTNESS: Final = ("lost", "double_talk_frames", "items_missing", "tools_twice", "leaked")
"""These must be 0 whatever happens, and however slow the machine is."""
FEW: Final = 12


@dataclass(frozen=True, slots=True)
class Leaks:
    """What was still held half a minute after the last call, beyond what was held before the first."""

    sessions: int = 0
    subscriptions: int = 0
    connections: int = 0
    open_files: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.sessions + self.subscriptions + self.connections + self.open_files


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else is known of a round."""

    offered: int
    unplaced: tuple[str, ...] = ()
    leaks: Leaks = Leaks()
    late_frames: int = 0
    """Frames of the callers' that left their simulator more than 10 ms late: the machine was busy."""
    took_s: float = 0.0
    notes: tuple[str, ...] = field(default=())


def row_of(fault: Fault, verdicts: Sequence[CallVerdict], around: Circumstances) -> Row:
    """The issue's fields, what explains them, and the verdict on each mark."""
    row = _counts(fault, verdicts, around) | _times(fault, verdicts)
    row["marks"] = [judge_mark(mark, row) for mark in fault.marks]
    row["wrong"] = [name for name in CORRECTNESS if row[name]] + [name for name in ("foreign_frames",) if row[name]]
    row["is_correct"] = not row["wrong"]
    return row


def _counts(fault: Fault, verdicts: Sequence[CallVerdict], around: Circumstances) -> Row:
    losses = [f"call {each.number}: {each.lost_because}" for each in verdicts if each.lost_because is not None]
    missing = [f"call {each.number}, {line}" for each in verdicts for line in each.memory.missing]
    unheard = [f"call {each.number}, {line}" for each in verdicts for line in each.memory.unheard]
    takeovers = sum(len(each.takeovers) for each in verdicts)
    return {
        "fault": fault.name,
        "what": fault.what,
        "offered": around.offered,
        "held": around.offered - len(losses) - len(around.unplaced),
        "lost": len(losses) + len(around.unplaced),
        "affected": sum(each.is_affected for each in verdicts),
        "takeovers": takeovers,
        "false_takeovers": 0 if fault.moves_talkers else takeovers,
        "double_talk_frames": sum(each.double_talk_frames for each in verdicts),
        "foreign_frames": sum(each.foreign_frames for each in verdicts),
        "repeated_frames": sum(each.repeated_frames for each in verdicts),
        "items_expected": sum(each.memory.expected for each in verdicts),
        "items_missing": len(missing),
        "items_unheard": len(unheard),
        "caller_frames_lost": sum(each.caller_frames_lost for each in verdicts),
        "tools_asked": sum(each.tools_asked for each in verdicts),
        "tools_twice": sum(each.tools_twice for each in verdicts),
        "leaked": around.leaks.total,
        "leaks": asdict(around.leaks),
        "late_frames": around.late_frames,
        "took_s": round(around.took_s, 1),
        "losses": [*around.unplaced, *losses][:FEW],
        "forgotten": missing[:FEW],
        "remembered_unheard": unheard[:FEW],
        "notes": list(around.notes),
    }


def _times(fault: Fault, verdicts: Sequence[CallVerdict]) -> Row:
    affected = [each for each in verdicts if each.is_affected] or verdicts
    row: Row = {
        "gap_ms": _summary(_longest(s.gap_s for s in each.silences) for each in affected),
        "silence_ms": _summary(_longest(s.longest_s for s in each.silences) for each in affected),
        "reattached_ms": _summary(s for each in verdicts for s in each.reattached_s),
    }
    first = [each.takeovers[0] for each in verdicts if each.takeovers] if fault.is_timed else []
    row["notice_ms"] = _summary(each.noticed_s for each in affected if fault.is_timed)
    row["asked_ms"] = _summary(takeover.asked_s for takeover in first)
    row["ready_ms"] = _summary(takeover.ready_s for takeover in first)
    row["speaking_ms"] = _summary(takeover.speaking_s for takeover in first)
    return row


def _longest(lengths: Iterable[float]) -> float:
    return max(lengths, default=0.0)


def _summary(samples_s: Iterable[float | None]) -> Row:
    return asdict(summarise([each for each in samples_s if each is not None]))


def judge_mark(mark: Mark, row: Row) -> Row:
    """The mark with what was measured, and whether that is good enough."""
    measured = row[mark.column][mark.statistic]
    is_met = measured is not None and measured <= mark.at_most_ms
    return {**asdict(mark), "measured_ms": measured, "is_met": is_met}
