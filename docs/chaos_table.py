"""Puts the figures of `build/chaos.json` into docs/reliability.md: `python docs/chaos_table.py` after `make chaos`."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
BEGIN: Final = "<!-- chaos table: begin -->"
END: Final = "<!-- chaos table: end -->"
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
_MUST_BE_NONE: Final = ("double_talk_frames", "items_missing", "tools_twice", "leaked")

Row = Mapping[str, Any]


def section(report: Row) -> str:
    """What stands between the markers: the circumstances, the table, and the targets that were missed."""
    rows = report["rows"]
    missed = "".join(f"* {line}\n" for row in rows for line in _missed(row))
    return _circumstances(report) + "\n\n" + table(rows) + (f"\nTargets missed:\n\n{missed}" if missed else "")


def _circumstances(report: Row) -> str:
    machine, settings = report["machine"], report["settings"]
    stack = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in settings.items())
    return f"{stack}; {machine['cores']} cores shared by all, Python {machine['python']}, seed {report['seed']}."


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown; what a fault does not have is a dash."""
    lines = [HEADER, tuple("---" for _ in HEADER), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


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


def replaced(page: str, text: str) -> str:
    """`page` with `text` between its markers. Raises `ValueError` if it has none."""
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page lacks {BEGIN} and {END}")
    return f"{head}{BEGIN}\n{text}{END}{tail}"


def main(arguments: list[str]) -> int:
    """Write the table; 1 with one line if there are no figures, or none that can be read."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figures", type=Path, default=ROOT / "build" / "chaos.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "reliability.md")
    given = parser.parse_args(arguments)
    try:
        text = section(json.loads(given.figures.read_text("utf-8")))
        given.page.write_text(replaced(given.page.read_text("utf-8"), text), "utf-8")
    except FileNotFoundError as error:
        print(f"there is no {error.filename}: run `make chaos` first", file=sys.stderr)  # noqa: T201
        return 1
    except (ValueError, LookupError, TypeError) as error:
        print(f"{given.figures}: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
