"""Graphs as users would write them, most of them badly."""

from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph


class State(TypedDict, total=False):
    conversation: list[dict[str, Any]]
    agent: Any
    tools: Any
    memory: dict[str, Any]


def _compiled(node: Any, *, repeats: bool = False) -> CompiledStateGraph[State, None, State, State]:
    graph: StateGraph[State, None, State, State] = StateGraph(State)
    graph.add_node("think", node)
    graph.add_edge(START, "think")
    graph.add_edge("think", "think" if repeats else END)
    return graph.compile()


def _polite(state: State) -> State:
    turns = [each for each in state["conversation"] if each["kind"] == "caller"]
    if turns and "please" in turns[-1]["text"].casefold():
        return {"agent": "billing", "tools": ["get_invoice"], "memory": {"turns": len(turns)}}
    return {"agent": "", "memory": {"turns": len(turns)}}


def _raise(state: State) -> State:
    raise RuntimeError("a user's mistake")


polite = _compiled(_polite)
raises = _compiled(_raise)
loops = _compiled(lambda state: {"agent": "billing"}, repeats=True)
nonsense = _compiled(lambda state: {"agent": 7})
stranger = _compiled(lambda state: {"agent": "president"})
ungranted = _compiled(lambda state: {"agent": "billing", "tools": ["format_disk"]})
