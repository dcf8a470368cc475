"""A process that records a message and never ends it: `python -m integration.fallback.recorder <directory>`."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from fakes.waiting import until
from fallback.messages import Messages

SECONDS = 3


async def record(directory: Path) -> None:
    """Record, say when it is on disk, and go on."""
    recording = Messages(directory, 100).begin("CA1", "desk", "+15550100123")
    for second in range(SECONDS):
        recording.write(bytes([second]) * 8_000)
        await until(partial(_holds, directory, (second + 1) * 8_000))
    recording.write(b"\x7f" * 800)
    print(recording.message_id, flush=True)
    await asyncio.Event().wait()


def _holds(directory: Path, size: int) -> bool:
    return sum(part.stat().st_size for part in directory.glob("*.part")) > size


if __name__ == "__main__":
    asyncio.run(record(Path(sys.argv[1])))
