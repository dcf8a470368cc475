"""Shows a list once, or again whenever it has changed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trunkline.output import Output, columns

_LOOK_EVERY_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Shown:
    """A list as it is now: for machines, for people, and what to say if there is nothing in it."""

    calls: Sequence[Mapping[str, Any]]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    if_empty: str
    note: str = ""


def show(look: Callable[[], Shown], output: Output, *, follows: bool) -> int:
    """Print what `look` finds; with `follows` go on until interrupted. Returns the exit code."""
    before = look()
    _print(before, [], output)
    while follows:
        time.sleep(_LOOK_EVERY_S)
        found = look()
        if found != before:
            _print(found, before.calls, output)
            before = found
    return 0


def _print(shown: Shown, known: Sequence[Mapping[str, Any]], output: Output) -> None:
    """People see the whole list again, machines what is new in it."""
    for call in shown.calls:
        if call not in known:
            output.event("call", call)
    for line in columns(shown.header, shown.rows) if shown.rows else [shown.if_empty]:
        output.say(line)
    if shown.note:
        output.say(shown.note, "dim")
