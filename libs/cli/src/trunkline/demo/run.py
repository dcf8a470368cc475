"""The demo: a stack of its own, one call through it, a report, a verdict."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from common.errors import ConfigError
from trunkline import scenarios
from trunkline.demo import report
from trunkline.demo.placed_call import Order, PlacedCall, Placing
from trunkline.demo.recording import loudness
from trunkline.demo.scenario import CONVERSATION, Scenario
from trunkline.demo.view import View
from trunkline.fleet import reach
from trunkline.output import Output, complain
from trunkline.stack import environment as stack_environment
from trunkline.stack import plan, words
from trunkline.stack.environment import StackEnvironment
from trunkline.stack.logs import ProcessLogs
from trunkline.stack.running import running
from trunkline.stack.supervision import BecameReady
from trunkline.stack.supervisor import Announcement

DIRECTORY: Final = Path("build/demo")
_PROFILES: Final = Path("agents")


@dataclass(frozen=True, slots=True)
class Files:
    """What the demo leaves behind."""

    recording: Path
    report: Path

    @classmethod
    def of(cls, scenario: Scenario) -> Self:
        """Those of one scenario."""
        return cls(DIRECTORY / f"{scenario.name}.wav", DIRECTORY / f"{scenario.name}.json")


async def run_demo(output: Output, scenario: Scenario = CONVERSATION, *, keep: bool) -> int:
    """Run it. Returns 0 if the conversation took place, else 1."""
    files = Files.of(scenario)
    with ProcessLogs(DIRECTORY) as logs, _workplace(output, keep=keep) as workplace:
        for old in (files.recording, files.report):
            old.unlink(missing_ok=True)
        environment = stack_environment.resolve(_settings(workplace, scenario))
        call = await _call(environment, scenario, workplace, logs, output)
        built = report.build(call.result, call.facts)
        files.report.write_text(json.dumps(built, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        rms = loudness(files.recording) if files.recording.exists() else []
        found = scenario.problems(call.result, built, rms)
    _sum_up(output, built, files, found)
    return 1 if found else 0


@contextmanager
def _workplace(output: Output, *, keep: bool) -> Iterator[Path]:
    """A temporary directory for what nobody needs afterwards."""
    if not keep:
        with tempfile.TemporaryDirectory(prefix="trunkline-demo-") as directory:
            yield Path(directory)
        return
    path = Path(tempfile.mkdtemp(prefix="trunkline-demo-"))
    yield path
    output.say(f"Kept: {path}", "dim")


def _settings(workplace: Path, scenario: Scenario) -> Mapping[str, str]:
    """The demo's own settings: nothing of the operator's reaches it, so it cannot call anybody or cost anything."""
    if not _PROFILES.is_dir():
        raise ConfigError(f"there is no {_PROFILES}/ here: run the demo in the repository's root directory")
    return plan.without_service_settings(os.environ) | {
        "EDGE_HOST": "127.0.0.1",
        "EDGE_PORT": "0",
        "EDGE_OPS_PORT": "0",
        "EDGE_AGENT_PROFILES": str(_profiles(workplace, scenario)),
        "FALLBACK_PROMPTS": str((_PROFILES / "prompts").resolve()),
        "EDGE_CALL_RECORDS": str(workplace / "records.jsonl"),
        "REALTIME_WORKER_OPS_PORT": "0",
        "FALLBACK_OPS_PORT": "0",
        "ORCHESTRATOR_OPS_PORT": "0",
        "ORCHESTRATOR_PORT": "0",
        "ORCHESTRATOR_DATABASE_URL": f"sqlite:///{workplace / 'records.db'}",
        "LOG_FORMAT": "text",
    }


def _profiles(workplace: Path, scenario: Scenario) -> Path:
    """The directory of agent profiles."""
    if scenario.profile is None:
        return _PROFILES.resolve()
    directory = workplace / "agents"
    directory.mkdir()
    with scenarios.path(scenario.profile) as profile:
        shutil.copy(profile, directory / profile.name)
    return directory


async def _call(
    environment: StackEnvironment, scenario: Scenario, workplace: Path, logs: ProcessLogs, output: Output
) -> PlacedCall:
    def announce(announcement: Announcement) -> None:
        if not isinstance(announcement, BecameReady):
            output.event(*words.for_machines(announcement))

    with scenarios.path(scenario.model) as model, scenarios.path(scenario.caller) as caller:
        stack = plan.make(environment, plan.Size(edges=1, workers=1), workplace / "nats", model)
        output.say("Starting NATS, one of each service and the simulated model …", "dim")
        async with running(stack, logs, announce):
            output.say("Placing a call (half a minute, in real time):", "dim")
            async with reach.connected(stack.nats_url) as bus:
                order = _order(environment, Files.of(scenario), workplace, caller)
                return await Placing(order, bus, View(output)).run()


def _order(environment: StackEnvironment, files: Files, workplace: Path, caller: Path) -> Order:
    return Order(
        voice_url=environment.voice_url,
        public_base_url=environment.public_base_url,
        account_sid=environment.account_sid,
        auth_token=environment.auth_token,
        script=caller,
        recording=files.recording,
        result=workplace / "caller.json",
        log=DIRECTORY / "caller-simulator.log",
        environment=plan.without_service_settings(environment.values),
    )


def _sum_up(output: Output, built: Mapping[str, Any], files: Files, found: list[str]) -> None:
    output.event("result", {"ok": not found, "problems": found, "report": str(files.report), **built})
    for problem in found:
        complain(problem)
    if found:
        complain(f"the conversation did not take place as it should; the logs are in {DIRECTORY}/")
        return
    latencies = built["latencies_ms"]
    answers = ", ".join(str(ms) for ms in latencies["response"])
    output.say("")
    output.say("The conversation took place. As the caller heard it:", "bold green")
    output.say(f"  first word after {latencies['setup']} ms, answers after {answers} ms")
    if stops := ", ".join(str(one["silent_after_ms"]) for one in built["barge_ins"]):
        output.say(f"  the agent silent {stops} ms after the caller spoke over it")
    for transfer in built["transfers"]:
        heard = " ".join(transfer["human_heard"])
        how = f"heard “{heard}”, then talked" if transfer["has_talked"] else f"was not reached ({transfer['status']})"
        output.say(f"  {transfer['to']} {how}")
    output.say(f"  Listen: {files.recording} (left: caller, right: agent)   Details: {files.report}")
