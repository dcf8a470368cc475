"""Requests for tools run at most once, whatever the database, however many replicas."""

import asyncio
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from common.bus.connection import Bus
from common.messages.tools import HangUpOrder, ToolResult
from fakes import tool_pack
from fakes.waiting import until
from integration.orchestrator.tooling import (
    Marks,
    ask,
    called,
    replica,
    result_of,
    said,
    started,
    told,
    write_facts,
)
from orchestrator.stores.database import Database
from orchestrator.tools import part


async def test_a_tool_runs_once_however_often_it_is_asked_for(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks
) -> None:
    results = [await ask(talker_bus, "write", {"word": "a"}) for _ in range(3)]
    results += await asyncio.gather(*(ask(talker_bus, "write", {"word": "a"}) for _ in range(5)))
    assert {result.encode() for result in results} == {results[0].encode()}
    assert told(results[0]) == {"result": "written: a"}
    assert marks() == ["call_1 a"]


async def test_another_request_is_another_run(talker_bus: Bus, runner: part.ToolRunner, marks: Marks) -> None:
    await ask(talker_bus, "write", {"word": "a"}, "call_1")
    await ask(talker_bus, "write", {"word": "a"}, "call_2")
    await ask(talker_bus, "write", {"word": "a"}, "call_1", call_id="CA2")
    assert len(marks()) == 3


async def test_the_same_key_for_something_else_is_refused_while_it_runs_and_after(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks, gate: tool_pack.Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "ANSWER_WITHIN_S", 0.05)
    await ask(talker_bus, "hold", {"word": "a"})
    await until(marks)
    assert told(await ask(talker_bus, "hold", {"word": "b"}))["error"] == "conflict"
    gate.opened.set()
    await result_of(talker_bus, "hold", {"word": "a"})
    assert told(await ask(talker_bus, "hold", {"word": "b"}))["error"] == "conflict"
    assert told(await ask(talker_bus, "write", {"word": "a"}))["error"] == "conflict"
    assert marks() == ["call_1 a"]


async def test_two_replicas_run_a_request_once_and_tell_the_same(
    nats_url: str, talker_bus: Bus, database: Database, tmp_path: Path, marks: Marks, gate: tool_pack.Gate
) -> None:
    async with (
        replica(nats_url, database, tmp_path, replica_id="orchestrator-a"),
        replica(nats_url, database, tmp_path, replica_id="orchestrator-b"),
    ):
        asking = [asyncio.create_task(result_of(talker_bus, "hold", {"word": "a"})) for _ in range(12)]
        await until(marks)
        gate.opened.set()
        results = await asyncio.gather(*asking)
    assert {result.output for result in results} == {json.dumps({"result": "held"})}
    assert marks() == ["call_1 a"]


async def test_limits_hold_though_requests_come_at_once_to_different_replicas(
    nats_url: str, talker_bus: Bus, database: Database, tmp_path: Path, marks: Marks
) -> None:
    async with (
        replica(nats_url, database, tmp_path, replica_id="orchestrator-a"),
        replica(nats_url, database, tmp_path, replica_id="orchestrator-b"),
    ):
        results = await asyncio.gather(*(result_of(talker_bus, "pay", {"amount": 5}, f"call_{n}") for n in range(6)))
    assert sorted(told(result).get("error", "paid") for result in results) == ["limit"] * 5 + ["paid"]
    assert len(marks()) == 1


async def test_an_order_comes_with_the_result_and_again_with_its_repeat(
    talker_bus: Bus, runner: part.ToolRunner
) -> None:
    for _ in range(2):
        answer = await ask(talker_bus, "say_goodbye", {})
        assert isinstance(answer, ToolResult)
        assert answer.order == HangUpOrder()
        assert not answer.is_error


async def test_what_wants_a_yes_is_carried_out_once_after_it(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks
) -> None:
    await write_facts(talker_bus, started(), called("call_1", 1_000))
    asked = await ask(talker_bus, "delete", {"word": "a"}, "call_1")
    assert told(asked)["error"] == "confirmation_required"
    await write_facts(talker_bus, said("Yes, please.", 3_000), called("call_2", 4_000), called("call_3", 5_000))
    assert await ask(talker_bus, "delete", {"word": "a"}, "call_1") == asked
    assert told(await result_of(talker_bus, "delete", {"word": "a"}, "call_2")) == {"result": "deleted"}
    assert told(await result_of(talker_bus, "delete", {"word": "a"}, "call_3"))["error"] == "confirmation_required"
    assert marks() == ["call_2 a"]


async def test_a_result_that_could_not_be_written_is_told_from_memory_and_written_later(
    talker_bus: Bus,
    database: Database,
    runner: part.ToolRunner,
    marks: Marks,
    gate: tool_pack.Gate,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.tools.running._WRITE_AGAIN_S", 0.05)
    waiting = asyncio.create_task(result_of(talker_bus, "hold", {"word": "a"}))
    await until(marks)
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE tool_runs RENAME TO away"))
    gate.opened.set()
    first = await waiting
    assert await ask(talker_bus, "hold", {"word": "a"}) == first
    async with database.transaction() as connection:
        await connection.execute(text("ALTER TABLE away RENAME TO tool_runs"))
    await until(lambda: not runner._runs)
    assert await ask(talker_bus, "hold", {"word": "a"}) == first
    assert marks() == ["call_1 a"]


async def test_what_an_end_cuts_off_is_known_to_be_unknown(
    nats_url: str, talker_bus: Bus, database: Database, tmp_path: Path, marks: Marks, gate: tool_pack.Gate
) -> None:
    async with replica(nats_url, database, tmp_path, replica_id="orchestrator-a"):
        asking = asyncio.create_task(ask(talker_bus, "hold", {"word": "a"}))
        await until(marks)
    asking.cancel()
    async with replica(nats_url, database, tmp_path, replica_id="orchestrator-b"):
        assert told(await ask(talker_bus, "hold", {"word": "a"}))["error"] == "not_known"
    assert marks() == ["call_1 a"]


async def test_old_runs_are_deleted(talker_bus: Bus, database: Database, runner: part.ToolRunner) -> None:
    await ask(talker_bus, "write", {"word": "a"}, "call_1")
    await ask(talker_bus, "write", {"word": "a"}, "call_2")
    async with database.transaction() as connection:
        await connection.execute(
            text("UPDATE tool_runs SET started_at = '2026-01-01 00:00:00' WHERE tool_call_id = 'call_1'")
        )
    await runner._clean()
    async with database.transaction() as connection:
        assert (await connection.execute(text("SELECT tool_call_id FROM tool_runs"))).scalars().all() == ["call_2"]
