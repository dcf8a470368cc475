"""The contract with a profile's own graph: what it is asked, and what its answer may be (docs/graphs.md)."""

import json
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.agents import FRONT
from common.profile import AgentProfile
from common.profile_part import InstructionsText
from orchestrator.core.followed_call import FollowedCall

_MEMORY_BYTES: Final = 65_536


class Answer(BaseModel):
    """What a user's graph may say. Everything is optional; fields nobody knows are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    agent: str = ""
    """Who has the caller from now on, a name of the profile's `agents` or `front`; empty: who has now."""
    instructions: InstructionsText | None = None
    """The base of the agent's instructions; None: the profile's."""
    tools: tuple[str, ...] | None = Field(None, max_length=64)
    """Names of granted tools; None: those of the agent."""
    urgency: Literal["between_responses", "at_once"] = "between_responses"
    asks_for_answer: bool = False
    memory: dict[str, Any] = Field(default_factory=dict)
    """Comes back with the next question."""

    @property
    def is_urgent(self) -> bool:
        """True if a response under way must not delay it."""
        return self.urgency == "at_once"


def question(call: FollowedCall, profile: AgentProfile, memory: dict[str, Any]) -> dict[str, Any]:
    """The input of the graph: plain JSON."""
    return {
        "call_id": call["call_id"],
        "profile": profile.name,
        "language": profile.language,
        "caller_number": call["caller_number"],
        "agent": call["agent"],
        "agents": [FRONT, *profile.agents],
        "conversation": call["conversation"],
        "events": call["due"],
        "service_level": call["service_level"],
        "memory": memory,
    }


def read(given: dict[str, Any] | None, profile: AgentProfile) -> Answer | None:
    """The answer, checked; None if it is none. Names that the profile does not know make it nonsense."""
    if given is None:
        return None
    try:
        answer = Answer.model_validate(given)
        is_small = len(json.dumps(answer.memory)) <= _MEMORY_BYTES
    except (ValidationError, TypeError, ValueError, RecursionError):
        return None
    is_known = answer.agent in ("", FRONT) or answer.agent in profile.agents
    return answer if is_small and is_known and profile.granted.issuperset(answer.tools or ()) else None
