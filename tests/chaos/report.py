"""Shows the rows to people."""

from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table

from chaos.outage_report import NOTE as OUTAGE_NOTE
from chaos.outage_report import outage_remarks, outage_table
from chaos.report_cells import cell, missed, verdict
from chaos.rows import Row

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


_NOTE: Final = (
    "Times in ms: p50 / p99 / max over the calls the fault met, by what caller and model recorded. "
    "gap: silence while speech was due, until the first sound."
)


def show(report: Row, console: Console) -> None:
    """The table, and what has to be said about it."""
    if report["rows"]:
        console.print(table(report["rows"]))
        console.print(_NOTE, style="dim")
        _print_remarks(report["rows"], remarks, console)
    if report["outages"]:
        console.print(outage_table(report["outages"]))
        console.print(OUTAGE_NOTE, style="dim")
        _print_remarks(report["outages"], outage_remarks, console)
    facts = report["machine"]
    console.print(f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, seed {report['seed']}")


def _print_remarks(rows: Sequence[Row], remarks_of: Callable[[Row], list[str]], console: Console) -> None:
    for row in rows:
        for line in remarks_of(row):
            console.print(line, style="red" if not row["is_correct"] else "yellow", highlight=False)


def table(rows: Sequence[Row]) -> Table:
    """One line per fault."""
    made = Table(title="What every fault cost the callers", title_justify="left")
    for _, title in _COLUMNS:
        made.add_column(title, justify="left" if title in ("fault", "verdict") else "right", no_wrap="\n" not in title)
    for row in rows:
        made.add_row(*(_fault_cell(row, name) for name, _ in _COLUMNS))
    return made


def remarks(row: Row) -> list[str]:
    """What is wrong with a row, which speeds were missed, what explains them."""
    lines = [f"{row['fault']}: {name} {row[name]}" for name in row["wrong"]]
    lines += [f"{row['fault']}:   {line}" for name in ("losses", "forgotten") for line in row[name][:3]]
    if row["leaked"]:
        lines.append(f"{row['fault']}:   leaked {row['leaks']}")
    lines += [f"{row['fault']}: {line}" for line in missed(row)]
    if row["false_takeovers"]:
        lines.append(f"{row['fault']}: {row['false_takeovers']} takeovers that had no reason")
    if row["items_unheard"]:
        lines.append(f"{row['fault']}: {row['items_unheard']} answers remembered beyond what was heard of them")
    if row["late_frames"]:
        lines.append(f"{row['fault']}: {row['late_frames']} caller frames left late: the machine was busy")
    return lines + [f"{row['fault']}: {note}" for note in row["notes"]]


def _fault_cell(row: Row, name: str) -> str:
    return cell(row, name) if name else verdict(row)
