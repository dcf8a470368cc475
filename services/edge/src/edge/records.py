"""Call records: one JSON line per ended call, until a real store follows."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import logs

log = logs.get("records")


def _nobody(call_id: str) -> None:
    """Who is told by default that a record is written."""


class RecordFile:
    """Appends records to a file several edges may share (each record is one append, so they do not mix)."""

    def __init__(self, path: Path | None, on_written: Callable[[str], None] = _nobody) -> None:
        """`on_written`: told the call id of each record that is safe."""
        self._path = path
        self._on_written = on_written

    async def append(self, record: dict[str, Any]) -> None:
        """Write one record. A full disk costs the record, is said, and nothing else."""
        if self._path is not None:
            try:
                await asyncio.to_thread(_write, self._path, json.dumps(record, ensure_ascii=False))
            except OSError as error:
                log.error("a call record could not be written", extra=logs.fields(error=error.strerror))
                return
        self._on_written(record["call_id"])

    async def holds(self, call_id: str) -> bool:
        """True if the file has a record of the call, whichever edge wrote it. False when it cannot be read."""
        return self._path is not None and await asyncio.to_thread(_holds, self._path, call_id)


def _write(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab", buffering=0) as file:
        file.write(f"{line}\n".encode())


def _holds(path: Path, call_id: str) -> bool:
    named = f'"call_id": {json.dumps(call_id)}'.encode()  # no text within a record looks like this: quotes are escaped
    try:
        with path.open("rb") as file:
            return any(named in line for line in file)
    except OSError:
        return False
