"""Cells of the tables: figures, verdicts, and the speeds that were missed."""

from chaos.rows import Row


def cell(row: Row, name: str) -> str:
    """One value: how many were held, three figures of a time, or whatever it is."""
    if name == "held":
        return f"{row['held']}/{row['offered']}"
    value = row[name]
    if not isinstance(value, dict):
        return str(value)
    if value["p50"] is None:
        return "–"
    return "/".join(f"{value[statistic]:.0f}" for statistic in ("p50", "p99", "max"))


def verdict(row: Row) -> str:
    """In one word, with its colour."""
    if not row["is_correct"]:
        return "[bold red]WRONG[/]"
    return "[yellow]slow[/]" if missed(row) else "[green]good[/]"


def missed(row: Row) -> list[str]:
    """The speeds that were not reached."""
    return [
        f"{mark['column']} {mark['statistic']} {mark['measured_ms']:g}, target {mark['at_most_ms']:g}"
        for mark in row["marks"]
        if not mark["is_met"] and mark["measured_ms"] is not None
    ]
