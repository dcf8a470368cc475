"""The orchestrator as a process, as far as its database goes: waiting for it, refusing it, keeping quiet about it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from common import subjects
from common.bus.connection import Bus
from common.messages import facts
from common.messages.commands import EndReason
from fakes.nats import free_port
from fakes.postgres import PostgresServer
from orchestrator.stores import migrating
from orchestrator.stores.database import Database

KEY = "a-key-of-the-api-0123456789"
NUMBER = "+15550100123"
CALL = "CA" + "2" * 32
PROFILE = """
# The agent of the chaos suite: its turn detection is part of what the judge takes for a healthy model's pace.
name: desk
numbers: ["*"]
language: en
voice: marin
greeting: Hello, this is the reading room support desk. How can I help you today?
instructions: You answer the telephone for the reading room of a library.
turn_detection: {type: server_vad, threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500}
limits: {max_call_s: 7200}
"""


class Replica:
    """One `python -m orchestrator`."""

    def __init__(self, process: asyncio.subprocess.Process, api: str, ops: str) -> None:
        self.process, self.api, self.ops = process, api, ops

    async def ready(self) -> str:
        """What `/readyz` says; empty: it does not answer yet."""
        try:
            async with aiohttp.ClientSession() as http, http.get(f"{self.ops}/readyz") as answer:
                return await answer.text()
        except aiohttp.ClientError:
            return ""

    async def says(self, words: str, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while await self.ready() != words:
                assert self.process.returncode is None, await self.ended()
                await asyncio.sleep(0.05)

    async def ask(self, path: str, method: str = "GET") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with aiohttp.ClientSession() as http, http.request(method, self.api + path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def ended(self) -> tuple[int | None, str]:
        """Its exit code, and everything it said."""
        _, errors = await self.process.communicate()
        return self.process.returncode, errors.decode()


@contextlib.asynccontextmanager
async def replica(nats_url: str, database_url: str, profiles: Path, **settings: str) -> AsyncIterator[Replica]:
    ports = free_port(), free_port()
    (profiles / "desk.yaml").write_text(PROFILE)
    environment = {
        "PATH": os.environ["PATH"],
        "NATS_URL": nats_url,
        "LOG_LEVEL": "debug",
        "ORCHESTRATOR_AGENT_PROFILES": str(profiles),
        "ORCHESTRATOR_DATABASE_URL": database_url,
        "ORCHESTRATOR_API_KEY": KEY,
        "ORCHESTRATOR_PORT": str(ports[0]),
        "ORCHESTRATOR_OPS_PORT": str(ports[1]),
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "orchestrator", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield Replica(process, *(f"http://127.0.0.1:{port}" for port in ports))
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    directory = tmp_path / "agents"
    directory.mkdir()
    return directory


async def test_a_replica_migrates_its_own_file_records_a_call_and_tells_no_log_of_it(
    nats_url: str, tmp_path: Path, profiles: Path
) -> None:
    start = facts.CallStarted(
        call_id=CALL,
        leg="twilio",
        edge_id="e",
        profile="desk",
        caller_number=NUMBER,
        started_at="2026-11-30T12:00:00+00:00",
    )
    said = facts.CallerSaid(call_id=CALL, item_id="i", text="my secret words", start_ms=1, end_ms=2)
    end = facts.CallEnded(call_id=CALL, reason=EndReason.CALLER_HANGUP, duration_ms=5)
    bus = Bus([nats_url], "teller")
    await bus.connect()
    async with replica(nats_url, f"sqlite:///{tmp_path / 'records.db'}", profiles) as one:
        await one.says("ok")
        for fact in (start, said, end):
            await bus.jetstream.publish(subjects.fact(CALL), fact.encode())
        async with asyncio.timeout(20):
            while "caller_hangup" not in (await one.ask(f"/calls/{CALL}"))[1]:
                await asyncio.sleep(0.05)
        assert await one.ask(f"/callers/{NUMBER}", "DELETE") == (200, '{"calls":1}')
        one.process.terminate()
        code, log = await one.ended()
    await bus.close()
    assert code == 0, log
    assert "database migrated" in log
    assert not [word for word in ("5550100123", "secret words", KEY) if word in log]


async def test_a_cluster_is_not_migrated_by_itself_and_the_command_is_said(
    nats_url: str, postgres: PostgresServer, profiles: Path
) -> None:
    async with replica(nats_url, postgres.new_database(), profiles) as one:
        code, log = await one.ended()
    assert code == 2
    assert log.splitlines()[-1].startswith("error: the database is at migration none, this version needs ")
    assert log.endswith(": run `make migrate`\n")


async def test_a_database_that_is_away_at_the_start_is_waited_for(
    nats_url: str, postgres: PostgresServer, profiles: Path
) -> None:
    url = postgres.new_database()
    database = Database(url)
    await migrating.upgrade(database)
    await database.close()
    postgres.stop()
    try:
        async with replica(nats_url, url, profiles) as one:
            await one.says("the database is away")
            postgres.start()
            await one.says("ok")
    finally:
        postgres.start()
