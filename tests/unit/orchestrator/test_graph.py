"""The graph over whole calls: facts in, revisions out, kept in a checkpoint, whatever router or graph do."""

import asyncio
from typing import Any, cast

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from common.agents import FRONT
from common.messages.facts import AnyFact
from common.profile import AgentProfile
from orchestrator.core.followed_call import FollowedCall
from orchestrator.graph import OwnGraphs, compile_graph
from orchestrator.nodes import Nodes
from orchestrator.state import GraphState
from unit.orchestrator.following import PROFILE, answered, asked_tool, returned, said, started

OWN = PROFILE.model_copy(update={"name": "own", "graph": "unit.orchestrator.own_graphs:polite"})


class Chooser:
    """Chooses what it is told, and notes whom it was asked for."""

    def __init__(self, *names: str | None) -> None:
        self.names = list(names)
        self.asked: list[str] = []

    async def choose(self, call: FollowedCall, profile: AgentProfile) -> str | None:
        self.asked.append(call["agent"])
        return self.names.pop(0)


class ProfilesOwn:
    newest = ""

    def instructions(self, profile: AgentProfile, agent: str = FRONT) -> str:
        own = profile.instructions if agent == FRONT else profile.agents[agent].instructions
        return own + self.newest


class Steered:
    """One call through the graph, run by run."""

    def __init__(self, *routed: str | None, profile: AgentProfile = PROFILE) -> None:
        self.router = Chooser(*routed)
        self.saver = InMemorySaver()
        own = OwnGraphs()
        own.load([profile])
        self.knowledge = ProfilesOwn()
        nodes = Nodes({profile.name: profile}.get, self.router, self.knowledge, own.run)
        self.graph = compile_graph(nodes, self.saver)
        self.sequence = 0

    async def run(self, *facts: AnyFact) -> GraphState:
        self.sequence += len(facts)
        given: GraphState = {"facts": [each.encode().decode() for each in facts], "sequence": self.sequence}
        config: Any = {"configurable": {"thread_id": "CA1"}}
        return cast(GraphState, await self.graph.ainvoke(given, config, durability="exit"))


async def test_a_call_s_first_revision_names_its_tools() -> None:
    steered = Steered()
    update = (await steered.run(started()))["update"]
    assert update is not None
    assert (update["revision"], update["agent"], update["tools"]) == (1, FRONT, ["list_tasks"])
    assert steered.router.asked == [], "nobody has said anything yet"


async def test_a_billing_question_moves_the_caller_and_a_thank_you_changes_nothing() -> None:
    steered = Steered("billing", "billing")
    await steered.run(started())
    update = (await steered.run(said(1, "My invoice is wrong.")))["update"]
    assert update is not None
    assert (update["revision"], update["agent"], update["before"]) == (2, "billing", FRONT)
    assert "You know invoices." in update["instructions"]
    assert (update["answers"], update["urgency"]) == ("fact-c1", "between_responses")
    after = (await steered.run(said(2, "Thank you.")))["update"]
    assert after == update, "the newest is kept, and is no new one"


async def test_a_backlog_asks_the_router_once_for_the_newest_turn() -> None:
    steered = Steered("billing")
    state = await steered.run(started(), said(1, "Hello?"), answered(2, "Hello."), said(3, "An invoice."))
    assert len(steered.router.asked) == 1
    assert state["update"] is not None
    assert (state["update"]["revision"], state["update"]["answers"]) == (1, "fact-c3")
    assert [each["text"] for each in state["call"]["conversation"]] == ["Hello?", "Hello.", "An invoice."]


async def test_without_an_answer_of_the_router_everything_stays() -> None:
    steered = Steered(None)
    await steered.run(started())
    state = await steered.run(said(1, "My invoice is wrong."))
    assert (state["call"]["agent"], state["update"]["revision"]) == (FRONT, 1)  # type: ignore[index]


async def test_a_tool_rule_moves_the_caller_without_the_router() -> None:
    steered = Steered("billing")
    await steered.run(started(), said(1, "My invoice."))
    state = await steered.run(asked_tool(2, "get_invoice"), returned(2))
    assert state["call"]["agent"] == FRONT
    assert len(steered.router.asked) == 1


async def test_a_forbidden_promise_is_corrected_at_once_and_once() -> None:
    steered = Steered("billing")
    await steered.run(started(), said(1, "My invoice."))
    update = (await steered.run(answered(2, "That is guaranteed.")))["update"]
    assert update is not None
    assert (update["urgency"], update["asks_for_answer"], update["broken"]) == ("at_once", True, ["forbidden:0"])
    again = (await steered.run(answered(3, "I take that back.")))["update"]
    assert again is not None
    assert again["broken"] == ["must_say:0"], "the disclosure is missed by now"
    assert again["instructions"].startswith(update["instructions"])
    last = (await steered.run(answered(4, "This call is recorded.")))["update"]
    assert last == again


async def test_the_correction_is_left_behind_with_the_agent_it_was_for() -> None:
    steered = Steered("billing", FRONT)
    await steered.run(started(), said(1, "My invoice."))
    await steered.run(answered(2, "That is guaranteed."))
    update = (await steered.run(said(3, "Something else.")))["update"]
    assert update is not None
    assert "guaranteed" not in update["instructions"]


async def test_another_process_goes_on_from_the_checkpoint() -> None:
    first = Steered("billing")
    await first.run(started(), said(1, "My invoice."))
    second = Steered(FRONT)
    second.saver.storage, second.saver.writes, second.saver.blobs = (
        first.saver.storage,
        first.saver.writes,
        first.saver.blobs,
    )
    state = await second.run(said(2, "Something else."))
    assert second.router.asked == ["billing"]
    assert state["update"] is not None
    assert (state["update"]["revision"], state["update"]["agent"]) == (2, FRONT)


async def test_a_call_keeps_the_instructions_it_began_with_and_new_calls_have_the_newest() -> None:
    steered = Steered("billing")
    steered.knowledge.newest = " We are closed today."
    first = (await steered.run(started()))["update"]
    steered.knowledge.newest = " We are open again."
    second = (await steered.run(said(1, "My invoice.")))["update"]
    assert first is not None
    assert second is not None
    assert second["instructions"].startswith(first["instructions"])
    assert "closed today" in first["instructions"]


async def test_a_profile_that_leaves_nothing_to_steer_is_left_alone() -> None:
    plain = AgentProfile(name="desk", greeting="Hello.", instructions="Help.")
    steered = Steered(profile=plain)
    state = await steered.run(started(), said(1, "Hello."), answered(2, "Hello."))
    assert state.get("update") is None
    assert state["call"]["due"] == []


async def test_a_call_of_an_unknown_profile_is_folded_and_not_steered() -> None:
    state = await Steered().run(started(profile="gone"), said(1, "Hello."))
    assert state.get("update") is None


async def test_a_graph_of_the_profile_decides_in_place_of_router_and_rules() -> None:
    steered = Steered(profile=OWN)
    await steered.run(started(profile="own"))
    state = await steered.run(said(1, "Please, my invoice."))
    assert state["update"] is not None
    assert (state["update"]["agent"], state["update"]["tools"]) == ("billing", ["get_invoice"])
    assert state["memory"] == {"turns": 1}
    assert steered.router.asked == []


@pytest.mark.parametrize("name", ["raises", "loops", "nonsense", "stranger", "ungranted"])
async def test_a_graph_that_fails_changes_nothing_and_the_guard_goes_on(name: str) -> None:
    profile = OWN.model_copy(update={"graph": f"unit.orchestrator.own_graphs:{name}"})
    rules = PROFILE.agents["billing"].rules
    steered = Steered(profile=profile.model_copy(update={"rules": rules}))
    await steered.run(started(profile="own"))
    state = await steered.run(said(1, "Please, my invoice."), answered(2, "It is guaranteed."))
    assert state["call"]["agent"] == FRONT
    assert state["update"] is not None
    assert state["update"]["broken"] == ["forbidden:0"]


async def test_one_slow_router_delays_no_other_call() -> None:
    release = asyncio.Event()

    class Slow(Chooser):
        async def choose(self, call: FollowedCall, profile: AgentProfile) -> str | None:
            if call["call_id"] == "CA-slow":
                await release.wait()
            return "billing"

    nodes = Nodes({"desk": PROFILE}.get, Slow(), ProfilesOwn(), OwnGraphs().run)
    graph = compile_graph(nodes, InMemorySaver())

    async def run(call_id: str) -> Any:
        facts = [each.model_copy(update={"call_id": call_id}) for each in (started(), said(1, "My invoice."))]
        given: GraphState = {"facts": [each.encode().decode() for each in facts], "sequence": 2}
        return await graph.ainvoke(given, {"configurable": {"thread_id": call_id}}, durability="exit")

    slow = asyncio.create_task(run("CA-slow"))
    others = await asyncio.gather(*(run(f"CA{number}") for number in range(20)))
    assert all(state["call"]["agent"] == "billing" for state in others)
    assert not slow.done()
    release.set()
    assert (await slow)["call"]["agent"] == "billing"
