"""Draws every state machine from its table into docs/generated: `python docs/generate.py`, or `--check` to compare."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from common.fsm import mermaid
from common.messages.breaker import BreakerState
from edge.core import seeking, suspicion
from fallback.core import breaker, ladder, menu_table
from talker.core import floor, orders, phase

GENERATED = Path(__file__).parent / "generated"


@dataclass(frozen=True, slots=True)
class Drawn:
    """One state machine: where its table is, how it begins, what it is."""

    table_name: str
    about: str
    table: Mapping[tuple[Any, Any], Enum]
    start: Enum


MACHINES = (
    Drawn(
        "edge.core.seeking.TABLE",
        "The search for a talker of one call",
        seeking.TABLE,
        seeking.Seeking.IDLE,
    ),
    Drawn(
        "edge.core.suspicion.TABLE",
        "What an edge thinks of one talker",
        suspicion.TABLE,
        suspicion.Standing.ALIVE,
    ),
    Drawn(
        "talker.core.phase.PHASES",
        "How far one speech session has become the talker of its call",
        phase.PHASES,
        phase.Phase.CANDIDATE,
    ),
    Drawn(
        "talker.core.floor.FLOOR",
        "Whose move it is in one speech session",
        floor.FLOOR,
        floor.Floor.QUIET,
    ),
    Drawn(
        "talker.core.orders.ORDERS",
        "What a tool has ordered for the end of the agent's answer",
        orders.ORDERS,
        orders.Stand.NONE,
    ),
    Drawn(
        "fallback.core.breaker.TABLE",
        "The breaker of one provider and model",
        breaker.TABLE,
        BreakerState.CLOSED,
    ),
    Drawn(
        "fallback.core.ladder.LADDER",
        "What attends to a call that no realtime session can",
        ladder.LADDER,
        ladder.Rung.PIPELINE,
    ),
    Drawn(
        "fallback.core.menu_table.TABLE",
        "A caller in the keypad menu",
        menu_table.TABLE,
        menu_table.Stand.IDLE,
    ),
)


def pages() -> dict[Path, str]:
    """Every generated file and what belongs into it."""
    drawings = (
        f"\n## {drawn.about}\n\n`{drawn.table_name}`\n\n```mermaid\n{mermaid(drawn.table, drawn.start)}```\n"
        for drawn in MACHINES
    )
    head = "# State machines\n\nGenerated from the tables in the code by `python docs/generate.py`; do not edit.\n"
    return {GENERATED / "state-machines.md": head + "".join(drawings)}


def main(arguments: list[str]) -> int:
    """Write the files, or with `--check` say which are out of date; 1 if any is."""
    stale = [path for path, text in pages().items() if not path.is_file() or path.read_text("utf-8") != text]
    if arguments == ["--check"]:
        for path in stale:
            print(f"{path.name} is out of date: run `python docs/generate.py`", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    GENERATED.mkdir(exist_ok=True)
    for path in stale:
        path.write_text(pages()[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
