"""Where the command's words go: lines for people, JSON lines for machines, colour on terminals only."""

import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.live import Live
from rich.text import Text


class Output:
    """Standard output of one command. With `as_json` only `event` prints, and nothing else does."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.is_json = as_json
        self.console = Console(highlight=False, soft_wrap=True, legacy_windows=False)
        self._status = ""
        self._live: Live | None = None

    def say(self, text: str, style: str = "") -> None:
        """One line for people."""
        if not self.is_json:
            self.console.print(Text(text, style=style))

    def line(self, text: Text) -> None:
        """One styled line for people."""
        if not self.is_json:
            self.console.print(text)

    def event(self, name: str, fields: Mapping[str, object]) -> None:
        """One line for machines."""
        if self.is_json:
            print(json.dumps({"event": name, **fields}, ensure_ascii=False), flush=True)

    def status(self, text: str) -> None:
        """The state of things: a line that stays at the bottom of a terminal, elsewhere a line when it changes."""
        if self.is_json or text == self._status:
            return
        self._status = text
        if not self.console.is_terminal:
            self.console.print(Text(text))
            return
        if self._live is None:
            self._live = Live(console=self.console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(text, style="bold", overflow="ellipsis", no_wrap=True), refresh=True)

    def close(self) -> None:
        """Take the status line away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table: columns as wide as they need to be, those without any content left out."""
    kept = [index for index in range(len(header)) if any(row[index] for row in rows)]
    table = [[row[index] for index in kept] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]


def complain(message: str) -> None:
    """The one line that says what went wrong and what to do."""
    print(f"error: {message}", file=sys.stderr, flush=True)
