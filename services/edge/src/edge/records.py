"""Call records: one JSON line per ended call, until a real store follows."""

import asyncio
import json
from pathlib import Path
from typing import Any

from common import logs

log = logs.get("records")


class RecordFile:
    """Appends records to a file several edges may share (each record is one append, so they do not mix)."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    async def append(self, record: dict[str, Any]) -> None:
        """Write one record. A full disk costs the record, is said, and nothing else."""
        if self._path is None:
            return
        try:
            await asyncio.to_thread(self._write, json.dumps(record, ensure_ascii=False))
        except OSError as error:
            log.error("a call record could not be written", extra=logs.fields(error=error.strerror))

    def _write(self, line: str) -> None:
        assert self._path is not None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())
