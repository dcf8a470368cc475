"""A real NATS cluster for tests: three servers on loopback with production's configuration, to be broken at will."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Final

from fakes.nats import NATS_SERVER

CONFIG: Final = Path(__file__).parents[2] / "deploy" / "nats" / "nats.conf"

_LAME_DUCK_GRACE: Final = "2s"
_LAME_DUCK_DURATION: Final = "30s"
"""The least nats-server takes."""


class Node:
    """One server. Its ports and its store outlive its process; it belongs to no event loop, so modules can share it."""

    def __init__(self, name: str, store: Path, ports: tuple[int, int, int]) -> None:
        self.name = name
        self.port, self.route_port, self.http_port = ports
        self._store = store
        self._process: subprocess.Popen[bytes] | None = None
        self._is_leaving = False

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def launch(self, routes: Iterable[int]) -> None:
        """Start the process, if it does not run; `Cluster.start` also waits until it serves."""
        if self.pid is not None:
            return
        environment = {
            "NATS_SERVER_NAME": self.name,
            "NATS_LISTEN": f"127.0.0.1:{self.port}",
            "NATS_CLIENT_ADVERTISE": f"127.0.0.1:{self.port}",
            "NATS_HTTP_LISTEN": f"127.0.0.1:{self.http_port}",
            "NATS_CLUSTER_LISTEN": f"127.0.0.1:{self.route_port}",
            "NATS_ROUTES": f"[{', '.join(f'nats://127.0.0.1:{port}' for port in routes)}]",
            "NATS_STORE": str(self._store),
            "NATS_LAME_DUCK_GRACE": _LAME_DUCK_GRACE,
            "NATS_LAME_DUCK_DURATION": _LAME_DUCK_DURATION,
        }
        self._is_leaving = False
        command = (str(NATS_SERVER), "-c", str(CONFIG), "-l", str(self._store.with_suffix(".log")))
        self._process = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it as `kill -9` does, frozen or not."""
        self.send(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks: connections stay, nothing answers."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.send(signal.SIGCONT)

    def lame_duck(self) -> None:
        """Tell it to leave: it gives its leaderships away, asks its clients to go, and ends once they have."""
        self._is_leaving = True
        self.send(signal.SIGUSR2)

    def bring_back(self) -> None:
        """Undo `freeze` and `lame_duck`; a killed one is started by `Cluster.start`."""
        self.thaw()
        if self._is_leaving:
            self.kill()

    def send(self, number: signal.Signals) -> None:
        """A signal; nothing happens if it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    async def asked(self, page: str) -> Any:
        """A monitoring page, such as `/healthz`. Raises `OSError` or `ValueError` while there is none."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http_port)
        try:
            writer.write(f"GET {page} HTTP/1.0\r\n\r\n".encode())
            async with asyncio.timeout(1):
                answer = await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return json.loads(answer.partition(b"\r\n\r\n")[2])


class Cluster:
    """Three nodes. `start` first; `discard` last."""

    def __init__(self, size: int = 3) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="nats-cluster-")
        ports = iter(_free_ports(3 * size))
        self.nodes = tuple(
            Node(f"nats-{index}", Path(self._directory.name) / f"nats-{index}", (next(ports), next(ports), next(ports)))
            for index in range(size)
        )

    @property
    def urls(self) -> list[str]:
        """Every node's, whether it runs or not: the `NATS_URL` of services, unjoined."""
        return [node.url for node in self.nodes]

    def node_of(self, url: str) -> Node:
        """The node clients reach at `url`."""
        return next(node for node in self.nodes if node.url == url)

    async def leader_of(self, stream: str) -> Node:
        """The node that takes the writes of a stream, once there is one."""
        async with asyncio.timeout(60):
            while True:
                for node in self.nodes:
                    if node.pid is not None and await _leads(node, stream):
                        return node
                await asyncio.sleep(0.05)

    async def start(self, *nodes: Node, within_s: float = 60.0) -> None:
        """Start `nodes` (default: all) that do not run; returns once the whole cluster `is_ready`."""
        for node in nodes or self.nodes:
            node.launch([each.route_port for each in self.nodes])
        await self.ready(within_s)

    async def ready(self, within_s: float = 60.0) -> None:
        """Wait until everything that runs is routed to each other and agrees on a JetStream leader."""
        async with asyncio.timeout(within_s):
            while not await self._is_ready():
                await asyncio.sleep(0.02)

    async def _is_ready(self) -> bool:
        running = [node for node in self.nodes if node.pid is not None]
        try:
            states = [await _State.of(node) for node in running]
        except (OSError, ValueError, KeyError, TimeoutError):
            return False
        others = len(running) - 1
        return (
            all(state.is_healthy and state.peers >= others for state in states)
            and len({state.leader for state in states}) == 1
            and states[0].leader in {node.name for node in running}
        )

    async def heal(self) -> None:
        """Bring back whatever was frozen, killed or sent away."""
        for node in self.nodes:
            node.bring_back()
        await self.start()

    async def all_down(self, for_s: float) -> None:
        """Kill every node at once, and start them again after `for_s` seconds; returns once the cluster is ready."""
        for node in self.nodes:
            node.send(signal.SIGKILL)
        for node in self.nodes:
            node.kill()
        await asyncio.sleep(for_s)
        await self.start()

    def discard(self) -> None:
        """End every node for good, stores included."""
        for node in self.nodes:
            node.kill()
        self._directory.cleanup()


class _State:
    """What one node says of itself."""

    def __init__(self, is_healthy: bool, peers: int, leader: str) -> None:
        self.is_healthy = is_healthy
        self.peers = peers
        self.leader = leader

    @classmethod
    async def of(cls, node: Node) -> "_State":
        """Ask it."""
        health, routes, jetstream = (
            await node.asked("/healthz"),
            await node.asked("/routez"),
            await node.asked("/jsz"),
        )
        peers = {route["remote_id"] for route in routes["routes"]}
        return cls(health.get("status") == "ok", len(peers), jetstream["meta_cluster"].get("leader", ""))


async def _leads(node: Node, stream: str) -> bool:
    page = await node.asked("/jsz?accounts=1&streams=1")
    streams = [each for account in page.get("account_details", ()) for each in account.get("stream_detail", ())]
    return any(each["name"] == stream and each["cluster"].get("leader") == node.name for each in streams)


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """A cluster of three, ended with the context."""
    cluster = Cluster()
    try:
        await cluster.start()
        yield cluster
    finally:
        cluster.discard()
