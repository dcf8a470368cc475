"""Requests for tools over the bus: answered in time, refused as data."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from common import subjects
from common.bus.connection import Bus
from common.errors import ConfigError, DeadlineExceeded
from common.messages.tools import ToolPending, ToolRequest, ToolResult
from fakes import tool_pack
from fakes.waiting import until
from integration.orchestrator.tooling import (
    CALL,
    EVERYTHING,
    Marks,
    ask,
    called,
    connected,
    profile,
    replica,
    result_of,
    said,
    started,
    told,
    write_facts,
)
from orchestrator.stores.database import Database
from orchestrator.tools import part


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind will do: `test_tool_once` tries both."""
    return f"sqlite:///{tmp_path / 'tools.db'}"


async def test_what_takes_longer_is_pending_with_a_filler_said_once(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks, gate: tool_pack.Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "ANSWER_WITHIN_S", 0.05)
    answers = [await ask(talker_bus, "hold", {}) for _ in range(4)]
    assert all(isinstance(answer, ToolPending) for answer in answers)
    assert [answer.filler for answer in answers if isinstance(answer, ToolPending) and answer.filler] == [
        "One moment, please."
    ]
    gate.opened.set()
    assert told(await result_of(talker_bus, "hold", {})) == {"result": "held"}
    assert len(marks()) == 1


@pytest.mark.parametrize(
    ("name", "arguments", "asked", "error"),
    [
        ("sudo", {}, "desk", "unknown_tool"),
        ("end_call", {"reason": "bored"}, "desk", "not_granted"),
        ("write", {"word": "a"}, "nobody", "not_granted"),
        ("write", "{", "desk", "arguments"),
        ("write", {"word": "a", "admin": True}, "desk", "arguments"),
        ("write", {"word": "x" * 20_000}, "desk", "arguments"),
    ],
)
async def test_what_may_not_run_is_refused_as_data(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks, name: str, arguments: object, asked: str, error: str
) -> None:
    answer = await ask(talker_bus, name, arguments, asked=asked)
    assert told(answer)["error"] == error
    assert isinstance(answer, ToolResult)
    assert answer.is_error
    assert marks() == []


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("told", "failed"),
        ("lost", "not_known"),
        ("storage", "failed"),
        ("nonsense", "failed"),
        ("own_timeout", "failed"),
        ("raise", "failed"),
    ],
)
async def test_a_tool_that_fails_says_so_and_nothing_it_should_not(
    talker_bus: Bus, runner: part.ToolRunner, how: str, error: str
) -> None:
    answer = await ask(talker_bus, "fail", {"how": how})
    assert told(answer)["error"] == error
    assert "secret" not in answer.model_dump_json()
    assert ("no table left" in answer.model_dump_json()) is (how == "told")
    assert await ask(talker_bus, "fail", {"how": how}) == answer


async def test_a_huge_result_is_cut_to_what_the_tool_may_tell(talker_bus: Bus, runner: part.ToolRunner) -> None:
    answer = await ask(talker_bus, "fail", {"how": "huge"})
    assert isinstance(answer, ToolResult)
    assert len(answer.output.encode()) <= 4_096
    assert told(answer)["is_cut"]


async def test_time_ends_a_tool_and_only_a_reader_surely_did_nothing(talker_bus: Bus, runner: part.ToolRunner) -> None:
    assert told(await ask(talker_bus, "slow_read", {}, "call_1"))["error"] == "timeout"
    assert told(await ask(talker_bus, "slow_write", {}, "call_2"))["error"] == "not_known"


async def test_a_tool_learns_the_callers_number_from_the_facts(talker_bus: Bus, runner: part.ToolRunner) -> None:
    await write_facts(talker_bus, started("+1 555-010-0199"))
    result = told(await ask(talker_bus, "look_up", {"word": "a"}))["result"]
    assert result["caller"] == "+15550100199"
    assert len(result["key"]) == 32
    assert CALL not in result["key"]


async def test_a_yes_to_one_thing_is_none_to_another(talker_bus: Bus, runner: part.ToolRunner, marks: Marks) -> None:
    await write_facts(talker_bus, called("call_1", 1_000), said("Yes", 3_000), called("call_2", 4_000))
    await ask(talker_bus, "delete", {"word": "a"}, "call_1")
    assert told(await result_of(talker_bus, "delete", {"word": "b"}, "call_2"))["error"] == "confirmation_required"
    assert marks() == []


async def test_a_yes_whose_words_come_late_is_waited_for(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks
) -> None:
    await write_facts(talker_bus, called("call_1", 1_000))
    await ask(talker_bus, "delete", {"word": "a"}, "call_1")
    waiting = asyncio.create_task(result_of(talker_bus, "delete", {"word": "a"}, "call_2"))
    await asyncio.sleep(0)
    await write_facts(talker_bus, said("Yes", 3_000), called("call_2", 4_000))
    assert told(await waiting) == {"result": "deleted"}


async def test_without_the_facts_nobody_has_said_yes(
    nats_url: str, database: Database, tmp_path: Path, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tools.claiming._WORDS_WITHIN_S", 0.3)
    async with replica(nats_url, database, tmp_path), connected(nats_url, "talker") as talker_bus:
        await write_facts(talker_bus, called("call_1", 1_000), said("Yes", 3_000), called("call_2", 4_000))
        await ask(talker_bus, "delete", {"word": "a"}, "call_1")
        await talker_bus.jetstream.delete_stream("FACTS")
        assert told(await result_of(talker_bus, "delete", {"word": "a"}, "call_2"))["error"] == "confirmation_required"
    assert marks() == []


async def test_without_a_database_readers_read_and_nobody_writes(
    nats_url: str, talker_bus: Bus, tmp_path: Path, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestrator.tools.claiming._DATABASE_WITHIN_S", 0.4)
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")  # without its tables it is as good as away
    try:
        async with replica(nats_url, database, tmp_path):
            assert told(await result_of(talker_bus, "look_up", {"word": "a"}, "call_1"))["result"]["word"] == "a"
            assert told(await result_of(talker_bus, "write", {"word": "a"}, "call_2"))["error"] == "storage"
    finally:
        await database.close()
    assert marks() == ["call_1 a"]


async def test_beyond_what_one_process_can_do_it_is_busy(
    talker_bus: Bus, nats_url: str, database: Database, tmp_path: Path, marks: Marks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "AT_ONCE", 1)
    made = tool_pack.Gate()
    monkeypatch.setattr(tool_pack, "gate", made)
    async with replica(nats_url, database, tmp_path):
        waiting = asyncio.create_task(result_of(talker_bus, "hold", {}, "call_1"))
        await until(marks)
        assert told(await ask(talker_bus, "write", {"word": "a"}, "call_2"))["error"] == "busy"
        made.opened.set()
        await waiting
        assert told(await ask(talker_bus, "write", {"word": "a"}, "call_2")) == {"result": "written: a"}


async def test_more_than_can_be_kept_in_mind_is_asked_to_come_again(
    talker_bus: Bus, runner: part.ToolRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "_KNOWN_AT_MOST", 0)
    assert isinstance(await ask(talker_bus, "write", {"word": "a"}), ToolPending)


@pytest.mark.parametrize(
    "changes",
    [{"call_id": "a.b"}, {"call_id": "a" * 65}, {"tool_call_id": ""}, {"tool_call_id": "a b"}, {"name": "other"}],
)
async def test_a_request_nobody_could_have_meant_is_counted_and_ends_nothing(
    talker_bus: Bus, runner: part.ToolRunner, changes: dict[str, str]
) -> None:
    values = {"call_id": CALL, "profile": "desk", "tool_call_id": "call_1", "name": "write", "arguments": "{}"}
    request = ToolRequest.model_validate({"epoch": 1, **values, **changes})
    before = REGISTRY.get_sample_value("trunkline_bus_rejects_total", {"kind": "malformed"}) or 0.0
    for payload in (request.encode(), b"\xff{"):
        with pytest.raises(DeadlineExceeded):
            await talker_bus.request(subjects.tool("write"), payload, 0.1)
    assert REGISTRY.get_sample_value("trunkline_bus_rejects_total", {"kind": "malformed"}) == before + 2
    assert told(await ask(talker_bus, "write", {"word": "a"})) == {"result": "written: a"}


async def test_a_drain_waits_for_what_runs_and_takes_nothing_new(
    talker_bus: Bus, runner: part.ToolRunner, marks: Marks, gate: tool_pack.Gate
) -> None:
    waiting = asyncio.create_task(ask(talker_bus, "hold", {}))
    await until(marks)
    draining = asyncio.create_task(runner.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    gate.opened.set()
    await draining
    assert told(await waiting) == {"result": "held"}


async def test_requests_are_counted_by_class_and_by_what_came_of_them(talker_bus: Bus, runner: part.ToolRunner) -> None:
    def count(tool_class: str, result: str) -> float:
        labels = {"tool_class": tool_class, "result": result}
        return REGISTRY.get_sample_value("trunkline_tool_calls_total", labels) or 0.0

    before = count("write", "ok"), count("write", "again"), count("unknown", "unknown_tool")
    await ask(talker_bus, "write", {"word": "a"})
    await ask(talker_bus, "write", {"word": "a"})
    await ask(talker_bus, "sudo", {}, "call_2")
    after = count("write", "ok"), count("write", "again"), count("unknown", "unknown_tool")
    assert tuple(now - then for now, then in zip(after, before, strict=True)) == (1.0, 1.0, 1.0)


async def test_a_profile_that_grants_what_is_not_there_stops_the_start(
    nats_url: str, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="profile desk: agent front: tools: teleport: there is no such tool"):
        async with replica(nats_url, database, tmp_path, granted=profile("teleport")):
            pass


async def test_every_tool_of_the_pack_is_granted_and_described(runner: part.ToolRunner) -> None:
    names = tuple(grant.name for grant in EVERYTHING.tools)
    grants = runner.registry.grants(names, EVERYTHING)
    assert tuple(grant.name for grant in grants) == names
    assert all(grant.is_described for grant in grants)
