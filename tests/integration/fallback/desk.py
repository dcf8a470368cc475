"""A replica of the fallback service that attends to calls, the pipeline it uses, and an edge that offers them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common.audio import Kind
from common.bus import topology
from common.bus.connection import Bus
from fallback.bootstrap import build
from fallback.settings import FallbackSettings
from integration.realtime_worker.edge_stand_in import PROFILE, EdgeStandIn, Leg, stand_in, until
from integration.realtime_worker.openai_process import Simulator
from talker.service import TalkerService

SCRIPT = """
defaults: {first_audio_ms: 20, speed: 20}
transcription: {delay_ms: 20}
replies:
  - {when: {recording: caller-3}, tool_call: {name: get_task, arguments: {id: 7}}}
  - {when: {tool_result: get_task}, voice: agent-say-again}
  - {when: {caller_said: kyoto}, voice: agent-opening-hours}
  - {when: default, voice: agent-i-see}
"""
PROMPTS = Path(__file__).parents[3] / "agents" / "prompts"


@dataclass
class Desk:
    """Everything around one replica."""

    openai: Simulator
    edge: EdgeStandIn
    replica: TalkerService
    messages: Path

    async def requests(self, endpoint: str) -> list[dict[str, Any]]:
        """What the pipeline has asked of one endpoint, in order."""
        asked: list[dict[str, Any]] = await self.openai.sim("GET", "requests")
        return [each for each in asked if each["endpoint"] == endpoint]


async def _make_streams(nats_url: str) -> None:
    bus = Bus([nats_url], "topology")
    await bus.connect()
    await topology.ensure(bus)
    await bus.close()


@asynccontextmanager
async def desk(openai: Simulator, nats_url: str, messages: Path, **changes: Any) -> AsyncIterator[Desk]:
    """A replica that takes calls, ended with the context."""
    await _make_streams(nats_url)
    given: dict[str, Any] = {
        "openai_base_url": openai.base_url,
        "openai_api_key": "sk-test-key",
        "nats_url": nats_url,
        "fallback_prompts": PROMPTS,
        "fallback_messages": messages,
        **changes,
    }
    async with stand_in(nats_url, "fallback") as edge:
        service = build(FallbackSettings(**given))
        await service.start()
        try:
            await until(lambda: edge.heartbeats)
            yield Desk(openai, edge, service, messages)
        finally:
            await service.stop()


async def greeted(on: Desk, **offer: Any) -> Leg:
    """A call whose greeting has come."""
    leg, _ = await on.edge.offer(**offer)
    await on.edge.ready(leg)
    await until(lambda: leg.of(Kind.ITEM_END))
    return leg


__all__ = ["PROFILE", "PROMPTS", "SCRIPT", "Desk", "desk", "greeted"]
