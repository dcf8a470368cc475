"""The tools that act on the call itself, and the booking desk, asked for over the bus."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from common import subjects
from common.bus.connection import Bus
from common.messages.facts import DigitsPressed, TransferFailed
from common.messages.tools import HangUpOrder, SendDigitsOrder, ToolResult, TransferOrder
from fakes.waiting import until
from integration.orchestrator.tooling import CALL, ask, called, profile, replica, result_of, started, told, write_facts
from orchestrator.stores.database import Database
from orchestrator.tools.part import ToolRunner

DESK = '[[python]]\nmodule = "orchestrator.tools.booking_desk"\n'
TASKS = ("list_tasks", "create_task", "get_task", "update_task", "delete_task")
GRANTED = profile("transfer_to_human", "end_call", "send_digits", "collect_digits", *TASKS)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """One kind will do here; the store of tasks is tried with both below."""
    return f"sqlite:///{tmp_path / 'tools.db'}"


@pytest.fixture
async def desk(nats_url: str, database: Database, tmp_path: Path) -> AsyncIterator[ToolRunner]:
    """A replica with the booking desk."""
    async with replica(nats_url, database, tmp_path, DESK, granted=GRANTED) as made:
        yield made


def pressed(digits: str, at_ms: int = 0) -> DigitsPressed:
    return DigitsPressed(call_id=CALL, at_ms=at_ms, digits=digits)


async def test_orders_are_for_the_talker_to_carry_out(talker_bus: Bus, desk: ToolRunner) -> None:
    async def order(name: str, arguments: dict[str, str], tool_call_id: str) -> object:
        answer = await ask(talker_bus, name, arguments, tool_call_id)
        assert isinstance(answer, ToolResult)
        return answer.order

    assert await order("send_digits", {"digits": "12#"}, "call_1") == SendDigitsOrder(digits="12#")
    assert await order("transfer_to_human", {"to": "front-desk"}, "call_2") == TransferOrder(to="front-desk")
    assert await order("end_call", {"reason": "done"}, "call_3") == HangUpOrder()


async def test_what_the_human_is_told_goes_along(talker_bus: Bus, desk: ToolRunner) -> None:
    summary = "A refund.\nThe book is lost."
    answer = await ask(talker_bus, "transfer_to_human", {"to": "front-desk", "summary": summary}, "call_1")
    assert isinstance(answer, ToolResult)
    assert answer.order == TransferOrder(to="front-desk", summary=summary)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transfer_to_human", {"to": "+15550100100"}),
        ("transfer_to_human", {"to": "president"}),
        ("transfer_to_human", {"to": "front-desk\n"}),
        ("transfer_to_human", {"to": "front-desk", "summary": "x" * 1_001}),
        ("send_digits", {"digits": "12; ls"}),
        ("send_digits", {"digits": "12\n"}),
        ("collect_digits", {"length": 0}),
        ("collect_digits", {"length": 4, "terminator": "9"}),
    ],
)
async def test_nothing_but_names_and_keys_is_taken(
    talker_bus: Bus, desk: ToolRunner, name: str, arguments: dict[str, object]
) -> None:
    answer = await ask(talker_bus, name, arguments)
    assert told(answer)["error"] == "arguments"
    assert isinstance(answer, ToolResult)
    assert answer.order is None


async def test_a_second_transfer_is_for_when_the_first_has_failed(talker_bus: Bus, desk: ToolRunner) -> None:
    to = {"to": "front-desk"}
    assert "result" in told(await ask(talker_bus, "transfer_to_human", to, "call_1"))
    assert told(await ask(talker_bus, "transfer_to_human", to, "call_2"))["error"] == "limit"
    await write_facts(talker_bus, TransferFailed(call_id=CALL, to="front-desk", why="no_answer"))
    assert "result" in told(await ask(talker_bus, "transfer_to_human", to, "call_3"))


async def test_digits_are_those_pressed_since_the_model_asked(talker_bus: Bus, desk: ToolRunner) -> None:
    await write_facts(talker_bus, pressed("99", 500), called("call_1", 1_000), pressed("12", 2_000))
    collecting = asyncio.create_task(result_of(talker_bus, "collect_digits", {"length": 4}))
    await until(lambda: desk._runs)
    for key in "3#":
        await write_facts(talker_bus, pressed(key, 3_000))
    assert told(await collecting)["result"] == {"digits": "123", "ended_by": "terminator"}


async def test_digits_nobody_presses_are_not_waited_for_without_end(talker_bus: Bus, desk: ToolRunner) -> None:
    await write_facts(talker_bus, called("call_1", 1_000))
    arguments = {"length": 4, "terminator": "", "timeout_s": 3}
    collecting = asyncio.create_task(result_of(talker_bus, "collect_digits", arguments))
    await until(lambda: desk._runs)
    await talker_bus.publish(subjects.fact(CALL), b"not a fact")
    await talker_bus.publish(subjects.fact(CALL), pressed("1#").encode())
    assert told(await collecting)["result"] == {"digits": "1#", "ended_by": "timeout"}


async def test_a_caller_keeps_tasks_of_their_own(talker_bus: Bus, desk: ToolRunner) -> None:
    await write_facts(talker_bus, started("+15550100199"), started("+15550100198", "CA2"))

    async def use(name: str, tool_call_id: str, call_id: str = CALL, **arguments: str) -> dict[str, object]:
        read: dict[str, object] = told(await ask(talker_bus, name, arguments, tool_call_id, call_id=call_id))
        return read

    made = await use("create_task", "call_1", title="Table for two", due="2026-03-31")
    assert await use("create_task", "call_1", title="Table for two", due="2026-03-31") == made
    task = made["result"]
    assert isinstance(task, dict)
    assert (task["title"], task["due"], task["status"]) == ("Table for two", "2026-03-31", "open")
    task_id = task["task_id"]
    done = await use("update_task", "call_2", task_id=task_id, status="done", notes="By the window")
    assert done["result"] == {**task, "status": "done", "notes": "By the window"}
    assert (await use("get_task", "call_3", task_id=task_id))["result"] == done["result"]
    assert (await use("list_tasks", "call_4"))["result"] == [done["result"]]
    assert (await use("list_tasks", "call_5", status="open"))["result"] == []
    assert (await use("list_tasks", "call_1", "CA2"))["result"] == []
    assert (await use("get_task", "call_2", "CA2", task_id=task_id))["error"] == "failed"
    assert (await use("update_task", "call_3", "CA2", task_id=task_id, title="Mine"))["error"] == "failed"
    assert (await use("delete_task", "call_6", task_id=task_id))["error"] == "confirmation_required"
    assert (await use("create_task", "call_7", title="x", due="2026-02-31"))["error"] == "arguments"


async def test_a_caller_without_a_number_keeps_none(talker_bus: Bus, desk: ToolRunner) -> None:
    await write_facts(talker_bus, started("anonymous"))
    answer = told(await ask(talker_bus, "create_task", {"title": "Table for two"}))
    assert answer["error"] == "failed"
    assert "withheld" in answer["message"]
