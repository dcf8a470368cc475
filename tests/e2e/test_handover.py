"""A call goes on whatever is taken from under it: judged by what the caller heard and what the model was told."""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from e2e.command import Command, Event, environment, run, trunkline

GREETING = "Hello, this is the reading room support desk. How can I help you today?"
QUESTION = "he was not an ill disposed young man"
SCRIPT = """
steps:
  - wait_for_agent_speech: {timeout_ms: 20000}
  - wait_for_agent_silence
  - pause_ms: 2000
  - say: caller-2
  - wait_for_agent_speech: {timeout_ms: 30000}
  - hangup
"""
"""Two seconds after the greeting, in which something is lost, the caller asks and waits for the answer."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Stack:
    """A running `trunkline up` with two of each service, and what can be asked of it."""

    up: Command
    cwd: Path
    model_url: str

    async def trunkline(self, *arguments: str) -> Command:
        """One command beside it, which must work."""
        command = await run(*arguments, "--json", cwd=self.cwd, env=environment())
        assert command.process.returncode == 0, command.errors
        return command

    async def the_call(self) -> Event:
        """The one call that runs, as `trunkline calls` shows it."""
        (call,) = (await self.trunkline("calls")).named("call")
        return call

    async def process(self, process_id: str) -> Event:
        """One process as `trunkline ps` shows it."""
        processes = (await self.trunkline("ps")).named("process")
        return next(one for one in processes if one["process_id"] == process_id)

    async def all_ready(self) -> None:
        """Return once nothing is missing; what was killed has been started again."""
        await self.up.until(lambda event: event is self.up.named("status")[-1] and not event["waiting_for"])

    async def sessions(self) -> list[dict[str, Any]]:
        """The model's record of every session that held a conversation, in their order."""

        def ask() -> list[dict[str, Any]]:
            with urllib.request.urlopen(f"{self.model_url}/_sim/sessions?recognise=0", timeout=10) as answer:
                found: list[dict[str, Any]] = json.load(answer)
                return found

        sessions = [session for session in await asyncio.to_thread(ask) if session["items"]]
        return sorted(sessions, key=lambda session: float(session["items"][0]["created_monotonic_s"]))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One stack for the file."""
    cwd = tmp_path_factory.mktemp("stack")
    (cwd / "caller.yaml").write_text(SCRIPT)
    async with trunkline("up", "--edges", "2", "--workers", "2", "--json", cwd=cwd, env=environment()) as up:
        pids = (await up.until_event("up"))["pids"]
        model = psutil.Process(pids["model-simulator"]).cmdline()
        yield Stack(up, cwd, f"http://127.0.0.1:{model[model.index('--port') + 1]}")
        up.process.send_signal(signal.SIGINT)
        assert await up.ended() == 0
        assert "Traceback" not in up.errors


@dataclass
class Told:
    """A call that is over."""

    report: Event
    sessions: list[dict[str, Any]]


async def call_during(stack: Stack, happens: Callable[[Event], Awaitable[None]]) -> Told:
    """Place a call; once the greeting has been heard let something happen to it (given as `trunkline calls` has it)."""
    await stack.all_ready()
    before = len(await stack.sessions())
    env = environment()
    async with trunkline("call", "--json", "--script", "caller.yaml", cwd=stack.cwd, env=env) as call:
        await call.until_event("timeline", actor="agent", text=f"“{GREETING}”")
        await happens(await stack.the_call())
        assert await call.ended(60.0) == 0, (call.errors, call.events)
    assert not [event for event in call.named("timeline") if event["actor"] == "trouble"]
    return Told(call.named("report")[0], (await stack.sessions())[before:])


def assert_the_conversation_took_place(told: Told) -> None:
    """As the caller heard it: one greeting, the question, an answer."""
    turns = [(turn["speaker"], turn["text"]) for turn in told.report["turns"]]
    assert turns[:2] == [("agent", GREETING), ("caller", QUESTION)]
    assert [speaker for speaker, _ in turns] == ["agent", "caller", "agent"]
    assert len(told.report["latencies_ms"]["response"]) == 1, "the caller heard no answer"


def assert_the_second_session_knew(told: Told) -> None:
    """The model that answered the question had been told of the greeting, and that it is not to greet again."""
    first, second = told.sessions
    assert [item["text"] for item in first["items"] if item["role"] == "assistant"] == [GREETING]
    said = [(item["role"], item["text"]) for item in second["items"]]
    assert ("assistant", GREETING) in said
    assert [role for role, _ in said].index("system") < [role for role, _ in said].index("user")
    assert [item["recordings"] for item in second["items"] if item["role"] == "user"] == [["caller-2"]]
    assert len(second["responses"]) == 1, "it greeted again, or never answered"


async def test_a_call_survives_the_sudden_death_of_its_worker(stack: Stack) -> None:
    async def kill(call: Event) -> None:
        worker = await stack.process(call["talker_id"])
        os.kill(worker["pid"], signal.SIGKILL)
        await stack.up.until_event("restarting", process=worker["name"], code=-signal.SIGKILL)

    told = await call_during(stack, kill)
    assert_the_conversation_took_place(told)
    assert_the_second_session_knew(told)
    assert len(told.report["epochs"]) == 2


async def test_a_call_is_handed_over_by_hand(stack: Stack) -> None:
    async def hand_over(call: Event) -> None:
        command = await stack.trunkline("handover", call["call_id"][:12])
        (taken,), (done,) = command.named("handing_over"), command.named("handed_over")
        assert (taken["edge_id"], taken["talker_id"]) == (call["edge_id"], call["talker_id"])
        assert done["epoch"] > taken["epoch"]

    told = await call_during(stack, hand_over)
    assert_the_conversation_took_place(told)
    assert_the_second_session_knew(told)


async def test_a_drained_worker_gives_its_call_away_and_ends_well(stack: Stack) -> None:
    names: list[str] = []

    async def drain(call: Event) -> None:
        names.append((await stack.process(call["talker_id"]))["name"])
        command = await stack.trunkline("drain", names[0])
        assert command.named("draining")[0]["calls"] == 1
        assert command.events[-1] == {"event": "drained", "process_id": call["talker_id"]}
        assert (await stack.the_call())["talker_id"] != call["talker_id"]

    told = await call_during(stack, drain)
    await stack.up.until_event("restarting", process=names[0], code=0)
    assert_the_conversation_took_place(told)
    assert_the_second_session_knew(told)


async def test_a_call_survives_the_sudden_death_of_its_edge_with_the_session_it_had(stack: Stack) -> None:
    edges: list[str] = []

    async def kill(call: Event) -> None:
        edge = await stack.process(call["edge_id"])
        edges.append(edge["process_id"])
        os.kill(edge["pid"], signal.SIGKILL)
        await stack.up.until_event("restarting", process=edge["name"], code=-signal.SIGKILL)

    told = await call_during(stack, kill)
    assert_the_conversation_took_place(told)
    (session,) = told.sessions
    assert [item["recordings"] for item in session["items"] if item["role"] == "user"] == [["caller-2"]]
    assert len(session["responses"]) == 2, "a greeting and an answer"
    assert len(told.report["epochs"]) == 2
