"""What the processes print: into one file each, and the one line that says why a process gave up."""

import contextlib
from pathlib import Path
from typing import IO


class ProcessLogs:
    """Log files `<process>.log` of one run, written anew. A context manager that closes them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[str, IO[str]] = {}
        self._complaints: dict[str, str] = {}
        self._last_lines: dict[str, str] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "ProcessLogs":
        self._directory.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def path(self, name: str) -> Path:
        """The file of one process."""
        return self._directory / f"{name}.log"

    def note(self, name: str, line: str) -> None:
        """Remember `line`: it may be the one that says why the process ends (`error: …`, or else the last)."""
        self._last_lines[name] = line
        if line.startswith("error: "):
            self._complaints[name] = line.removeprefix("error: ")

    def write(self, name: str, line: str) -> None:
        """Take one line of a process."""
        self.note(name, line)
        if name not in self._files:
            self._files[name] = self._stack.enter_context(self.path(name).open("w", encoding="utf-8", buffering=1))
        self._files[name].write(line + "\n")

    def complaint(self, name: str) -> str:
        """Why the process gave up, in its own words."""
        return self._complaints.get(name) or self._last_lines.get(name) or "it ended without a word"
