"""Who has the caller next: the profile's rules, applied to what the router thinks."""

from typing import Final

from common.agents import FRONT, Specialist
from common.profile import AgentProfile
from orchestrator.core.followed_call import FollowedCall, newest_of

NOBODY: Final = "nobody"
"""The router's word for: no agent fits."""
_ASKS_ROUTER: Final = frozenset({"caller", "keys"})


def needs_router(call: FollowedCall, profile: AgentProfile) -> bool:
    """True if a caller turn is due and there is anybody to choose from."""
    return newest_of(call, _ASKS_ROUTER) is not None and len(choices(call, profile)) > 1


def choices(call: FollowedCall, profile: AgentProfile) -> tuple[str, ...]:
    """Who may have the caller next, who has now included, in the profile's order."""
    here = profile.agent_or_front(call["agent"])
    specialist = profile.agents.get(here)
    allowed = None if specialist is None else specialist.hands_over_to
    everybody = (FRONT, *profile.agents)
    return tuple(name for name in everybody if name == here or allowed is None or name in allowed)


def after_tool(call: FollowedCall, profile: AgentProfile) -> str | None:
    """Who has the caller because a tool has returned; None: no rule says so."""
    specialist = profile.agents.get(profile.agent_or_front(call["agent"]))
    if specialist is None:
        return None
    for due in reversed(call["due"]):
        if due["kind"] == "tool" and (name := _next_after(call, specialist, due["id"])) is not None:
            return name
    return None


def _next_after(call: FollowedCall, specialist: Specialist, tool_call_id: str) -> str | None:
    for said in call["conversation"]:
        if said["kind"] == "tool" and said["id"] == tool_call_id and not said.get("is_error"):
            return specialist.after_tools.get(said.get("name", ""))
    return None


def decide(call: FollowedCall, profile: AgentProfile, routed: str | None) -> str:
    """Who has the caller from now on. `routed`: the router's word; None: it was not asked, or did not answer.

    A rule about tools goes before the router's word; a word that names nobody it may name changes nothing.
    """
    here = profile.agent_or_front(call["agent"])
    ruled = after_tool(call, profile)
    if ruled is not None:
        return ruled
    if routed == NOBODY:
        specialist = profile.agents.get(here)
        return here if specialist is None or specialist.otherwise is None else specialist.otherwise
    return routed if routed is not None and routed in choices(call, profile) else here
