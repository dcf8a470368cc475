"""A call as a list of lines, one for each thing that happened, from its facts and from the caller's own events."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, assert_never

from common.messages import facts
from common.messages.facts import AnyFact

_STREAM_CLOSED: Final = 31921
"""Twilio notes it whenever our side closes a stream, on purpose or not."""


class Actor(StrEnum):
    """Whom a line is about."""

    CALL = "call"
    CALLER = "caller"
    AGENT = "agent"
    BARGE_IN = "barge-in"
    EPOCH = "epoch"
    HUMAN = "human"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, `at_ms` after the caller's audio began."""

    at_ms: int
    actor: Actor
    text: str


def line_of_fact(fact: AnyFact) -> Line | None:
    """What a fact says, or None if it says nothing a listener wants to know."""
    match fact:
        case facts.CallStarted():
            return Line(fact.at_ms, Actor.CALL, f"answered by {fact.profile} on {fact.edge_id}")
        case facts.EpochChanged():
            why = str(fact.reason).replace("_", " ")
            text = f"{fact.epoch} ({why}): {fact.talker_id} talks, ready after {fact.ready_after_ms} ms"
            return Line(fact.at_ms, Actor.EPOCH, text)
        case facts.TurnStarted():
            return _turn_started(fact)
        case facts.CallerSaid():
            return Line(fact.end_ms, Actor.CALLER, f"“{fact.text}”" if fact.text else "said something nobody made out")
        case facts.AgentSaid():
            return _agent_said(fact)
        case facts.BargedIn():
            return Line(fact.onset_ms, Actor.BARGE_IN, f"the caller speaks over the agent, {_s(fact.heard_ms)} into it")
        case facts.DigitsPressed():
            return Line(fact.at_ms, Actor.CALLER, "pressed a key")
        case facts.ToolCalled():
            return Line(fact.at_ms, Actor.AGENT, f"asks for the tool {fact.name}")
        case facts.AgentChanged():
            return Line(fact.at_ms, Actor.AGENT, f"{fact.agent} takes over from {fact.before}")
        case facts.RuleBroken():
            return Line(fact.at_ms, Actor.TROUBLE, f"the agent broke a rule ({fact.rule}) and is corrected")
        case facts.TransferBegun():
            return Line(fact.at_ms, Actor.CALL, f"the carrier dials {fact.to} for the caller")
        case facts.TransferFailed():
            why = fact.why.replace("_", " ")
            return Line(fact.at_ms, Actor.TROUBLE, f"{fact.to} could not be reached ({why}): the caller is back")
        case facts.LegReattached():
            return Line(fact.at_ms, Actor.CALL, f"the carrier came back: {fact.edge_id} goes on with the call")
        case facts.CallbackWanted():
            return Line(fact.at_ms, Actor.TROUBLE, "nobody could talk: the caller is to be called back")
        case facts.ServiceLevelChanged():
            why = str(fact.cause).replace("_", " ")
            return Line(fact.at_ms, Actor.EPOCH, f"service level L{fact.level} after L{fact.before} ({why})")
        case facts.MessageLeft():
            return Line(fact.at_ms, Actor.CALLER, f"left a message of {_s(fact.duration_ms)}")
        case facts.ConversationTrimmed():
            text = f"too long for a new session: the oldest {fact.omitted_turns} turns were left out"
            return Line(fact.at_ms, Actor.TROUBLE, text)
        case facts.TurnEnded() | facts.ToolReturned() | facts.UsageReported() | facts.InstructionsApplied():
            return None
        case facts.BreakerChanged() | facts.FlagChanged():
            return None
        case facts.CallEnded():
            why = str(fact.reason).replace("_", " ")
            return Line(fact.duration_ms, Actor.CALL, f"ended ({why}) after {_s(fact.duration_ms)}")
        case _:
            assert_never(fact)


def _turn_started(fact: facts.TurnStarted) -> Line:
    if fact.speaker == "caller":
        return Line(fact.at_ms, Actor.CALLER, "begins to speak")
    if fact.response_ms is None:
        return Line(fact.at_ms, Actor.AGENT, "begins to speak")
    return Line(fact.at_ms, Actor.AGENT, f"answers {fact.response_ms} ms after the caller's last word")


def _agent_said(fact: facts.AgentSaid) -> Line:
    if fact.is_unfinished:
        return Line(fact.end_ms, Actor.AGENT, f"“{fact.text} …” broke off: its talker was lost")
    if not fact.is_interrupted:
        return Line(fact.end_ms, Actor.AGENT, f"“{fact.text}”")
    if not fact.heard_ms:
        return Line(fact.end_ms, Actor.AGENT, f"{_s(fact.audio_ms)} of speech were never heard")
    text = f"“{fact.text} …” cut off: {_s(fact.heard_ms)} of {_s(fact.audio_ms)} heard"
    return Line(fact.end_ms, Actor.AGENT, text)


def line_of_caller_event(event: Mapping[str, Any]) -> Line | None:
    """What the caller's telephone noticed, or None if the facts tell it better."""
    at_ms = round(event.get("t_ms") or 0)
    match event.get("event"):
        case "twiml_received":
            verbs = ", ".join(event.get("verbs", ()))
            return Line(at_ms, Actor.CALL, f"webhook answered in {event.get('took_ms', 0):.0f} ms: {verbs}")
        case "stream_started":
            return Line(at_ms, Actor.CALL, "media stream is up")
        case "clear":
            text = f"the carrier threw away {_s(event.get('dropped_ms', 0))} of unheard agent audio"
            return Line(at_ms, Actor.BARGE_IN, text)
        case "said":
            return Line(at_ms, Actor.AGENT, f"(the carrier's voice) “{event.get('text', '')}”")
        case "human_heard":
            return Line(at_ms, Actor.HUMAN, f"hears, before the caller is there: “{event.get('text', '')}”")
        case "dialled":
            how = "talks with the caller" if event.get("bridged") else f"was not reached ({event.get('status', '?')})"
            return Line(at_ms, Actor.HUMAN, how)
        case "hang_up":
            return Line(at_ms, Actor.CALL, f"hung up by {str(event.get('by', '?')).replace('_', ' ')}")
        case "notice" if event.get("code") == _STREAM_CLOSED:
            return Line(at_ms, Actor.CALL, "the edge closed the media stream")
        case "stream_refused" | "notice":
            return Line(at_ms, Actor.TROUBLE, str(event.get("text", "")))
        case _:
            return None


def _s(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.1f} s"
