"""The graph every followed call runs through, compiled once; and graphs of users, found by import path."""

import asyncio
import importlib
from collections.abc import Iterable
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from common import logs, metrics
from common.errors import ConfigError
from common.profile import AgentProfile
from orchestrator.nodes import Nodes
from orchestrator.state import GraphState

log = logs.get("graph")

CompiledGraph = CompiledStateGraph[GraphState, None, GraphState, GraphState]

_OWN_WITHIN_S: Final = 10.0
_OWN_STEPS: Final = 50


def compile_graph(nodes: Nodes, saver: BaseCheckpointSaver[Any] | None) -> CompiledGraph:
    """Follow, then router or own graph beside the guard, then conclude."""
    graph: StateGraph[GraphState, None, GraphState, GraphState] = StateGraph(GraphState)
    graph.add_node("follow", nodes.follow)
    graph.add_node("route", nodes.route)
    graph.add_node("own", nodes.own)
    graph.add_node("guard", nodes.guard)
    graph.add_node("conclude", nodes.conclude)
    graph.add_edge(START, "follow")
    graph.add_conditional_edges("follow", nodes.next_steps, ["route", "own", "guard", "conclude"])
    for step in ("route", "own", "guard"):
        graph.add_edge(step, "conclude")
    graph.add_edge("conclude", END)
    return graph.compile(checkpointer=saver)


class OwnGraphs:
    """Graphs that users wrote; each can fail without harm to a call."""

    def __init__(self) -> None:
        self._graphs: dict[str, Any] = {}

    def load(self, profiles: Iterable[AgentProfile]) -> None:
        """Import those the profiles name. Raises `ConfigError` naming profile and path."""
        for profile in profiles:
            if profile.graph is not None and profile.graph not in self._graphs:
                self._graphs[profile.graph] = _imported(profile.name, profile.graph)

    async def run(self, path: str, question: dict[str, Any]) -> dict[str, Any] | None:
        """Its answer; None if it raised, looped, took too long, or answered no object."""
        result, why = "malformed", ""
        try:
            async with asyncio.timeout(_OWN_WITHIN_S):
                answer = await self._graphs[path].ainvoke(question, {"recursion_limit": _OWN_STEPS})
            if isinstance(answer, dict):
                return answer
        except TimeoutError:
            result = "deadline"
        except Exception as error:  # whatever a user's code raises must not end the call's steering
            result, why = "raised", type(error).__name__
        metrics.GRAPH_FAILURES.labels(result).inc()
        log.warning("a graph of a profile failed", extra=logs.fields(graph=path, result=result, why=why))
        return None


def _imported(profile: str, path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        graph = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ConfigError(f"profile {profile}: graph {path} cannot be imported: {type(error).__name__}") from error
    if not callable(getattr(graph, "ainvoke", None)):
        raise ConfigError(f"profile {profile}: graph {path} is not a compiled graph (it has no ainvoke)")
    return graph
