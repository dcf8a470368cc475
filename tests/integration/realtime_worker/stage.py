"""A worker on a real bus with the simulated OpenAI, and what a test needs to see of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import REGISTRY

from common.bus import topology
from common.bus.connection import Bus
from integration.realtime_worker.edge_stand_in import EdgeStandIn, stand_in, until
from integration.realtime_worker.openai_process import Simulator
from realtime_worker.bootstrap import build
from realtime_worker.settings import RealtimeWorkerSettings
from talker.service import TalkerService

SCRIPT = """
account: {bad_keys: [sk-bad-key]}
defaults: {first_audio_ms: 50, speed: 20}
replies:
  - {when: {instructions: broke off in the middle}, voice: agent-i-see}
  - {when: {instructions: One moment}, say: One moment., length_ms: 400}
  - {when: {tool_result: list_tasks}, say: There is one task., length_ms: 600}
  - {when: {tool_result: end_call}, say: Goodbye., length_ms: 300}
  - {when: {instructions: ends calls, recording: caller-2}, tool_call: {name: end_call}, times: 1}
  - when: {instructions: looks things up, recording: caller-2}
    tool_call: {name: list_tasks, arguments: {day: 1}}
    times: 1
  - {when: {recording: caller-4}, say: Our opening hours are many and long to tell., length_ms: 3000, speed: 2}
  - {when: greeting, voice: agent-greeting}
  - {when: {recording: caller-3}, voice: agent-opening-hours, speed: 2}
  - {when: {recording: caller-5}, voice: agent-i-see}
  - {when: default, voice: agent-opening-hours}
"""


@dataclass
class Stage:
    """Everything around one worker."""

    openai: Simulator
    edge: EdgeStandIn
    worker: TalkerService

    async def session(self, number: int = -1) -> dict[str, Any]:
        """The simulator's record of one session."""
        sessions = await self.openai.sessions()
        return sessions[number]

    async def closed_by(self) -> set[str]:
        """Who closed the sessions, once all are closed: a close takes a moment to reach the simulator."""
        async with asyncio.timeout(20):
            while True:
                closers = {str(session["closed_by"]) for session in await self.openai.sessions()}
                if "None" not in closers:
                    return closers
                await asyncio.sleep(0.01)

    async def fault(self, kind: str, **fields: Any) -> None:
        await self.openai.sim("POST", "faults", {"kind": kind, **fields})


@dataclass(frozen=True)
class Stages:
    """Call it with settings that differ from the default."""

    openai: Simulator
    nats_url: str
    worker_nats_url: str = ""
    """Where the worker reaches the same bus, if it goes another way."""

    @asynccontextmanager
    async def __call__(self, **changes: Any) -> AsyncIterator[Stage]:
        """A worker that takes calls, ended with the context."""
        await _make_streams(self.nats_url)
        async with stand_in(self.nats_url) as edge:
            worker = build(self._settings(changes))
            await worker.start()
            try:
                await until(lambda: edge.heartbeats)
                yield Stage(self.openai, edge, worker)
            finally:
                await worker.stop()

    def _settings(self, changes: dict[str, Any]) -> RealtimeWorkerSettings:
        given: dict[str, Any] = {
            "openai_base_url": self.openai.base_url,
            "openai_api_key": "sk-test-key",
            "nats_url": self.worker_nats_url or self.nats_url,
        }
        for name, value in changes.items():
            given[name if name.startswith("openai_") else f"realtime_worker_{name}"] = value
        return RealtimeWorkerSettings(**given)


async def _make_streams(nats_url: str) -> None:
    bus = Bus([nats_url], "topology")
    await bus.connect()
    await topology.ensure(bus)
    await bus.close()


def metric(name: str, **labels: str) -> float:
    """A sample of this process's metrics; 0 if it was never touched."""
    return REGISTRY.get_sample_value(name, labels) or 0.0
