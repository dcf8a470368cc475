"""The whole system as processes: NATS cluster, workers, edges behind a balancer, the simulated OpenAI."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp

from bench.systems import free_ports
from chaos.processes import ROOT, Member, clean_environment, connections_to, open_files
from common import pipeline
from fakes.cluster import Cluster, Node
from fakes.proxy import Proxy

HOST: Final = "127.0.0.1"
ACCOUNT_SID: Final = "AC" + "0" * 31 + "c"
AUTH_TOKEN: Final = "chaos-auth-token"
API_KEY: Final = "sk-chaos"
MODEL_SCRIPT: Final = Path(__file__).with_name("model.yaml")
AGENTS: Final = Path(__file__).with_name("agents")
AWAY_WITHIN_S: Final = 90.0
"""A member that was asked to go and give its calls away gets this long."""

_REPLIES: Final = re.compile(r"_INBOX\.[^.]+\.\*")
"""Where a client gets all its answers: one subscription for its whole life, made with its first request."""

_MODELS: Final = {
    "transcription": pipeline.TRANSCRIPTION_MODEL,
    "chat": pipeline.CHAT_MODEL,
    "speech": pipeline.SPEECH_MODEL,
}

Tier = Literal["worker", "edge", "fallback"]


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything, and what the members are told. `calls_per_worker` is the capacity of each."""

    workers: int
    edges: int
    calls_per_worker: int
    warm_sessions: int
    edges_move_calls: bool = False
    """An edge that is asked to go re-attaches its calls elsewhere."""
    fallbacks: int = 0
    """Replicas of the fallback service."""
    fallback_settings: tuple[tuple[str, str], ...] = ()
    """What they are told beside where everything is."""
    stage_timeout_s: float | None = None
    """How long they wait for a stage of the pipeline; None: as long as by default."""


@dataclass(frozen=True, slots=True)
class Level:
    """What is held while no call runs, as the servers and the kernel count it."""

    subscriptions: int
    connections: int
    open_files: dict[int, int]
    """By process id; without what is kept ready for the next call."""


@dataclass
class Stack:
    """Use `running`; `complete` brings back whatever was hurt."""

    size: Size
    scratch: Path
    cluster: Cluster = field(default_factory=Cluster)
    workers: list[Member] = field(default_factory=list)
    edges: list[Member] = field(default_factory=list)
    fallbacks: list[Member] = field(default_factory=list)
    openai_port: int = 0
    balancer_port: int = 0
    proxies: list[Proxy] = field(default_factory=list)
    """Between the first member of a tier and the NATS nodes, while a round wants them."""
    http: aiohttp.ClientSession = field(init=False)
    notes: list[str] = field(default_factory=list)
    """What went otherwise than a fault wanted it."""
    _helpers: list[asyncio.subprocess.Process] = field(default_factory=list)
    _balancer: asyncio.subprocess.Process | None = None
    _names: int = 0

    @property
    def voice_url(self) -> str:
        """The webhook of the number that is called."""
        return f"http://{HOST}:{self.balancer_port}/twilio/voice"

    @property
    def members(self) -> tuple[Member, ...]:
        """Every process that can be hurt, but for the bus."""
        return (*self.workers, *self.edges, *self.fallbacks)

    @property
    def messages(self) -> Path:
        """Where the replicas of the fallback service keep what callers leave."""
        return self.scratch / "messages"

    @property
    def records(self) -> Path:
        """Where the edges write down every call that has ended."""
        return self.scratch / "calls.jsonl"

    # --- coming and going -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Everything, ready."""
        self.http = aiohttp.ClientSession()
        simulator = ("simulators.openai", "--port", "0", "--watermark", "--script", str(MODEL_SCRIPT))
        openai, balancer, _ = await asyncio.gather(
            self._helper(*simulator), self._helper("chaos.balancer"), self.cluster.start()
        )
        self._balancer = balancer
        self.openai_port = int(json.loads(await _line(openai))["port"])
        self.balancer_port = int(await _line(balancer))
        await self.complete()

    async def stop(self) -> None:
        """Everything, whatever state it is in."""
        await self.http.close()
        await asyncio.gather(*(proxy.mend() for proxy in self.proxies))
        await asyncio.gather(*(member.end() for member in self.members))
        await asyncio.gather(*(proxy.stop() for proxy in self.proxies))
        for helper in self._helpers:
            with contextlib.suppress(ProcessLookupError):
                helper.terminate()
            await helper.wait()
        self.cluster.discard()

    async def complete(self) -> None:
        """Heal, thaw and start whatever is missing; returns once all of it is ready."""
        await self.cluster.heal()
        for member in self.members:
            member.thaw()
        self.workers = [worker for worker in self.workers if worker.pid is not None]
        self.edges = [edge for edge in self.edges if edge.pid is not None]
        self.fallbacks = [fallback for fallback in self.fallbacks if fallback.pid is not None]
        new = [self.new_worker() for _ in range(self.size.workers - len(self.workers))]
        new += [self.new_edge() for _ in range(self.size.edges - len(self.edges))]
        new += [self.new_fallback() for _ in range(self.size.fallbacks - len(self.fallbacks))]
        for member in new:
            member.launch()
        await asyncio.gather(*(member.ready() for member in self.members))
        await self.announce_edges()

    async def only(self, tier: Tier) -> None:
        """Leave one member of the tier, so that it gets all calls."""
        members = self.workers if tier == "worker" else self.edges
        await asyncio.gather(*(member.end() for member in members[1:]))
        del members[1:]
        await self.announce_edges()

    async def resize(self, size: Size) -> None:
        """Members of another size; nothing happens if it is the same."""
        if size != self.size:
            self.size = size
            await asyncio.gather(*(member.end() for member in self.members))
            await self.complete()

    async def relink(self, tier: Tier) -> None:
        """A first member of the tier that reaches every NATS node through a proxy of its own (`proxies`)."""
        members = self.workers if tier == "worker" else self.edges
        await members.pop(0).end()
        self.proxies = [Proxy(HOST, node.port) for node in self.cluster.nodes]
        await asyncio.gather(*(proxy.start() for proxy in self.proxies))
        member = self.new_worker() if tier == "worker" else self.new_edge()
        members.insert(0, members.pop())
        member.environment = {**member.environment, "NATS_URL": ",".join(proxy.url for proxy in self.proxies)}
        member.launch()
        await member.ready()
        await self.announce_edges()

    async def unlink(self) -> None:
        """Without the proxies again: whoever used them ends."""
        if self.proxies:
            linked = [
                each for each in (*self.workers, *self.edges) if self.proxies[0].url in each.environment["NATS_URL"]
            ]
            await asyncio.gather(*(proxy.mend() for proxy in self.proxies))
            await asyncio.gather(*(member.end() for member in linked))
            await asyncio.gather(*(proxy.stop() for proxy in self.proxies))
            self.proxies = []
            await self.complete()

    def new_worker(self) -> Member:
        """One more worker, to be launched."""
        (ops,) = free_ports(1)
        environment = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": f"http://{HOST}:{self.openai_port}/v1",
            "REALTIME_WORKER_CAPACITY": str(self.size.calls_per_worker),
            "REALTIME_WORKER_WARM_SESSIONS": str(self.size.warm_sessions),
            "REALTIME_WORKER_OPS_PORT": str(ops),
        }
        member = self._member("worker", "realtime_worker", environment, ops)
        self.workers.append(member)
        return member

    def new_edge(self) -> Member:
        """One more edge, to be launched."""
        port, ops = free_ports(2)
        environment = {
            "PUBLIC_BASE_URL": f"http://{HOST}:{self.balancer_port}",
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "EDGE_HOST": HOST,
            "EDGE_PORT": str(port),
            "EDGE_OPS_PORT": str(ops),
            "EDGE_AGENT_PROFILES": str(AGENTS),
            "EDGE_CALL_RECORDS": str(self.records),
            "EDGE_MAX_CALLS": str(2 * self.size.workers * self.size.calls_per_worker),
        }
        if self.size.edges_move_calls:
            environment["EDGE_DRAIN_MOVES_CALLS"] = "true"
        member = self._member("edge", "edge", environment, ops, port)
        self.edges.append(member)
        return member

    def new_fallback(self) -> Member:
        """One more replica of the fallback service, to be launched."""
        (ops,) = free_ports(1)
        environment = {
            "OPENAI_API_KEY": API_KEY,
            "OPENAI_BASE_URL": f"http://{HOST}:{self.openai_port}/v1",
            "FALLBACK_CAPACITY": str(self.size.workers * self.size.calls_per_worker),
            "FALLBACK_MESSAGES": str(self.messages),
            "FALLBACK_OPS_PORT": str(ops),
            **dict(self.size.fallback_settings),
        }
        if self.size.stage_timeout_s is not None:
            environment["FALLBACK_PIPELINE"] = str(self._pipeline(self.size.stage_timeout_s))
        member = self._member("fallback", "fallback", environment, ops)
        self.fallbacks.append(member)
        return member

    def _pipeline(self, timeout_s: float) -> Path:
        """The simulated OpenAI for every stage, with that patience."""
        file = self.scratch / "pipeline.toml"
        shared = (
            f'base_url = "http://{HOST}:{self.openai_port}/v1"\nkey_name = "OPENAI_API_KEY"\ntimeout_s = {timeout_s}\n'
        )
        tables = (f'[[{stage}]]\nname = "openai"\nmodel = "{model}"\n{shared}' for stage, model in _MODELS.items())
        file.write_text("".join(tables))
        return file

    async def replace(self, tier: Tier, old: Member) -> None:
        """A new member first, then the old one is asked to go, and waited for."""
        new = self.new_worker() if tier == "worker" else self.new_edge()
        new.launch()
        await new.ready()
        await self.announce_edges()
        old.ask_to_end()
        if not await old.ended(AWAY_WITHIN_S):
            self.notes.append(f"{old.name} had not gone {AWAY_WITHIN_S:g} s after it was asked to")
        await old.end()
        (self.workers if tier == "worker" else self.edges).remove(old)
        await self.announce_edges()

    async def announce_edges(self) -> None:
        """Tell the balancer which edges there are."""
        assert self._balancer is not None
        assert self._balancer.stdin is not None
        backends = [{"port": edge.port, "ops_port": edge.ops_port} for edge in self.edges]
        self._balancer.stdin.write(json.dumps({"backends": backends}).encode() + b"\n")
        await _line(self._balancer)

    # --- looking from outside ---------------------------------------------------------------------------------------

    async def openai(self, method: str, path: str, body: object = None) -> Any:
        """One request to the simulator's `/_sim`."""
        url = f"http://{HOST}:{self.openai_port}/_sim/{path}"
        async with self.http.request(method, url, json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"{method} {path}: {answer.status} {await answer.text()}")
            return await answer.json()

    async def level(self) -> Level:
        """What is held now."""
        pages = [await node.asked("/connz?subs=1&limit=1024") for node in self.cluster.nodes if node.pid is not None]
        clients = [client for page in pages for client in page["connections"]]
        subjects = [subject for client in clients for subject in client.get("subscriptions_list", ())]
        pids = [member.pid for member in self.members if member.pid is not None]
        return Level(
            subscriptions=sum(not _REPLIES.fullmatch(subject) for subject in subjects),
            connections=len(clients),
            open_files={pid: open_files(pid) - self._kept_ready(pid) for pid in pids},
        )

    def _kept_ready(self, pid: int) -> int:
        """Sessions opened ahead of need (those of calls are in the provider's records), idle connections of a pool."""
        is_pool = any(pid == member.pid for member in self.fallbacks)
        return connections_to(self.openai_port, pid, are_alive=not is_pool)

    async def busiest_node(self) -> Node:
        """The NATS node with most clients."""
        counts = [((await node.asked("/connz"))["num_connections"], index) for index, node in self._nodes()]
        return self.cluster.nodes[max(counts)[1]]

    def _nodes(self) -> list[tuple[int, Node]]:
        return [(index, node) for index, node in enumerate(self.cluster.nodes) if node.pid is not None]

    # ----------------------------------------------------------------------------------------------------------------

    def _member(self, tier: Tier, module: str, environment: dict[str, str], ops: int, port: int = 0) -> Member:
        self._names += 1
        name = f"{tier}-{self._names}"
        bus = {"NATS_URL": ",".join(self.cluster.urls)}
        url = f"http://{HOST}:{ops}/readyz"
        return Member(name, module, environment | bus, url, self.scratch / f"{name}.log", port, ops)

    async def _helper(self, module: str, *arguments: str) -> asyncio.subprocess.Process:
        """A process that is part of the surroundings and never hurt."""
        environment = clean_environment({}) | {"PYTHONPATH": os.pathsep.join((str(ROOT / "tests"), *_python_path()))}
        helper = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        self._helpers.append(helper)
        return helper


def _python_path() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = await process.stdout.readline()
    if not line:
        raise RuntimeError("a helper process ended")
    return line.decode()


@contextlib.asynccontextmanager
async def running(size: Size, scratch: Path) -> AsyncIterator[Stack]:
    """The stack, ready; ended with the context."""
    stack = Stack(size, scratch)
    try:
        await stack.start()
        yield stack
    finally:
        await stack.stop()
