"""A replica that dies, or seems to, while a tool runs: nothing that changes the world is done twice."""

import asyncio
import contextlib
import signal
from pathlib import Path

import pytest

from common.bus.connection import Bus
from common.errors import TrunklineError
from common.messages.tools import ToolPending
from fakes import tool_pack
from fakes.tool_process import tool_process
from fakes.waiting import until
from integration.orchestrator.tooling import Marks, ask, replica, result_of, told
from orchestrator.stores.database import Database
from orchestrator.tools import part

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "ANSWER_WITHIN_S", 0.1)


async def first_ask(bus: Bus, name: str, arguments: object) -> None:
    """The request that a replica dies of."""
    with contextlib.suppress(TrunklineError):
        await ask(bus, name, arguments)


async def test_what_a_killed_replica_was_doing_is_not_known_and_never_done_again(
    nats_url: str, talker_bus: Bus, database: Database, database_url: str, tmp_path: Path, marks: Marks
) -> None:
    async with tool_process(nats_url, database_url, tmp_path / "a", "orchestrator-a") as process:
        asking = asyncio.create_task(first_ask(talker_bus, "hold", {"word": "a"}))
        await until(marks)
        async with replica(nats_url, database, tmp_path, replica_id="orchestrator-b"):
            process.send_signal(signal.SIGKILL)
            await process.wait()
            result = await result_of(talker_bus, "hold", {"word": "a"})
            assert told(result)["error"] == "not_known"
            assert result.is_error
            assert await ask(talker_bus, "hold", {"word": "a"}) == result
    await asking
    assert marks() == ["call_1 a"]


@ONE_DATABASE
async def test_what_it_was_only_reading_is_read_again(
    nats_url: str,
    talker_bus: Bus,
    database: Database,
    database_url: str,
    tmp_path: Path,
    marks: Marks,
    gate: tool_pack.Gate,
) -> None:
    async with tool_process(nats_url, database_url, tmp_path / "a", "orchestrator-a") as process:
        asking = asyncio.create_task(first_ask(talker_bus, "hold_reading", {}))
        await until(marks)
        gate.opened.set()  # here; over there it waits for ever
        async with replica(nats_url, database, tmp_path, replica_id="orchestrator-b"):
            process.send_signal(signal.SIGKILL)
            await process.wait()
            assert told(await result_of(talker_bus, "hold_reading", {})) == {"result": "read"}
    await asking
    assert marks() == ["call_1 read", "call_1 read"]


@ONE_DATABASE
async def test_a_replica_that_lives_is_waited_for(
    nats_url: str,
    talker_bus: Bus,
    database: Database,
    tmp_path: Path,
    marks: Marks,
    gate: tool_pack.Gate,
) -> None:
    async with replica(nats_url, database, tmp_path, replica_id="orchestrator-a") as first:
        assert isinstance(await ask(talker_bus, "hold", {"word": "a"}), ToolPending)
        draining = asyncio.create_task(first.drain())  # it takes nothing new, and its heart beats on
        async with replica(nats_url, database, tmp_path, replica_id="orchestrator-b"):
            for _ in range(25):  # more than two seconds of asking
                assert isinstance(await ask(talker_bus, "hold", {"word": "a"}), ToolPending)
            gate.opened.set()
            assert told(await result_of(talker_bus, "hold", {"word": "a"})) == {"result": "held"}
            await draining
    assert marks() == ["call_1 a"]


@ONE_DATABASE
async def test_a_replica_that_was_frozen_tells_what_was_decided_without_it(
    nats_url: str, talker_bus: Bus, database: Database, database_url: str, tmp_path: Path, marks: Marks
) -> None:
    async with tool_process(nats_url, database_url, tmp_path / "a", "orchestrator-a") as process:
        asking = asyncio.create_task(first_ask(talker_bus, "hold_a_second", {"word": "a"}))
        await until(marks)
        process.send_signal(signal.SIGSTOP)
        async with replica(nats_url, database, tmp_path, replica_id="orchestrator-b") as second:
            result = await result_of(talker_bus, "hold_a_second", {"word": "a"})
            assert told(result)["error"] == "not_known"
            await second.drain()
            process.send_signal(signal.SIGCONT)
            assert await result_of(talker_bus, "hold_a_second", {"word": "a"}) == result
    await asking
    assert marks() == ["call_1 a"]
