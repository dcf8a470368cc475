"""Replicas that follow calls in this process, the router they ask, and a talker's view of what they publish."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from common import subjects
from common.agents import FRONT, ToolGrant
from common.bus import topology
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.facts import AnyFact, Fact, InstructionsApplied
from common.messages.instructions import Instructions
from common.profile import AgentProfile
from fakes.waiting import until
from orchestrator import following_part
from orchestrator.graph import OwnGraphs
from orchestrator.service import OrchestratorService
from orchestrator.settings import OrchestratorSettings
from orchestrator.stores.base import Base
from orchestrator.stores.database import Database
from unit.orchestrator.following import PROFILE

SCRIPT = r"""
# The transcript comes as one JSON object: its last turn counts.
replies:
  - {when: {caller_said: 'invoice[^}]*}]}$'}, tool_call: {name: choose_agent, arguments: {to: billing}}}
  - {when: {caller_said: 'president[^}]*}]}$'}, tool_call: {name: choose_agent, arguments: {to: president}}}
  - {when: {caller_said: 'prose[^}]*}]}$'}, say: I would rather not choose.}
  - {when: default, tool_call: {name: choose_agent, arguments: {to: front}}}
"""


class ProfilesOwn:
    """Knows what profiles know."""

    def instructions(self, profile: AgentProfile, agent: str = FRONT) -> str:
        return profile.instructions if agent == FRONT else profile.agents[agent].instructions


class Describes:
    """Describes every tool alike."""

    def grants(self, names: tuple[str, ...], profile: AgentProfile) -> tuple[ToolGrant, ...]:
        return tuple(ToolGrant(name=name, description=f"Does {name}.") for name in names)


@dataclass
class Listener:
    """What a talker and everybody else would hear, and who writes facts as edges and talkers do."""

    client: Client
    bus: Bus
    writer: FactWriter
    revisions: list[Instructions] = field(default_factory=list)
    facts: list[AnyFact] = field(default_factory=list)
    applies: bool = True
    """A talker says that it has put each revision in force."""

    async def start(self) -> None:
        await self.client.subscribe(subjects.ALL_INSTRUCTIONS, cb=self._on_revision)
        await self.client.subscribe(subjects.ALL_FACTS, cb=self._on_fact)
        await self.client.flush()

    def write(self, *facts: AnyFact) -> None:
        for fact in facts:
            self.writer.write(fact)

    async def _on_revision(self, message: Msg) -> None:
        try:
            revision = Instructions.decode(message.data)
        except RemoteProtocolError:
            return
        known = {(each.call_id, each.revision) for each in self.revisions}
        if (revision.call_id, revision.revision) not in known:
            self.revisions.append(revision)
        if self.applies:
            self.write(InstructionsApplied(call_id=revision.call_id, revision=revision.revision, agent=revision.agent))

    async def _on_fact(self, message: Msg) -> None:
        fact = decode_as(Fact, message.data)
        if fact.fact_id not in {each.fact_id for each in self.facts}:
            self.facts.append(fact)

    def of(self, call_id: str) -> list[Instructions]:
        return [each for each in self.revisions if each.call_id == call_id]

    async def told(self, call_id: str, agent: str) -> Instructions:
        """The revision that gives a call to an agent, once it is there."""
        await until(lambda: any(each.agent == agent for each in self.of(call_id)))
        return next(each for each in self.of(call_id) if each.agent == agent)


@contextlib.asynccontextmanager
async def listener(nats_url: str) -> AsyncIterator[Listener]:
    bus = Bus([nats_url], "talker")
    await bus.connect()
    await topology.ensure(bus)
    writer = FactWriter(bus)
    await writer.start()
    running = asyncio.create_task(writer.run())
    made = Listener(await nats.connect(nats_url), bus, writer)
    await made.start()
    try:
        yield made
    finally:
        running.cancel()
        await made.client.close()
        await bus.close()


async def make_tables(url: str) -> None:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    await database.close()


def sqlite(directory: Path) -> str:
    return f"sqlite:///{directory / 'trunkline.db'}"


@contextlib.asynccontextmanager
async def replica(
    nats_url: str,
    database_url: str,
    openai_url: str,
    name: str = "orchestrator-1",
    profiles: tuple[AgentProfile, ...] = (PROFILE,),
    **changes: Any,
) -> AsyncIterator[OrchestratorService]:
    """One that follows calls, and does nothing else; drained and stopped with the context."""
    given = {"openai_api_key": "sk-test", "openai_base_url": openai_url, "nats_url": nats_url, **changes}
    settings = OrchestratorSettings(**given)
    bus = Bus([nats_url], name)
    facts, database = FactWriter(bus), Database(database_url)
    part = following_part.build(
        settings,
        bus,
        facts,
        database,
        name,
        lambda: {each.name: each for each in profiles},
        ProfilesOwn(),
        Describes(),
        OwnGraphs(),
    )
    service = OrchestratorService(name, bus, facts, database, [part], 1, 5.0)
    await service.start()
    try:
        yield service
    finally:
        await service.drain()
        await service.stop()
