"""A running call is steered: another agent takes over, tools run once, and nobody misses an orchestrator."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.command import Command, environment, model_at, trunkline
from fakes.nats import free_port
from fakes.waiting import until
from integration.orchestrator.processes import OrchestratorProcess, orchestrator_process

PROFILE = """
name: desk
numbers: ["*"]
greeting: Hello, this is the reading room support desk. How can I help you today?
instructions: You answer the telephone for the reading room of a library.
tools: [reserve]
agents:
  billing:
    when: fees and amiable people
    instructions: You know fees.
"""
TOOLS = """
[[python]]
module = "slow_desk"
"""
PACK = '''
"""A tool that takes as long as the test wants, and notes each run."""

import os
import time
from pathlib import Path

from orchestrator.tools.declaring import tool

DIRECTORY = Path(os.environ["SLOW_DESK"])


@tool("write", confirm=False, timeout_s=60)
def reserve(book: str) -> dict[str, str]:
    """Reserve a book.

    Args:
        book: its title
    """
    with (DIRECTORY / "runs").open("a") as runs:
        runs.write(book + "\\n")
    while not (DIRECTORY / "go").exists():
        time.sleep(0.01)
    return {"reserved": book}
'''
MODEL = r"""
defaults: {first_audio_ms: 350, speed: 5.0, delta_ms: 200}
transcription: {delay_ms: 250}
replies:
  # The router is asked by chat, with the transcript as JSON.
  - when: {instructions: You direct a phone, caller_said: amiable himself}
    tool_call: {name: choose_agent, arguments: {to: billing}}
  - when: {instructions: You direct a phone}
    tool_call: {name: choose_agent, arguments: {to: front}}
  - when: greeting
    voice: agent-greeting
  - when: {tool_result: reserve}
    voice: agent-opening-hours
  - when: {recording: caller-3}
    tool_call: {name: reserve, arguments: {book: Emma}}
    times: 1
  - when: {instructions: You know fees, recording: caller-2}
    voice: agent-opening-hours
  - when: default
    voice: agent-i-see
"""
AWAY_S = 30.0 if os.environ.get("CHAOS_ALL") else 3.0
"""How long nobody follows the call, beside what it takes to start."""
GREETING = "Hello, this is the reading room support desk. How can I help you today?"
I_SEE = "I see. Thank you for telling me."


@dataclass
class Stack:
    """A running `trunkline up` whose model and tools are this test's."""

    up: Command
    cwd: Path
    env: dict[str, str]

    @contextlib.asynccontextmanager
    async def orchestrator(self, name: str) -> AsyncIterator[OrchestratorProcess]:
        """One of the test's own, which nobody starts again when it is killed."""
        state = json.loads((self.cwd / "build/run/stack.json").read_text())
        given = {name: self.env[name] for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "PYTHONPATH", "SLOW_DESK")}
        database = f"sqlite:///{self.cwd / 'records.db'}"
        async with orchestrator_process(state["nats_url"], database, self.cwd, name, **given) as process:
            yield process

    @contextlib.asynccontextmanager
    async def call(self, steps: str) -> AsyncIterator[Command]:
        (self.cwd / "caller.yaml").write_text(steps)
        async with trunkline("call", "--json", "--script", "caller.yaml", cwd=self.cwd, env=environment()) as call:
            yield call

    @property
    def runs(self) -> list[str]:
        """What was reserved, once for each run of the tool."""
        file = self.cwd / "runs"
        return file.read_text().splitlines() if file.exists() else []


@contextlib.asynccontextmanager
async def stack(cwd: Path, *sizes: str) -> AsyncIterator[Stack]:
    (cwd / "agents").mkdir()
    (cwd / "agents" / "desk.yaml").write_text(PROFILE)
    (cwd / "agents" / "tools.toml").write_text(TOOLS)
    (cwd / "slow_desk.py").write_text(PACK)
    (cwd / "model.yaml").write_text(MODEL)
    port = free_port()
    env = environment(
        EDGE_AGENT_PROFILES=str(cwd / "agents"),
        FALLBACK_PROMPTS=str(Path(__file__).parents[2] / "agents" / "prompts"),
        OPENAI_API_KEY="sk-simulated",
        OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1",
        PYTHONPATH=str(cwd),
        SLOW_DESK=str(cwd),
    )
    async with model_at(port, cwd / "model.yaml"), trunkline("up", *sizes, "--json", cwd=cwd, env=env) as up:
        await up.until_event("up")
        yield Stack(up, cwd, env)
        (cwd / "go").touch()
        up.process.send_signal(signal.SIGINT)
        assert await up.ended() == 0
        assert "Traceback" not in up.errors


async def agent_says(call: Command, words: str) -> None:
    """Wait until the agent has said something with these words in it, as the caller heard it."""
    await call.until(lambda event: event.get("actor") == "agent" and words in event["text"], within_s=120.0)


def turns(call: Command) -> list[tuple[str, str]]:
    (report,) = call.named("report")
    return [(turn["speaker"], turn["text"]) for turn in report["turns"]]


def ask(recording: str) -> str:
    return f"""
  - say: {recording}
  - wait_for_agent_speech: {{timeout_ms: 40000}}
  - wait_for_agent_silence"""


BEGIN = """
steps:
  - wait_for_agent_speech: {timeout_ms: 20000}
  - wait_for_agent_silence"""
END = """
  - hangup
"""


async def test_a_billing_question_gives_the_call_to_the_billing_agent_before_its_next_answer(tmp_path: Path) -> None:
    async with stack(tmp_path) as running:
        async with running.call(BEGIN + ask("caller-5") + ask("caller-2") + END) as call:
            assert await call.ended(90.0) == 0, call.errors
        said = turns(call)
        assert [speaker for speaker, _ in said] == ["agent", "caller", "agent", "caller", "agent"]
        assert said[2] == ("agent", I_SEE), "the first answer was still the front's"
        assert "nine" in said[4][1], "the second answer followed the instructions of billing"
        assert any("billing takes over from front" in event["text"] for event in call.named("timeline"))


async def test_a_tool_runs_once_though_its_worker_dies_and_the_next_one_uses_the_result(tmp_path: Path) -> None:
    async with stack(tmp_path, "--workers", "2") as running:
        async with running.call(f"{BEGIN}\n  - say: caller-3\n  - pause_ms: 120000{END}") as call:
            await until(lambda: running.runs, within_s=60)
            os.kill(await _talking(running), signal.SIGKILL)
            await running.up.until_event("restarting", code=-signal.SIGKILL)
            (tmp_path / "go").touch()
            await agent_says(call, "nine")
            assert any(event["text"].startswith("2 (talker lost)") for event in call.named("timeline"))
        assert running.runs == ["Emma"], "once, whoever asked"


async def _talking(running: Stack) -> int:
    """The worker that carries the call."""
    command = (sys.executable, "-m", "trunkline", "ps", "--json")
    asked = await asyncio.create_subprocess_exec(*command, cwd=running.cwd, stdout=asyncio.subprocess.PIPE)
    answer, _ = await asked.communicate()
    processes: list[dict[str, Any]] = [json.loads(line) for line in answer.splitlines()]
    return next(int(one["pid"]) for one in processes if one.get("kind") == "realtime_worker" and one["calls"])


async def test_an_orchestrator_that_is_killed_is_missed_by_no_caller_and_steers_the_call_once_it_is_back(
    tmp_path: Path,
) -> None:
    async with stack(tmp_path, "--orchestrators", "0") as running:
        steps = BEGIN + ask("caller-5") + ask("caller-2") * 12 + END
        async with running.orchestrator("first") as killed, running.call(steps) as call:
            await agent_says(call, GREETING)
            await killed.kill()
            await agent_says(call, I_SEE)
            began = time.monotonic()
            while time.monotonic() < began + AWAY_S:
                assert call.process.returncode is None
                await asyncio.sleep(0.1)
            assert not any("nine" in event["text"] for event in call.named("timeline"))
            async with running.orchestrator("second"):
                await agent_says(call, "nine")  # what had been said while nobody followed has its effect
        said = " ".join(event["text"] for event in call.named("timeline"))
        waits = [int(ms) for ms in re.findall(r"answers (\d+) ms after", said)]
        assert max(waits) < 5_000
        assert "talker lost" not in said
