"""Shows the rows to people."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]

BUSY_CORES: Final = 0.2
"""Above this, what else runs on the machine is mentioned."""

_COLUMNS: Final = (
    "calls",
    "system",
    "CPU ms/call·s",
    "by process",
    "calls/core",
    "× bridge",
    "uplink",
    "first audio",
    "clear",
    "MB/call",
    "lost",
    "load CPU",
)


def show(report: Row, console: Console) -> None:
    """The table, what has to be said about it, the targets."""
    console.print(_table(report["rows"]))
    console.print("Latencies are p50 / p99 in ms. Load CPU: cores used by the load generator.", style="dim")
    for warning in warnings_of(report["rows"]):
        console.print(warning, style="bold red")
    for target in report["targets"]:
        verdict, style = ("met   ", "green") if target["met"] else ("MISSED", "yellow")
        text = f"{target['name']} {target['limit']:g} at {target['calls']} calls: {target['measured']:g}"
        console.print(f"{verdict} {text}", style=style)
    facts = report["machine"]
    versions = " ".join(f"{name} {each}" for name, each in facts["versions"].items())
    console.print(f"{facts['cpu']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}")
    console.print(versions, style="dim")


def warnings_of(rows: Sequence[Row]) -> list[str]:
    """What makes a row worth less than it looks."""
    return [f"{row['sut']} at {row['calls']} calls: {text}" for row in rows for text in _warnings(row)]


def _warnings(row: Row) -> Iterator[str]:
    for failure in row["failures"][:3]:
        yield f"FAILED to carry its calls: {failure}"
    if row.get("saturated"):
        late, share = row["load_late_ms"]["p99"], row["load_cpu_cores"]
        yield (
            f"THE LOAD GENERATOR WAS SATURATED (frames {late} ms late at p99, {share} cores): "
            "the latencies are its own, do not trust this row"
        )
    if row.get("others_cpu_cores", 0.0) > BUSY_CORES:
        yield f"other processes used {row['others_cpu_cores']} cores meanwhile: measure again on a quiet machine"
    if row.get("load_cpu_cores", 0.0) > row.get("cpu_cores", math.inf):
        yield f"the load generator cost more ({row['load_cpu_cores']} cores) than the system ({row['cpu_cores']})"
    if row.get("frames_lost"):
        yield f"{row['frames_lost']} of {row['frames_sent']} caller frames did not reach the model"
    for what, count in row.get("unanswered", {}).items():
        if count:
            yield f"{count} {what} did not come"


def _table(rows: Sequence[Row]) -> Table:
    table = Table(title="Trunkline and the plain bridge under the same load", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in ("system", "by process") else "right")
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    if "cpu_ms_per_call_s" not in row:
        return [str(row["calls"]), row["sut"], "failed", *[""] * (len(_COLUMNS) - 3)]
    parts = row["by_process"]
    return [
        str(row["calls"]),
        row["sut"],
        f"{row['cpu_ms_per_call_s']:.2f}",
        " ".join(f"{name} {cost:.2f}" for name, cost in parts.items()) if len(parts) > 1 else "",
        str(row["calls_per_core"]),
        f"{row['ratio_to_bridge']:.2f}" if "ratio_to_bridge" in row else "",
        *(_latency(row[name]) for name in ("uplink_ms", "first_audio_ms", "clear_ms")),
        f"{row['rss_mb_per_call']:.2f}",
        str(row["frames_lost"]),
        f"{row['load_cpu_cores']:.2f}",
    ]


def _latency(summary: Row) -> str:
    return f"{summary['p50']:.1f} / {summary['p99']:.1f}" if summary["n"] else "none"
