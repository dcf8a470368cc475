"""The report of one call (`call.json`), from its facts and from what the caller measured."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from common.messages.facts import AgentSaid, AnyFact, CallerSaid, EpochChanged, TransferBegun


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class SpokenTurn(_Read):
    """What the caller really said, and where speech could be heard in it."""

    text: str
    speech_start_ms: float
    speech_end_ms: float


class AudibleStretch(_Read):
    """When the agent could be heard."""

    start_ms: float
    end_ms: float


class MeasuredBargeIn(_Read):
    """The caller spoke over the agent: when, and how long the agent could still be heard."""

    onset_ms: float
    silent_after_ms: float
    cleared_after_ms: float | None = None


class DialledHuman(_Read):
    """Somebody was dialled for the caller: how that went, and what they were told alone."""

    status: str
    is_bridged: bool = False
    heard: tuple[str, ...] = ()


class CallerResult(_Read):
    """What the simulated caller measured; times count from the beginning of its media stream."""

    call_sid: str
    is_ok: bool
    failure: str | None = None
    duration_ms: float
    caller_turns: tuple[SpokenTurn, ...] = ()
    agent_audible: tuple[AudibleStretch, ...] = ()
    barge_ins: tuple[MeasuredBargeIn, ...] = ()
    dials: tuple[DialledHuman, ...] = ()


def build(result: CallerResult, facts: Sequence[AnyFact]) -> dict[str, Any]:
    """`call.json`. Turns are as the facts have them; barge-ins and latencies are as the caller heard them."""
    return {
        "call_id": result.call_sid,
        "duration_s": round(result.duration_ms / 1000, 3),
        "turns": turns(facts),
        "barge_ins": [
            {"onset_ms": round(one.onset_ms), "silent_after_ms": round(one.silent_after_ms)} for one in result.barge_ins
        ],
        "epochs": [fact.epoch for fact in facts if isinstance(fact, EpochChanged)],
        "latencies_ms": latencies_ms(result),
        "transfers": transfers(result, facts),
    }


def transfers(result: CallerResult, facts: Sequence[AnyFact]) -> list[dict[str, Any]]:
    """Who was dialled, by name, in order: whether they had the caller, and what they heard before that."""
    begun = [fact.to for fact in facts if isinstance(fact, TransferBegun)]
    return [
        {"to": to, "status": dial.status, "has_talked": dial.is_bridged, "human_heard": list(dial.heard)}
        for to, dial in zip(begun, result.dials, strict=False)
    ]


def turns(facts: Sequence[AnyFact]) -> list[dict[str, Any]]:
    """Who said what, in the order it began; of the agent, what was heard."""
    said: dict[str, Mapping[str, Any]] = {}
    for fact in facts:
        match fact:
            case CallerSaid():
                said[fact.item_id] = _turn("caller", fact, heard_ms=fact.end_ms - fact.start_ms)
            case AgentSaid() if fact.heard_ms:
                said[fact.item_id] = _turn("agent", fact, heard_ms=fact.heard_ms)
            case _:
                pass
    return [dict(turn) for turn in sorted(said.values(), key=lambda turn: int(turn["start_ms"]))]


def _turn(speaker: str, fact: CallerSaid | AgentSaid, *, heard_ms: int) -> Mapping[str, Any]:
    return {
        "speaker": speaker,
        "text": fact.text,
        "start_ms": fact.start_ms,
        "end_ms": fact.end_ms,
        "heard_ms": heard_ms,
    }


def latencies_ms(result: CallerResult) -> dict[str, Any]:
    """Setup: media stream to first agent sound. Response: the caller's last sound to the agent's first."""
    return {
        "setup": round(result.agent_audible[0].start_ms) if result.agent_audible else None,
        "response": [round(ms) for ms in responses_ms(result) if ms is not None],
        "barge_in_stop": [round(one.cleared_after_ms) for one in result.barge_ins if one.cleared_after_ms is not None],
    }


def responses_ms(result: CallerResult) -> list[float | None]:
    """For each caller turn, how long after it the agent could be heard; None if not before the next turn or the end."""
    starts = [turn.speech_start_ms for turn in result.caller_turns[1:]] + [result.duration_ms]
    waits: list[float | None] = []
    for turn, limit_ms in zip(result.caller_turns, starts, strict=True):
        heard = (one.start_ms for one in result.agent_audible if turn.speech_end_ms <= one.start_ms < limit_ms)
        first = next(heard, None)
        waits.append(None if first is None else first - turn.speech_end_ms)
    return waits
