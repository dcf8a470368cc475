"""Edges to test: in this process, where constants can be changed, or as the real process."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import nats
from nats.aio.msg import Msg
from nats.errors import TimeoutError as NatsTimeout
from nats.js.errors import NotFoundError
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from common import subjects
from common.messages.base import decode_as
from common.messages.facts import AnyFact, Fact
from edge.bootstrap import Edge
from edge.settings import EdgeSettings
from fakes.nats import free_port
from fakes.waiting import until
from integration.edge.phone import ACCOUNT, AUTH_TOKEN, Answer, Phone, fetch

UNAVAILABLE = "Nobody is here."
INTERRUPTED = "The line broke."
COLLEAGUE = "+15550100300"
PROFILE = f"""\
name: desk
numbers: ["*"]
greeting: Hello.
instructions: Be brief.
transfers: {{colleague: {{number: "{COLLEAGUE}", ring_s: 20}}}}
sentences: {{unavailable: {UNAVAILABLE}, interrupted: {INTERRUPTED}, say_language: en-GB}}
"""


def write_agents(directory: Path) -> Path:
    """A directory with one agent, which answers every number."""
    agents = directory / "agents"
    agents.mkdir(exist_ok=True)
    (agents / "desk.yaml").write_text(PROFILE)
    return agents


@dataclass
class Stage:
    """One edge in this process, and everything around it."""

    edge: Edge
    phone: Phone
    nats_url: str
    records_file: Path
    facts: "FactLog"

    def records(self) -> list[dict[str, Any]]:
        """The call records so far."""
        if not self.records_file.exists():
            return []
        return [json.loads(line) for line in self.records_file.read_text().splitlines()]

    async def record(self, call_id: str) -> dict[str, Any]:
        """Wait for the record of a call."""
        await until(lambda: any(record["call_id"] == call_id for record in self.records()))
        (record,) = (record for record in self.records() if record["call_id"] == call_id)
        return record


@dataclass
class FactLog:
    """Every fact that goes over the bus."""

    seen: dict[str, AnyFact] = field(default_factory=dict)

    def of(self, call_id: str) -> list[AnyFact]:
        """The facts of a call, each once, as they came."""
        return [fact for fact in self.seen.values() if fact.call_id == call_id]

    def types(self, call_id: str) -> list[str]:
        """Their types."""
        return [fact.type for fact in self.of(call_id)]

    async def wait_for(self, call_id: str, kind: str, count: int = 1) -> AnyFact:
        """Wait until there are `count` facts of a kind. Returns the last of them."""
        await until(lambda: self.types(call_id).count(kind) >= count)
        return [fact for fact in self.of(call_id) if fact.type == kind][count - 1]


@contextlib.asynccontextmanager
async def fact_log(nats_url: str) -> AsyncIterator[FactLog]:
    """Listens to facts on the bus."""
    log = FactLog()

    async def keep(message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        log.seen.setdefault(fact.fact_id, fact)

    client = await nats.connect(nats_url)
    await client.subscribe(subjects.ALL_FACTS, cb=keep)
    await client.flush()
    try:
        yield log
    finally:
        await client.close()


def settings_for(nats_url: str, directory: Path, port: int, **changes: Any) -> EdgeSettings:
    """Settings of an edge under test."""
    given: dict[str, Any] = {
        "public_base_url": f"http://127.0.0.1:{port}",
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": SecretStr(AUTH_TOKEN),
        "nats_url": nats_url,
        "edge_host": "127.0.0.1",
        "edge_port": port,
        "edge_agent_profiles": write_agents(directory),
        "edge_reattach_within_s": 2,
        "edge_call_records": directory / "calls.jsonl",
    }
    return EdgeSettings(**(given | changes))


@contextlib.asynccontextmanager
async def stage(nats_url: str, directory: Path, **changes: Any) -> AsyncIterator[Stage]:
    """An edge in this process; ended with the context, and checked for what it leaves behind."""
    before = asyncio.all_tasks()
    settings = settings_for(nats_url, directory, free_port(), **changes)
    edge = Edge(settings)
    async with fact_log(nats_url) as facts:
        await edge.start()
        await until(lambda: edge.missing() is None)
        await _has_buckets(nats_url)
        try:
            yield Stage(edge, Phone(settings.public_base_url), nats_url, directory / "calls.jsonl", facts)
        finally:
            await edge.stop()
    with contextlib.suppress(TimeoutError):
        await until(lambda: not _others(before), within_s=5)
    assert not _others(before), f"leaked tasks: {_others(before)}"


def _others(before: set[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    return asyncio.all_tasks() - before - {asyncio.current_task()}


async def _has_buckets(nats_url: str) -> None:
    """Wait until the registry works: the edge makes its buckets beside its start."""
    client = await nats.connect(nats_url)
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(NotFoundError, NatsTimeout):
                await client.jetstream(timeout=0.2).key_value(subjects.NONCES_BUCKET)
                break
    await client.close()


def counted(name: str, **labels: str) -> float:
    """A counter of this process."""
    return REGISTRY.get_sample_value(f"trunkline_{name}_total", labels) or 0.0


# --- the real process -------------------------------------------------------------------------------------------------


@dataclass
class EdgeProcess:
    """`python -m edge`."""

    process: asyncio.subprocess.Process
    phone: Phone
    ops_url: str
    log_file: Path
    records_file: Path
    port: int

    @property
    def reached_at(self) -> str:
        """Where its public port really is."""
        return f"http://127.0.0.1:{self.port}"

    async def ready(self) -> Answer:
        """`/readyz`."""
        return await fetch(f"{self.ops_url}/readyz")

    async def counted(self, name: str, **labels: str) -> float:
        """One sample of `/metrics`."""
        text = (await fetch(f"{self.ops_url}/metrics")).body
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == f"trunkline_{name}" and sample.labels == labels:
                    return float(sample.value)
        return 0.0

    async def counts(self, at_least: float, name: str, **labels: str) -> None:
        """Wait until a sample is that high."""
        async with asyncio.timeout(20):
            while await self.counted(name, **labels) < at_least:
                await asyncio.sleep(0.02)

    def log(self) -> str:
        """All it said."""
        return self.log_file.read_text()

    async def stop(self) -> int:
        """Ask it to end. Returns its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 20)


@contextlib.asynccontextmanager
async def edge_process(
    nats_url: str,
    directory: Path,
    *,
    port: int = 0,
    wait: Literal["ready", "answering", "ended"] = "ready",
    environ: Mapping[str, str] = MappingProxyType({}),
) -> AsyncIterator[EdgeProcess]:
    """The real process, ended with the context. `wait`: until it is ready, answering only, or has ended by itself."""
    port, ops_port = port or free_port(), free_port()
    base = environ.get("PUBLIC_BASE_URL", f"http://127.0.0.1:{port}")
    given = {
        "PUBLIC_BASE_URL": base,
        "TWILIO_ACCOUNT_SID": ACCOUNT,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "NATS_URL": nats_url,
        "EDGE_HOST": "127.0.0.1",
        "EDGE_PORT": str(port),
        "EDGE_OPS_PORT": str(ops_port),
        "EDGE_AGENT_PROFILES": str(write_agents(directory)),
        "EDGE_CALL_RECORDS": str(directory / "calls.jsonl"),
        "EDGE_DRAIN_DEADLINE_S": "0",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("EDGE_", "TWILIO_"))}
    log_file = directory / f"edge-{ops_port}.log"
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "edge", env={**inherited, **given, **environ}, stdout=log, stderr=log
        )
    ops_url = f"http://127.0.0.1:{ops_port}"
    edge = EdgeProcess(process, Phone(base), ops_url, log_file, directory / "calls.jsonl", port)
    try:
        await until(lambda: f'"message": "{wait}"' in edge.log() or process.returncode is not None)
        assert (process.returncode is None) == (wait != "ended"), edge.log()
        yield edge
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
