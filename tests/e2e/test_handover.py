"""A call goes on whatever is taken from under it: judged by what the caller heard and what the model was told."""

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from e2e.command import Command, Event, environment, run, trunkline

GREETING = "Hello, this is the reading room support desk. How can I help you today?"
QUESTION = "he might even have been made amiable himself"
ANSWER = "I see. Thank you for telling me."
SCRIPT = """
steps:
  - wait_for_agent_speech: {{timeout_ms: 20000}}
  - wait_for_agent_silence
  - {patience}
  - say: caller-5
  - wait_for_agent_speech: {{timeout_ms: 30000}}
  - wait_for_agent_silence
  - hangup
"""
"""Something is lost after the greeting. A pause gives it time; if that is too short the call goes on anyway. Only what
the caller says while there is no leg cannot be heard: who loses that waits for the next."""
ANOTHER_STREAM = "wait_for_stream: {number: 2, timeout_ms: 30000}"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Stack:
    """A running `trunkline up` with two of each service, and what can be asked of it."""

    up: Command
    cwd: Path
    model_url: str
    processes: list[Event] = field(default_factory=list)
    """As `trunkline ps` showed them before the call: to ask during it takes longer than the call has time."""

    async def trunkline(self, *arguments: str) -> Command:
        """One command beside it, which must work."""
        command = await run(*arguments, "--json", cwd=self.cwd, env=environment())
        assert command.process.returncode == 0, command.errors
        return command

    async def the_call(self) -> Event:
        """The one call that runs, as `trunkline calls` shows it."""
        (call,) = (await self.trunkline("calls", "--live")).named("call")
        return call

    def process(self, process_id: str) -> Event:
        """One process of `processes`."""
        return next(one for one in self.processes if one["process_id"] == process_id)

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


async def call_during(
    stack: Stack, happens: Callable[[Event], Awaitable[None]], patience: str = "pause_ms: 2500"
) -> Told:
    """Place a call; once the greeting has been heard let something happen to it (given as `trunkline calls` has it)."""
    await stack.all_ready()
    stack.processes = (await stack.trunkline("ps")).named("process")
    before = len(await stack.sessions())
    (stack.cwd / "caller.yaml").write_text(SCRIPT.format(patience=patience))
    env = environment()
    async with trunkline("call", "--json", "--script", "caller.yaml", cwd=stack.cwd, env=env) as call:
        await call.until_event("timeline", actor="agent", text=f"“{GREETING}”")
        await happens(await stack.the_call())
        assert await call.ended(60.0) == 0, (call.errors, call.events)
    return Told(call.named("report")[0], (await stack.sessions())[before:])


def assert_the_conversation_took_place(told: Told) -> None:
    """As the caller heard it: one greeting, the question, one answer."""
    turns = [(turn["speaker"], turn["text"]) for turn in told.report["turns"]]
    assert turns == [("agent", GREETING), ("caller", QUESTION), ("agent", ANSWER)]
    assert len(told.report["latencies_ms"]["response"]) == 1, "the caller heard no answer"
    assert sum(len(session["responses"]) for session in told.sessions) == 2, "somebody greeted or answered twice"


def assert_the_second_session_knew(told: Told) -> None:
    """The last session has all that was said, by its own ears or by being told, and was told not to greet again."""
    first, second = told.sessions
    assert first["items"][0]["text"] == GREETING
    known = [(item["role"], item["text"]) for item in second["items"]]
    assert [each for each in known if each[0] != "system"] == [
        ("assistant", GREETING),
        ("user", QUESTION),
        ("assistant", ANSWER),
    ]
    assert "system" in [role for role, _ in known]


async def test_a_call_survives_the_sudden_death_of_its_worker(stack: Stack) -> None:
    async def kill(call: Event) -> None:
        worker = stack.process(call["talker_id"])
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
        command = await stack.trunkline("drain", call["talker_id"][:-4])
        (taken,) = command.named("draining")
        assert (taken["process_id"], taken["calls"]) == (call["talker_id"], 1)
        assert command.events[-1] == {"event": "drained", "process_id": call["talker_id"]}
        names.append(taken["name"])

    told = await call_during(stack, drain)
    await stack.up.until_event("restarting", process=names[0], code=0)
    assert_the_conversation_took_place(told)
    assert_the_second_session_knew(told)


async def test_a_call_survives_the_sudden_death_of_its_edge_with_the_session_it_had(stack: Stack) -> None:
    async def kill(call: Event) -> None:
        edge = stack.process(call["edge_id"])
        os.kill(edge["pid"], signal.SIGKILL)
        await stack.up.until_event("restarting", process=edge["name"], code=-signal.SIGKILL)

    told = await call_during(stack, kill, ANOTHER_STREAM)
    assert_the_conversation_took_place(told)
    assert len(told.sessions) == 1, "its worker lived, and so should its session"
    assert len(told.report["epochs"]) == 2
