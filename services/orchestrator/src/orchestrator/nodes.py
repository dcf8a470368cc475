"""The steps of a call's graph: fold what happened, ask the router beside the rules, conclude."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, Protocol

from common.agents import FRONT, OutputRules
from common.messages.base import decode_as
from common.messages.facts import Fact
from common.profile import AgentProfile
from orchestrator.core import agent_choice, composing, plan
from orchestrator.core.followed_call import FollowedCall, begin, fold
from orchestrator.core.output_rules import Breach, breaches
from orchestrator.core.own_graph import Answer, question, read
from orchestrator.state import GraphState


class Choosing(Protocol):
    """Who asks a chat model which agent should have the caller."""

    async def choose(self, call: FollowedCall, profile: AgentProfile) -> str | None:
        """A name; None: no opinion."""
        ...


class Knowing(Protocol):
    """Who knows the newest instructions of a profile's agents."""

    def instructions(self, profile: AgentProfile, agent: str = FRONT) -> str:
        """At once, never waiting."""
        ...


class Nodes:
    """Bound to what a replica has; holds nothing of any call."""

    def __init__(
        self,
        profile_of: Callable[[str], AgentProfile | None],
        router: Choosing,
        knowledge: Knowing,
        run_own: Callable[[str, dict[str, Any]], Awaitable[dict[str, Any] | None]],
    ) -> None:
        """`run_own`: a profile's own graph by its import path; None: it failed."""
        self._profile_of = profile_of
        self._router = router
        self._knowledge = knowledge
        self._run_own = run_own

    def follow(self, state: GraphState) -> GraphState:
        """Fold the facts of this run."""
        call = state.get("call") or begin("")
        for text in state.get("facts", []):
            fact = decode_as(Fact, text.encode())
            call = fold({**call, "call_id": fact.call_id}, fact)
        return {"call": call, "facts": [], "routed": None, "own": None, "broken": []}

    def next_steps(self, state: GraphState) -> list[str]:
        """Which of the further steps this run needs; they run side by side."""
        call = state["call"]
        profile = self._steered(call)
        if profile is None:
            return ["conclude"]
        if profile.graph is not None:
            return ["own", "guard"]
        asks = agent_choice.after_tool(call, profile) is None and agent_choice.needs_router(call, profile)
        return ["route", "guard"] if asks else ["guard"]

    async def route(self, state: GraphState) -> GraphState:
        """Ask the router."""
        call = state["call"]
        profile = self._profile_of(call["profile"])
        return {"routed": None if profile is None else await self._router.choose(call, profile)}

    async def own(self, state: GraphState) -> GraphState:
        """Ask the profile's own graph."""
        call = state["call"]
        profile = self._profile_of(call["profile"])
        if profile is None or profile.graph is None:
            return {}
        return {"own": await self._run_own(profile.graph, question(call, profile, state.get("memory", {})))}

    def guard(self, state: GraphState) -> GraphState:
        """See whether the agent kept its rules."""
        call = state["call"]
        profile = self._profile_of(call["profile"])
        if profile is None:
            return {}
        corrected = frozenset(state["standing"]["corrected"]) if "standing" in state else frozenset[str]()
        rules = profile.rules_of(call["agent"])
        return {"broken": [asdict(breach) for breach in breaches(call, rules, corrected)]}

    def conclude(self, state: GraphState) -> GraphState:
        """Decide what the agent is told, if anything."""
        call = state["call"]
        profile = self._steered(call)
        if profile is None:
            return {"call": plan.settled(call, call["agent"])}
        standing = state.get("standing") or self._first_standing(profile)
        own = read(state.get("own"), profile)
        agent = own.agent if own is not None and own.agent else agent_choice.decide(call, profile, state.get("routed"))
        decision = self._decision(call, profile, agent, standing, [Breach(**each) for each in state["broken"]], own)
        standing, update = plan.next_update(standing, decision)
        after: GraphState = {"call": plan.settled(call, agent), "standing": standing}
        if own is not None:
            after["memory"] = own.memory
        if update is not None:
            after["update"] = update
        return after

    def _decision(
        self,
        call: FollowedCall,
        profile: AgentProfile,
        agent: str,
        standing: plan.Standing,
        broken: list[Breach],
        own: Answer | None,
    ) -> plan.Decision:
        rules = profile.rules_of(call["agent"])
        new = tuple(composing.correction(breach, rules) for breach in broken)
        corrections = tuple(dict.fromkeys((*standing["corrections"], *new))) if agent == standing["agent"] else new
        base = own.instructions if own is not None and own.instructions else standing["base"]
        part = self._knowledge.instructions(profile, agent) if agent in profile.agents else ""
        tools = own.tools if own is not None and own.tools is not None else profile.tools_of(agent)
        return plan.Decision(
            agent=agent,
            instructions=composing.compose(base, part, corrections),
            tools=tools,
            urgency="at_once" if new or (own is not None and own.is_urgent) else "between_responses",
            asks_for_answer=bool(new) or (own is not None and own.asks_for_answer),
            corrections=corrections,
            broken=tuple(breach.rule for breach in broken),
            answers=call["due"][-1]["fact_id"],
        )

    def _first_standing(self, profile: AgentProfile) -> plan.Standing:
        tools = tuple(tool.name for tool in profile.tools if tool.is_described)
        return plan.nothing_said(profile.instructions, tools, FRONT, self._knowledge.instructions(profile))

    def _steered(self, call: FollowedCall) -> AgentProfile | None:
        """The call's profile, if there is anything to decide by it now."""
        profile = self._profile_of(call["profile"])
        if profile is None or call["is_ended"] or not call["due"]:
            return None
        return profile if self._has_work(profile) else None

    def _has_work(self, profile: AgentProfile) -> bool:
        """False for a profile that leaves the orchestrator nothing to do: its agent is left alone."""
        has_more = bool(profile.agents or profile.tools or profile.graph) or profile.rules != OutputRules()
        return has_more or self._knowledge.instructions(profile) != profile.instructions
