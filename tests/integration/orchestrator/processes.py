"""The orchestrator as users run it: `python -m orchestrator`, ready, killed with the context."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from fakes.waiting import until

OURS = ("ORCHESTRATOR_", "OPENAI_", "FAQ_", "AWS_", "SYSTEM_PROMPT_PATH")


@dataclass
class OrchestratorProcess:
    """One replica."""

    process: asyncio.subprocess.Process
    log_file: Path

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    @property
    def partitions(self) -> set[str]:
        """Those it follows, as it said last."""
        said = [line for line in self.log.splitlines() if '"message": "following"' in line]
        return set(said[-1].split('"partitions": "')[1].split('"')[0].split(", ")) - {""} if said else set()

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def orchestrator_process(
    nats_url: str, database_url: str, directory: Path, name: str = "orchestrator", **given: str
) -> AsyncIterator[OrchestratorProcess]:
    """A real one. `directory` holds its log, and `agents/` unless `given` says otherwise."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
    environ = {
        **inherited,
        "NATS_URL": nats_url,
        "ORCHESTRATOR_DATABASE_URL": database_url,
        "ORCHESTRATOR_AGENT_PROFILES": str(directory / "agents"),
        "ORCHESTRATOR_OPS_PORT": "0",
        "ORCHESTRATOR_PORT": "0",
        **given,
    }
    log_file = directory / f"{name}.log"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator", env=environ, stdout=log, stderr=log
        )
    made = OrchestratorProcess(process, log_file)
    try:
        await until(lambda: '"message": "ready"' in made.log or process.returncode is not None, within_s=60)
        assert process.returncode is None, made.log
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
