"""A replica that runs tools as a process of its own, so that it can be killed while a tool runs."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

_TESTS = Path(__file__).parents[1]


@contextlib.asynccontextmanager
async def tool_process(
    nats_url: str, database_url: str, directory: Path, replica_id: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """It runs, and takes requests. Killed in the end, if it still lives."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "fakes.tool_process", nats_url, database_url, str(directory), replica_id),
        env={**os.environ, "PYTHONPATH": str(_TESTS)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


async def _serve(nats_url: str, database_url: str, directory: Path, replica_id: str) -> None:
    from integration.orchestrator.tooling import replica
    from orchestrator.stores.database import Database

    directory.mkdir(exist_ok=True)  # noqa: ASYNC240 - nothing runs yet
    async with replica(nats_url, Database(database_url), directory, replica_id=replica_id):
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], sys.argv[2], Path(sys.argv[3]), sys.argv[4]))
