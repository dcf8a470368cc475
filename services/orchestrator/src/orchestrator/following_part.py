"""Everything that steers live agents, put together: knowledge, router, graph, and the following of calls."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from common.agents import ToolGrant
from common.bus import history
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.messages.facts import AnyFact
from common.profile import AgentProfile
from orchestrator.following import Following
from orchestrator.graph import OwnGraphs, compile_graph
from orchestrator.nodes import Knowing, Nodes
from orchestrator.partition import NewSession
from orchestrator.publishing import Publisher
from orchestrator.router import Router
from orchestrator.session import Around, CallSession
from orchestrator.settings import OrchestratorSettings
from orchestrator.stores.database import Database

_PAST_WITHIN_S = 5.0


class Granting(Protocol):
    """Who can describe tools to a model."""

    def grants(self, names: tuple[str, ...], profile: AgentProfile) -> tuple[ToolGrant, ...]:
        """Those that are known, in the order asked for."""
        ...


def build(
    settings: OrchestratorSettings,
    bus: Bus,
    facts: FactWriter,
    database: Database,
    replica_id: str,
    profiles: Callable[[], Mapping[str, AgentProfile]],
    knowledge: Knowing,
    tools: Granting,
    own: OwnGraphs,
) -> Following:
    """The part that follows calls."""
    router, publisher = Router(settings, facts.write), Publisher(bus)
    nodes = Nodes(lambda name: profiles().get(name), router, knowledge, own.run)

    def grants(name: str, names: tuple[str, ...]) -> tuple[ToolGrant, ...]:
        profile = profiles().get(name)
        return () if profile is None else tools.grants(names, profile)

    async def past(call_id: str) -> list[AnyFact]:
        return (await history.facts_of(bus, call_id, _PAST_WITHIN_S))[0]

    def sessions(saver: BaseCheckpointSaver[Any]) -> NewSession:
        around = Around(compile_graph(nodes, saver), publisher, facts.write, past, grants)
        return lambda call_id, done: CallSession(call_id, around, done)

    return Following(bus, database, replica_id, sessions, router.close)
