"""Puts the figures of `build/chaos.json` into docs/reliability.md: `python docs/chaos_table.py` after `make chaos`.

Faults and outages have a table each; one that was left out keeps its old figures.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
FAULTS: Final = "chaos table"
OUTAGES: Final = "outage table"
HEADER: Final = (
    "fault",
    "calls held of offered",
    "met",
    "gap",
    "noticed",
    "session asked",
    "ready",
    "speaking",
    "re-attached",
    "double talk",
    "items missing",
    "tools twice",
    "leaked",
)
_TIMES: Final = ("gap_ms", "notice_ms", "asked_ms", "ready_ms", "speaking_ms", "reattached_ms")
OUTAGE_HEADER: Final = (
    "outage",
    "calls held of offered",
    "spoken to",
    "answered",
    "gap",
    "new calls spoken to",
    "back",
    "levels",
    "breaker",
    "wrong",
)
_OUTAGE_TIMES: Final = ("spoken_to_ms", "answered_ms", "gap_ms", "spoke_ms", "back_ms")
_MUST_BE_NONE: Final = ("double_talk_frames", "items_missing", "tools_twice", "leaked")

Row = Mapping[str, Any]


def section(report: Row) -> str:
    """What stands between the markers: the circumstances, the table of faults, and the targets that were missed."""
    return _section(report, report["settings"], report["rows"], table(report["rows"]))


def outage_section(report: Row) -> str:
    """The same of the outages."""
    rows = report["outages"]
    return _section(report, report["outage_settings"], rows, outage_table(rows))


def _section(report: Row, settings: Row, rows: Sequence[Row], made: str) -> str:
    missed = "".join(f"* {line}\n" for row in rows for line in _missed(row))
    return _circumstances(report, settings) + "\n\n" + made + (f"\nTargets missed:\n\n{missed}" if missed else "")


def _circumstances(report: Row, settings: Row) -> str:
    machine = report["machine"]
    stack = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in settings.items() if not name.isupper())
    told = ", ".join(f"`{name}={value}`" for name, value in settings.items() if name.isupper())
    where = f"{machine['cores']} cores shared by all, Python {machine['python']}, seed {report['seed']}."
    return f"{stack}; {where}" + (f" Shortened for the test: {told}." if told else "")


def table(rows: Sequence[Row]) -> str:
    """The faults as Markdown; what one does not have is a dash."""
    return _markdown(HEADER, map(_cells, rows))


def outage_table(rows: Sequence[Row]) -> str:
    """The outages as Markdown."""
    return _markdown(OUTAGE_HEADER, map(_outage_cells, rows))


def _markdown(header: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (header, tuple("---" for _ in header), *lines))


def _outage_cells(row: Row) -> tuple[str, ...]:
    held = f"{row['held']} of {row['offered']}"
    lost = f", **{row['offered'] - row['held']} lost**" if row["held"] < row["offered"] else ""
    times = (_spread(row[name]) for name in _OUTAGE_TIMES)
    levels = "; ".join(f"{count} × {levels}" for levels, count in row["levels"].items())
    breaker = "opened" if row["has_tripped"] else "closed"
    wrong = f"**{len(row['wrong'])}**" if row["wrong"] else "0"
    return (str(row["what"]), held + lost, *times, levels, breaker, wrong)


def _cells(row: Row) -> tuple[str, ...]:
    held = f"{row['held']} of {row['offered']}"
    lost = f", **{row['lost']} lost**" if row["lost"] else ""
    times = (_spread(row[name]) for name in _TIMES)
    counts = (f"**{row[name]}**" if row[name] else "0" for name in _MUST_BE_NONE)
    return (str(row["what"]), held + lost, str(row["affected"]), *times, *counts)


def _spread(figures: Row) -> str:
    if figures["p50"] is None:
        return "–"
    return " / ".join(f"{figures[name]:.0f}" for name in ("p50", "p99", "max"))


def _missed(row: Row) -> list[str]:
    marks = (mark for mark in row["marks"] if not mark["is_met"] and mark["measured_ms"] is not None)
    return [
        f"{row['what']}: {mark['column'].removesuffix('_ms')} {mark['statistic']} {mark['measured_ms']:.0f} ms, "
        f"at most {mark['at_most_ms']:.0f} wanted"
        for mark in marks
    ]


def replaced(page: str, name: str, text: str) -> str:
    """`page` with `text` between the markers of that name. Raises `ValueError` if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, has_begin, rest = page.partition(begin)
    _, has_end, tail = rest.partition(end)
    if not (has_begin and has_end):
        raise ValueError(f"the page lacks {begin} and {end}")
    return f"{head}{begin}\n{text}{end}{tail}"


def filled(page: str, report: Row) -> str:
    """`page` with the tables of what was measured."""
    if report["rows"]:
        page = replaced(page, FAULTS, section(report))
    if report.get("outages"):
        page = replaced(page, OUTAGES, outage_section(report))
    return page


def main(arguments: list[str]) -> int:
    """Write the tables; 1 with one line if there are no figures, or none that can be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=ROOT / "build" / "chaos.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    given = parser.parse_args(arguments)
    try:
        report = json.loads(given.figures.read_text("utf-8"))
        given.page.write_text(filled(given.page.read_text("utf-8"), report), "utf-8")
    except FileNotFoundError as error:
        print(f"there is no {error.filename}: run `make chaos` first", file=sys.stderr)  # noqa: T201
        return 1
    except (ValueError, LookupError, TypeError) as error:
        print(f"{given.figures}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
