"""What the orchestrator knows of a call it follows: folded from facts, kept as JSON in the graph's checkpoint."""

from typing import Final, Literal, NotRequired, TypeAlias, TypedDict

from common.agents import FRONT
from common.messages.facts import (
    AgentSaid,
    AnyFact,
    CallEnded,
    CallerSaid,
    CallStarted,
    DigitsPressed,
    InstructionsApplied,
    ServiceLevelChanged,
    ToolCalled,
    ToolReturned,
    TransferFailed,
)

MOST_TURNS: Final = 400
"""Older ones are dropped: no router looks further back, and a checkpoint is written at every turn."""
_MOST_CHARACTERS: Final = 4_000
"""Of one turn or tool result."""

FOLLOWED: Final = (
    CallStarted,
    CallerSaid,
    AgentSaid,
    ToolCalled,
    ToolReturned,
    DigitsPressed,
    InstructionsApplied,
    ServiceLevelChanged,
    TransferFailed,
    CallEnded,
)
"""The facts that say something to a graph; all others are passed by."""


class Said(TypedDict):
    """One entry of the conversation: a turn, a tool call, keys."""

    kind: Literal["caller", "agent", "tool", "keys"]
    id: str
    """The item of a turn, the tool call of a tool, the fact of keys."""
    text: str
    """What was said (of the agent: as heard), the tool's output, the keys."""
    at_ms: int
    name: NotRequired[str]
    """The tool's."""
    arguments: NotRequired[str]
    is_done: NotRequired[bool]
    """Tools: it has returned."""
    is_error: NotRequired[bool]


DueKind: TypeAlias = Literal["start", "caller", "agent", "tool", "keys", "transfer_failed"]


class Due(TypedDict):
    """Something a decision may be due to."""

    kind: DueKind
    fact_id: str
    id: str
    """As in `Said`."""


class FollowedCall(TypedDict):
    """The folded state; JSON all through."""

    call_id: str
    profile: str
    caller_number: str
    conversation: list[Said]
    agent: str
    agent_turns: int
    """How many turns of the agent the caller has heard."""
    service_level: int
    applied_revision: int
    """The newest a talker said to have put in force."""
    is_ended: bool
    due: list[Due]
    """What has come since the last decision, in order."""


def begin(call_id: str) -> FollowedCall:
    """A call of which nothing is known yet."""
    return {
        "call_id": call_id,
        "profile": "",
        "caller_number": "",
        "conversation": [],
        "agent": FRONT,
        "agent_turns": 0,
        "service_level": 0,
        "applied_revision": 0,
        "is_ended": False,
        "due": [],
    }


def fold(call: FollowedCall, fact: AnyFact) -> FollowedCall:
    """The call after one more fact. A repeated one changes nothing that matters."""
    match fact:
        case CallStarted():
            if call["profile"]:
                return call
            known: FollowedCall = {**call, "profile": fact.profile, "caller_number": fact.caller_number}
            return _due(known, "start", fact.fact_id, fact.fact_id)
        case CallerSaid():
            return _said(call, fact, {"kind": "caller", "id": fact.item_id, "text": fact.text, "at_ms": fact.start_ms})
        case AgentSaid():
            return _agent_said(call, fact)
        case DigitsPressed():
            return _said(call, fact, {"kind": "keys", "id": fact.fact_id, "text": fact.digits, "at_ms": fact.at_ms})
        case ToolCalled():
            return _tool_called(call, fact)
        case ToolReturned():
            return _tool_returned(call, fact)
        case TransferFailed():
            return _due(call, "transfer_failed", fact.fact_id, fact.to)
        case InstructionsApplied():
            return {**call, "applied_revision": max(call["applied_revision"], fact.revision)}
        case ServiceLevelChanged():
            return {**call, "service_level": fact.level}
        case CallEnded():
            return {**call, "is_ended": True, "due": []}
        case _:
            return call


def _due(call: FollowedCall, kind: DueKind, fact_id: str, of: str) -> FollowedCall:
    if call["is_ended"]:
        return call
    due: Due = {"kind": kind, "fact_id": fact_id, "id": of}
    return {**call, "due": [*call["due"], due]}


def _said(call: FollowedCall, fact: CallerSaid | DigitsPressed, said: Said) -> FollowedCall:
    if not said["text"].strip() or _find(call, said["kind"], said["id"]) is not None:
        return call
    heard = _with(call, said)
    kind: Literal["caller", "keys"] = "caller" if said["kind"] == "caller" else "keys"
    return _due(heard, kind, fact.fact_id, said["id"])


def _agent_said(call: FollowedCall, fact: AgentSaid) -> FollowedCall:
    """A turn that is told again, longer, replaces what was known of it: it was still playing."""
    if not fact.heard_ms or not fact.text.strip():
        return call
    said: Said = {"kind": "agent", "id": fact.item_id, "text": fact.text, "at_ms": fact.start_ms}
    known = _find(call, "agent", fact.item_id)
    if known is not None and known["text"] == _shortened(fact.text):
        return call
    heard: FollowedCall = {**_with(call, said), "agent_turns": call["agent_turns"] + (known is None)}
    return _due(heard, "agent", fact.fact_id, fact.item_id)


def _tool_called(call: FollowedCall, fact: ToolCalled) -> FollowedCall:
    known = _find(call, "tool", fact.tool_call_id)
    if known is not None and known.get("name"):
        return call
    said = known or _unknown_tool(fact.tool_call_id, fact.at_ms)
    return _with(call, {**said, "name": fact.name, "arguments": fact.arguments, "at_ms": fact.at_ms})


def _tool_returned(call: FollowedCall, fact: ToolReturned) -> FollowedCall:
    """Of several results the first counts: the tool ran once. It may come before its call: another talker wrote it."""
    known = _find(call, "tool", fact.tool_call_id) or _unknown_tool(fact.tool_call_id, fact.at_ms)
    if known.get("is_done"):
        return call
    done: Said = {**known, "text": fact.output, "is_done": True, "is_error": fact.is_error}
    return _due(_with(call, done), "tool", fact.fact_id, fact.tool_call_id)


def _unknown_tool(tool_call_id: str, at_ms: int) -> Said:
    return {
        "kind": "tool",
        "id": tool_call_id,
        "text": "",
        "at_ms": at_ms,
        "name": "",
        "arguments": "",
        "is_done": False,
        "is_error": False,
    }


def _find(call: FollowedCall, kind: str, of: str) -> Said | None:
    return next((each for each in call["conversation"] if each["kind"] == kind and each["id"] == of), None)


def _with(call: FollowedCall, said: Said) -> FollowedCall:
    short: Said = {**said, "text": _shortened(said["text"])}
    others = [each for each in call["conversation"] if (each["kind"], each["id"]) != (said["kind"], said["id"])]
    ordered = sorted((*others, short), key=lambda each: each["at_ms"])
    return {**call, "conversation": ordered[-MOST_TURNS:]}


def _shortened(text: str) -> str:
    return text[:_MOST_CHARACTERS]


def newest_of(call: FollowedCall, kinds: frozenset[str]) -> Due | None:
    """The newest of what is due, of some kinds: older ones are answered with it."""
    return next((each for each in reversed(call["due"]) if each["kind"] in kinds), None)
