"""`python -m tests.bench.revisions`: how soon a published revision of instructions is in force at an idle model."""

import argparse
import asyncio
import json
import math
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from common import ids, subjects
from common.bus import topology
from common.bus.connection import Bus
from common.messages.base import decode_as
from common.messages.commands import CutOver, EdgeCommand, Ready
from common.messages.facts import Fact, InstructionsApplied
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason, Offer
from common.profile import AgentProfile

from .machine import machine_facts
from .processes import started
from .systems import Part, System, free_ports

TARGET_P99_MS: Final = 20.0
_PROFILE: Final = AgentProfile(name="bench", numbers=("*",), greeting="Hello.", instructions="Help.")
_WORDS: Final = "The reading room is open from nine to eight. "
_EDGE: Final = "edge-bench"
_HOST: Final = "127.0.0.1"


class Edge:
    """One call's edge, as far as the talker needs one: it grants the cut and hears what becomes of revisions."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.call_id = ids.new_id("call")
        self.is_talking = asyncio.Event()
        self._applied: dict[int, asyncio.Future[None]] = {}

    async def call(self) -> None:
        """Offer a call and grant the cut."""
        await self._client.subscribe(subjects.edge(_EDGE), cb=self._on_command)
        await self._client.subscribe(subjects.fact(self.call_id), cb=self._on_fact)
        await self._client.flush()
        reason = HandoverReason.START
        offer = Offer(call_id=self.call_id, edge_id=_EDGE, epoch=1, reason=reason, profile=_PROFILE)
        await self._client.request(subjects.offer("realtime"), offer.encode(), timeout=5)
        await asyncio.wait_for(self.is_talking.wait(), 30)

    async def publish(self, number: int, text: str) -> float:
        """Seconds from publishing a revision, as the orchestrator does, to the talker's fact that it is in force."""
        self._applied[number] = applied = asyncio.get_running_loop().create_future()
        revision = Instructions(call_id=self.call_id, revision=number, instructions=text)
        began = time.perf_counter()
        subject = subjects.instructions(self.call_id)
        stored = asyncio.create_task(self._client.jetstream().publish(subject, revision.encode()))
        await asyncio.wait_for(applied, 30)
        took = time.perf_counter() - began
        await stored
        return took

    async def _on_command(self, message: Msg) -> None:
        if isinstance(decode_as(EdgeCommand, message.data), Ready):
            await message.respond(CutOver(is_granted=True).encode())
            self.is_talking.set()
        elif message.reply:
            await message.respond(b"{}")

    async def _on_fact(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if isinstance(fact, InstructionsApplied) and (waiting := self._applied.pop(fact.revision, None)):
            waiting.set_result(None)


@asynccontextmanager
async def _talker() -> AsyncIterator[str]:
    """A server, the simulated model and one worker; the server's address."""
    with tempfile.TemporaryDirectory(prefix="trunkline-bench-") as scratch:
        nats_port, model_port, ops_port = free_ports(3)
        url = f"nats://{_HOST}:{nats_port}"
        worker = {
            "NATS_URL": url,
            "OPENAI_API_KEY": "sk-bench",
            "OPENAI_BASE_URL": f"http://{_HOST}:{model_port}/v1",
            "REALTIME_WORKER_OPS_PORT": str(ops_port),
        }
        server = str(Path(sys.executable).parent / "nats-server")
        parts = (
            Part(
                "nats", (server, "-a", _HOST, "-p", str(nats_port), "-js", "-sd", scratch), {}, f"{_HOST}:{nats_port}"
            ),
            Part(
                "model",
                (sys.executable, "-m", "simulators.openai", "--port", str(model_port)),
                {},
                f"{_HOST}:{model_port}",
            ),
            Part("worker", (sys.executable, "-m", "realtime_worker"), worker, f"http://{_HOST}:{ops_port}/readyz"),
        )
        async with started(System("revisions", parts, ""), Path(scratch)):
            yield url


async def measure(count: int, pause_s: float) -> list[float]:
    """So many revisions of 2 KB each, one after another; seconds each took."""
    async with _talker() as url:
        bus = Bus([url], "bench")
        await bus.connect()
        await topology.ensure(bus)
        await bus.close()
        client = await nats.connect(url)
        try:
            edge = Edge(client)
            await edge.call()
            await edge.publish(1, "The first one waits for the greeting to end.")
            took = []
            for number in range(2, count + 2):
                took.append(await edge.publish(number, f"{_WORDS * 44} Revision {number}."))
                await asyncio.sleep(pause_s)
            return took
        finally:
            await client.close()


def report(took: list[float]) -> dict[str, Any]:
    """Percentiles in milliseconds, the target, and the machine."""
    ordered = sorted(each * 1000 for each in took)

    def percentile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)], 2)

    found = {"p50_ms": percentile(0.5), "p99_ms": percentile(0.99), "max_ms": percentile(1.0)}
    is_met = found["p99_ms"] <= TARGET_P99_MS
    return {
        "revisions": len(took),
        **found,
        "target_p99_ms": TARGET_P99_MS,
        "is_met": is_met,
        "machine": machine_facts(),
    }


def main() -> int:
    """Prints the report as JSON; 1 only if nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.revisions", description=__doc__)
    parser.add_argument("--revisions", type=int, default=300, help="how many (300)")
    parser.add_argument("--pause", type=float, default=0.02, help="seconds between two (0.02)")
    arguments = parser.parse_args()
    took = asyncio.run(measure(arguments.revisions, arguments.pause))
    print(json.dumps(report(took), indent=2))
    return int(not took)


if __name__ == "__main__":
    sys.exit(main())
