"""Shows the rows of outages to people."""

from collections.abc import Sequence
from typing import Final

from rich.table import Table

from chaos.report_cells import cell, missed, verdict
from chaos.rows import Row

_TIMES: Final = (
    ("spoken_to_ms", "spoken to"),
    ("answered_ms", "answered"),
    ("gap_ms", "gap"),
    ("spoke_ms", "spoke"),
    ("back_ms", "back"),
)
NOTE: Final = (
    "Times in ms: p50 / p99 / max. spoken to, answered: from the end of the turn nobody had answered when it struck "
    "to a voice, and to a model's answer. gap: silence while speech was due, until the first sound. "
    "spoke: from the stream of a call that came meanwhile to our first sound. "
    "back: from the end of the outage to the call's last change of level."
)


def outage_table(rows: Sequence[Row]) -> Table:
    """One line per outage."""
    made = Table(title="What every outage cost the callers", title_justify="left")
    made.add_column("outage", no_wrap=True)
    made.add_column("held", justify="right", no_wrap=True)
    for _, title in _TIMES:
        made.add_column(title, justify="right", no_wrap=True)
    made.add_column("levels", no_wrap=True)
    made.add_column("breaker", no_wrap=True)
    made.add_column("verdict", no_wrap=True)
    for row in rows:
        times = (cell(row, name) for name, _ in _TIMES)
        breaker = "opened" if row["has_tripped"] else "closed"
        made.add_row(row["outage"], cell(row, "held"), *times, sequences(row), breaker, verdict(row))
    return made


def sequences(row: Row) -> str:
    """The levels calls went through, with how many did, one a line."""
    return "\n".join(f"{count} × {levels}" for levels, count in row["levels"].items())


def outage_remarks(row: Row) -> list[str]:
    """What is wrong with a row, which speeds were missed, what explains them."""
    lines = [*row["wrong"], *missed(row), *row["notes"]]
    return [f"{row['outage']}: {line}" for line in lines]
