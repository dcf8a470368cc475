"""What a fact means for the records: which rows it makes, and which columns of others it fills."""

import re
from datetime import UTC, datetime
from typing import Final, assert_never

from common import ids
from common.errors import RemoteProtocolError
from common.messages import facts
from common.messages.facts import FLEET, AnyFact
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from orchestrator.core.cost import PriceTable
from orchestrator.core.phone_numbers import normalised
from orchestrator.core.record_talk import tool_called, tool_key, turn, turn_started, usage
from orchestrator.core.record_vocabulary import Claim, Entry, Fill, Row, Stamp, Value, claim, row

_FAILURES: Final = frozenset(
    {HandoverReason.TALKER_LOST, HandoverReason.UPSTREAM_FAILED, HandoverReason.BREAKER_CLOSED}
)
"""Reasons for another talker that a failure is behind; the others are plans."""
_FACT_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")
_KEY_AT_MOST: Final = 200


def entries_of(fact: AnyFact, stamp: Stamp, prices: PriceTable) -> tuple[Entry, ...]:
    """What to write for `fact`. Raises `RemoteProtocolError` if it cannot be kept: its ids are none."""
    _check(fact)
    match fact:
        case facts.CallStarted():
            return (claim(fact, stamp, "start", _start(fact)),)
        case facts.CallEnded():
            ended: dict[str, Value] = {
                "ended_at": stamp.at,
                "end_reason": str(fact.reason),
                "duration_ms": fact.duration_ms,
            }
            return (claim(fact, stamp, "end", ended),)
        case facts.EpochChanged():
            return _epoch_changed(fact, stamp)
        case facts.CallerSaid() | facts.AgentSaid() | facts.DigitsPressed():
            return (row("turns", fact, stamp, **turn(fact)),)
        case facts.TurnStarted():
            return turn_started(fact, stamp)
        case facts.BargedIn():
            heard: dict[str, Value] = {"item_id": fact.item_id, "onset_ms": fact.onset_ms, "heard_ms": fact.heard_ms}
            return (row("barge_ins", fact, stamp, **heard),)
        case facts.ToolCalled():
            return (tool_called(fact, stamp),)
        case facts.ToolReturned():
            returned: dict[str, Value] = {
                "output": fact.output,
                "is_error": fact.is_error,
                "returned_at_ms": fact.at_ms,
            }
            return (Claim("tool_calls", tool_key(fact), "returned", stamp.sequence, returned),)
        case facts.AgentChanged():
            return _agent_changed(fact, stamp)
        case facts.InstructionsApplied():
            return _applied(fact, stamp)
        case facts.UsageReported():
            return (row("usage", fact, stamp, **usage(fact, prices)),)
        case facts.ServiceLevelChanged() | facts.MessageLeft() | facts.CallbackWanted() | facts.TransferFailed():
            return _fallback(fact, stamp)
        case facts.TransferBegun():
            return (_incident(fact, stamp), claim(fact, stamp, "transfer", {"transferred_to": fact.to}))
        case facts.RuleBroken() | facts.LegReattached() | facts.ConversationTrimmed():
            return (_incident(fact, stamp),)
        case facts.FlagChanged() | facts.BreakerChanged():
            return (_of_the_fleet(fact, stamp),)
        case facts.TurnEnded():
            return ()
        case _:
            assert_never(fact)


def entries_of_instructions(told: Instructions, sequence: int) -> tuple[Entry, ...]:
    """What to write for a revision as the talker is told it. `sequence`: its place in the stream of instructions."""
    if not ids.is_subject_token(told.call_id):
        raise RemoteProtocolError("instructions of no call")
    key: dict[str, Value] = {"call_id": told.call_id, "revision": told.revision}
    values: dict[str, Value] = {
        "instructions": told.instructions,
        "tools": "\n".join(tool.name for tool in told.tools),
        "urgency": told.urgency,
        "answers": told.answers or None,
    }
    filled = (Fill("instruction_revisions", key, {"agent": told.agent}),) if told.agent else ()
    return (Claim("instruction_revisions", key, "told", sequence, values), *filled)


def _check(fact: AnyFact) -> None:
    """Ids become keys: what cannot be one is not ours. A fact without an id would be written anew at each delivery."""
    if not ids.is_subject_token(fact.call_id):
        raise RemoteProtocolError("malformed message: call_id")
    if "fact_id" not in fact.model_fields_set or not _FACT_ID.fullmatch(fact.fact_id):
        raise RemoteProtocolError("malformed message: fact_id")
    if isinstance(fact, facts.ToolCalled | facts.ToolReturned) and not 0 < len(fact.tool_call_id) <= _KEY_AT_MOST:
        raise RemoteProtocolError("malformed message: tool_call_id")
    if (fact.call_id == FLEET) != isinstance(fact, facts.FlagChanged | facts.BreakerChanged):
        raise RemoteProtocolError("malformed message: call_id")


def _start(fact: facts.CallStarted) -> dict[str, Value]:
    return {
        "profile": fact.profile,
        "leg": fact.leg,
        "caller_number": normalised(fact.caller_number),
        "dialled_number": normalised(fact.dialled_number),
        "started_at": _moment(fact.started_at),
    }


def _moment(text: str) -> datetime | None:
    """The wall clock as the edge wrote it; None if it is none, or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _epoch_changed(fact: facts.EpochChanged, stamp: Stamp) -> tuple[Entry, ...]:
    session = row(
        "sessions",
        fact,
        stamp,
        talker_id=fact.talker_id,
        reason=str(fact.reason),
        realtime_session_id=fact.realtime_session_id,
        ready_after_ms=fact.ready_after_ms,
    )
    if fact.reason not in _FAILURES:
        return (session,)
    return (session, row("fallback_events", fact, stamp, kind="handover", cause=str(fact.reason)))


def _agent_changed(fact: facts.AgentChanged, stamp: Stamp) -> tuple[Entry, ...]:
    key: dict[str, Value] = {"call_id": fact.call_id, "revision": fact.revision}
    return (
        claim(fact, stamp, "agent", {"agent": fact.agent}),
        Claim("instruction_revisions", key, "changed", stamp.sequence, {"agent_before": fact.before}),
        Fill("instruction_revisions", key, {"agent": fact.agent}),
    )


def _applied(fact: facts.InstructionsApplied, stamp: Stamp) -> tuple[Entry, ...]:
    key: dict[str, Value] = {"call_id": fact.call_id, "revision": fact.revision}
    values: dict[str, Value] = {"applied_epoch": fact.epoch, "applied_at_ms": fact.at_ms}
    filled = (Fill("instruction_revisions", key, {"agent": fact.agent}),) if fact.agent else ()
    return (Claim("instruction_revisions", key, "applied", stamp.sequence, values), *filled)


def _fallback(
    fact: facts.ServiceLevelChanged | facts.MessageLeft | facts.CallbackWanted | facts.TransferFailed, stamp: Stamp
) -> tuple[Entry, ...]:
    match fact:
        case facts.ServiceLevelChanged():
            levels: dict[str, Value] = {"level_before": fact.before, "level_after": fact.level}
            event = row("fallback_events", fact, stamp, kind="level", cause=str(fact.cause), **levels)
            return (event, claim(fact, stamp, "level", {"service_level": fact.level}))
        case facts.MessageLeft():
            left: dict[str, Value] = {"message_id": fact.message_id, "duration_ms": fact.duration_ms}
            return (row("fallback_events", fact, stamp, kind="message_left", **left),)
        case facts.CallbackWanted():
            known = {"profile": fact.profile or None, "caller_number": normalised(fact.caller_number)}
            event = row("fallback_events", fact, stamp, kind="callback_wanted")
            return (event, Fill("calls", {"call_id": fact.call_id}, known))
        case facts.TransferFailed():
            event = row("fallback_events", fact, stamp, kind="transfer_failed", cause=fact.why)
            return (event, claim(fact, stamp, "transfer", {"transferred_to": None}))
        case _:
            assert_never(fact)


def _incident(
    fact: facts.TransferBegun | facts.RuleBroken | facts.LegReattached | facts.ConversationTrimmed, stamp: Stamp
) -> Row:
    match fact:
        case facts.TransferBegun():
            detail = fact.to
        case facts.RuleBroken():
            detail = f"{fact.rule}, corrected by revision {fact.revision}"
        case facts.LegReattached():
            detail = f"{fact.leg} at {fact.edge_id}"
        case facts.ConversationTrimmed():
            detail = f"{fact.omitted_turns} turns left out, {fact.kept_turns} kept"
        case _:
            assert_never(fact)
    return row("incidents", fact, stamp, kind=fact.type, detail=detail)


def _of_the_fleet(fact: facts.FlagChanged | facts.BreakerChanged, stamp: Stamp) -> Row:
    head: dict[str, Value] = {"fact_id": fact.fact_id, "sequence": stamp.sequence, "seen_at": stamp.at}
    match fact:
        case facts.FlagChanged():
            flag = {"name": fact.name, "value": fact.value, "before": fact.before, "changed_at": fact.changed_at}
            return Row("flags_audit", {**head, **flag})
        case facts.BreakerChanged():
            standing = fact.standing
            breaker: dict[str, Value] = {
                "provider": standing.provider,
                "model": standing.model,
                "state": str(standing.state),
                "mode": str(standing.mode),
                "reason": str(standing.reason) if standing.reason else None,
                "share_percent": round(standing.share * 100),
            }
            return Row("breaker_events", {**head, **breaker})
        case _:
            assert_never(fact)
