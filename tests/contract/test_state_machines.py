"""Every table of a state machine: found, complete, without dead ends, drawn in the docs."""

import importlib
import subprocess
import sys
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, TypeAlias

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "generated" / "state-machines.md"

Table: TypeAlias = Mapping[tuple[Enum, Enum], Enum]


def _is_table(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(key, tuple) and [isinstance(part, Enum) for part in key] == [True, True] for key in value)
        and all(isinstance(target, Enum) for target in value.values())
    )


def tables() -> dict[str, Table]:
    """Every table in a core of a service, by its dotted name."""
    found: dict[str, Table] = {}
    for path in sorted((*ROOT.glob("services/*/src/*/core/*.py"), *ROOT.glob("libs/*/src/*/core/*.py"))):
        name = ".".join(path.with_suffix("").relative_to(path.parents[2]).parts)
        module = importlib.import_module(name.removesuffix(".__init__"))
        for attribute, value in vars(module).items():
            if _is_table(value) and not attribute.startswith("_") and _is_home(module.__name__, value):
                found[f"{module.__name__}.{attribute}"] = value
    return found


def _is_home(module: str, table: Table) -> bool:
    """True where the table's states are defined, not where the table is only imported."""
    return type(next(iter(table.values()))).__module__ == module


TABLES = tables()


def test_the_tables_we_know_of_are_found() -> None:
    assert {"edge.core.seeking.TABLE", "talker.core.floor.FLOOR"} <= set(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_every_state_and_every_event_of_a_machine_is_in_its_table(name: str) -> None:
    table = TABLES[name]
    states = {before for before, _ in table} | set(table.values())
    events = {event for _, event in table}
    assert states == set(type(next(iter(states))))
    assert events == set(type(next(iter(events))))


def _first(table: Table) -> Enum:
    return next(iter(type(next(iter(table.values())))))


def _reachable(table: Table, start: Enum) -> set[Enum]:
    seen, open_ends = {start}, [start]
    while open_ends:
        here = open_ends.pop()
        for (before, _), after in table.items():
            if before is here and after not in seen:
                seen.add(after)
                open_ends.append(after)
    return seen


@pytest.mark.parametrize("name", TABLES)
def test_every_state_can_be_reached_from_the_first_and_left_for_it_again(name: str) -> None:
    table = TABLES[name]
    states = set(type(_first(table)))
    assert _reachable(table, _first(table)) == states
    assert all(_first(table) in _reachable(table, state) for state in states)


def test_a_search_for_a_talker_can_be_given_up_wherever_it_stands() -> None:
    from edge.core.seeking import TABLE, Move, Seeking

    assert {state for state, event in TABLE if event is Move.ABANDON} == set(Seeking) - {Seeking.IDLE}
    assert {TABLE[key] for key in TABLE if key[1] in (Move.ABANDON, Move.CUT)} == {Seeking.IDLE}


def test_the_floor_has_an_answer_to_every_event_in_every_state() -> None:
    from talker.core.floor import FLOOR, Floor, Moment

    assert set(FLOOR) == {(floor, moment) for floor in Floor for moment in Moment}


def test_the_diagrams_in_the_docs_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"]
    check = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stderr


@pytest.mark.parametrize("name", TABLES)
def test_every_table_is_drawn(name: str) -> None:
    assert f"`{name}`" in PAGE.read_text(), "add it to MACHINES in docs/generate.py"
