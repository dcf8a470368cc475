"""Shows the rows to people."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]

_COLUMNS: Final = (
    ("fault", "fault"),
    ("held", "held"),
    ("affected", "met"),
    ("gap_ms", "gap"),
    ("notice_ms", "noticed"),
    ("asked_ms", "asked"),
    ("ready_ms", "ready"),
    ("speaking_ms", "speaking"),
    ("reattached_ms", "re-attached"),
    ("double_talk_frames", "double\ntalk"),
    ("items_missing", "for-\ngotten"),
    ("tools_twice", "tools\ntwice"),
    ("leaked", "leaked"),
    ("", "verdict"),
)


def show(report: Row, console: Console) -> None:
    """The table, and what has to be said about it."""
    console.print(table(report["rows"]))
    console.print(
        "Times in ms: p50 / p99 / max over the calls the fault met, by what caller and model recorded. "
        "gap: silence while speech was due, until the first sound.",
        style="dim",
    )
    for row in report["rows"]:
        for line in remarks(row):
            console.print(line, style="red" if not row["is_correct"] else "yellow", highlight=False)
    facts = report["machine"]
    console.print(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, seed {report['seed']}")


def table(rows: Sequence[Row]) -> Table:
    """One line per fault."""
    made = Table(title="What every fault cost the callers", title_justify="left")
    for _, title in _COLUMNS:
        made.add_column(title, justify="left" if title in ("fault", "verdict") else "right", no_wrap="\n" not in title)
    for row in rows:
        made.add_row(*(_cell(row, name) for name, _ in _COLUMNS))
    return made


def remarks(row: Row) -> list[str]:
    """What is wrong with a row, which speeds were missed, what explains them."""
    lines = [f"{row['fault']}: {name} {row[name]}" for name in row["wrong"]]
    lines += [f"{row['fault']}:   {line}" for name in ("losses", "forgotten") for line in row[name][:3]]
    if row["leaked"]:
        lines.append(f"{row['fault']}:   leaked {row['leaks']}")
    for mark in row["marks"]:
        if not mark["is_met"] and mark["measured_ms"] is not None:
            name = f"{mark['column']} {mark['statistic']}"
            lines.append(f"{row['fault']}: {name} {mark['measured_ms']:g}, target {mark['at_most_ms']:g}")
    if row["false_takeovers"]:
        lines.append(f"{row['fault']}: {row['false_takeovers']} takeovers that had no reason")
    if row["items_unheard"]:
        lines.append(f"{row['fault']}: {row['items_unheard']} answers remembered beyond what was heard of them")
    if row["late_frames"]:
        lines.append(f"{row['fault']}: {row['late_frames']} caller frames left late: the machine was busy")
    return lines + [f"{row['fault']}: {note}" for note in row["notes"]]


def _cell(row: Row, name: str) -> str:
    if not name:
        return _verdict(row)
    if name == "held":
        return f"{row['held']}/{row['offered']}"
    value = row[name]
    if not isinstance(value, dict):
        return str(value)
    if value["p50"] is None:
        return "–"
    return "/".join(f"{value[statistic]:.0f}" for statistic in ("p50", "p99", "max"))


def _verdict(row: Row) -> str:
    if not row["is_correct"]:
        return "[bold red]WRONG[/]"
    missed = [mark for mark in row["marks"] if not mark["is_met"] and mark["measured_ms"] is not None]
    return "[yellow]slow[/]" if missed else "[green]good[/]"
