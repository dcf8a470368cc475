"""The state of one call's graph: what is checkpointed under the call's id."""

from typing import Any, TypedDict

from orchestrator.core.followed_call import FollowedCall
from orchestrator.core.plan import Standing, Update


class GraphState(TypedDict, total=False):
    """JSON all through, so that any replica and any version can read it."""

    facts: list[str]
    """Input of a run: facts as JSON, in their order. Empty in checkpoints."""
    sequence: int
    """The newest stream sequence that was folded."""
    call: FollowedCall
    standing: Standing
    routed: str | None
    """The router's word in this run."""
    own: dict[str, Any] | None
    """What the profile's own graph said in this run."""
    broken: list[dict[str, Any]]
    """Rules that were broken, found in this run."""
    memory: dict[str, Any]
    """What the profile's own graph wants to remember."""
    update: Update | None
    """The newest revision that was decided; kept until the next one, so that a successor can publish it."""
