"""State machines as tables: the one helper that moves along them and draws them."""

from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from common.errors import LocalProtocolError

S = TypeVar("S", bound=Enum)
E = TypeVar("E", bound=Enum)

Table = Mapping[tuple[S, E], S]


class Machine(Generic[S, E]):
    """A state and the table of its legal moves. `move` raises `LocalProtocolError` on any other."""

    def __init__(self, table: Mapping[tuple[S, E], S], start: S) -> None:
        self._table = table
        self.state = start

    def can(self, event: E) -> bool:
        """True if `event` is legal now."""
        return (self.state, event) in self._table

    def move(self, event: E) -> S:
        """Take the move and return the new state."""
        try:
            self.state = self._table[self.state, event]
        except KeyError:
            raise LocalProtocolError(f"{event.name} is illegal in {self.state.name}") from None
        return self.state


def mermaid(table: Mapping[tuple[S, E], S], start: S) -> str:
    """The table as a Mermaid state diagram, for `docs/generated`."""
    lines = ["stateDiagram-v2", f"    [*] --> {start.name}"]
    lines += [f"    {before.name} --> {after.name}: {event.name}" for (before, event), after in table.items()]
    return "\n".join(lines) + "\n"
