"""What a decision comes to: the next revision of the agent's instructions, if anything is different from before."""

from dataclasses import dataclass
from typing import Final, Literal, TypedDict

from orchestrator.core.followed_call import FollowedCall

Urgency = Literal["between_responses", "at_once"]
NO_REVISION: Final = 0


class Standing(TypedDict):
    """What the live agent was last told; kept in the checkpoint beside the call."""

    revision: int
    instructions: str
    tools: list[str]
    agent: str
    corrections: list[str]
    corrected: list[str]
    """Rules the agent was told of, by name."""
    base: str
    """The front agent's instructions as they were when the call began: a call keeps what it began with."""


class Update(TypedDict):
    """One revision to publish, with the facts that say why."""

    revision: int
    instructions: str
    tools: list[str]
    agent: str
    before: str
    urgency: Urgency
    asks_for_answer: bool
    answers: str
    broken: list[str]
    """Rules it corrects."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the agent should be told from now on."""

    agent: str
    instructions: str
    tools: tuple[str, ...]
    urgency: Urgency = "between_responses"
    asks_for_answer: bool = False
    corrections: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    answers: str = ""


def nothing_said(instructions: str, tools: tuple[str, ...], agent: str, base: str = "") -> Standing:
    """What the agent knows by the profile alone. `base`: what its instructions will begin with."""
    return {
        "revision": NO_REVISION,
        "instructions": instructions,
        "tools": list(tools),
        "agent": agent,
        "corrections": [],
        "corrected": [],
        "base": base or instructions,
    }


def next_update(standing: Standing, decision: Decision) -> tuple[Standing, Update | None]:
    """The standing after `decision`, and the revision that tells the talker; None: it knows all of it already."""
    is_same = (
        standing["instructions"] == decision.instructions
        and standing["tools"] == list(decision.tools)
        and standing["agent"] == decision.agent
    )
    if is_same and not decision.asks_for_answer:
        return standing, None
    revision = standing["revision"] + 1
    after: Standing = {
        "revision": revision,
        "instructions": decision.instructions,
        "tools": list(decision.tools),
        "agent": decision.agent,
        "corrections": list(decision.corrections),
        "corrected": sorted({*standing["corrected"], *decision.broken}),
        "base": standing["base"],
    }
    update: Update = {
        "revision": revision,
        "instructions": decision.instructions,
        "tools": list(decision.tools),
        "agent": decision.agent,
        "before": standing["agent"],
        "urgency": decision.urgency,
        "asks_for_answer": decision.asks_for_answer,
        "answers": decision.answers,
        "broken": list(decision.broken),
    }
    return after, update


def settled(call: FollowedCall, agent: str) -> FollowedCall:
    """The call once everything due was decided."""
    return {**call, "agent": agent, "due": []}
