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
    "gap",
    "noticed",
    "session asked",
    "ready",
    "speaking",
    "double talk",
    "items missing",
    "tools twice",
    "leaked",
)

Row = Mapping[str, Any]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown; what a fault does not have is a dash."""
    lines = [HEADER, tuple("---" for _ in HEADER), *map(_cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(row: Row) -> tuple[str, ...]:
    times = (_spread(row.get(name)) for name in ("gap_ms", "notice_ms", "asked_ms", "ready_ms", "speaking_ms"))
    counts = (_count(row.get(name)) for name in ("double_talk_frames", "items_missing", "tools_twice", "leaked"))
    held = f"{row['held']} of {row['offered']}"
    lost = f", **{row['lost']} lost**" if row["lost"] else ""
    return (str(row["fault"]), held + lost, *times, *counts)


def _spread(figures: Row | None) -> str:
    if not figures or figures.get("p50") is None:
        return "–"
    return " / ".join(f"{figures[name]:.0f}" for name in ("p50", "p99", "max"))


def _count(number: int | None) -> str:
    if number is None:
        return "–"
    return f"**{number}**" if number else "0"


def section(found: Any) -> str:
    """What stands between the markers: the circumstances in one line, then the table."""
    about, rows = ({}, found) if isinstance(found, list) else (found, found.get("rows") or found["faults"])
    circumstances = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in about.items() if isinstance(value, str | int | float)
    )
    return (f"{circumstances}.\n\n" if circumstances else "") + table(rows)


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
