"""The facts an edge tells of a call, and the record it leaves."""

from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from common.messages.commands import EndReason, LeftOver
from common.messages.facts import (
    AgentSaid,
    CallEnded,
    CallStarted,
    DigitsPressed,
    EpochChanged,
    LegReattached,
    LevelCause,
    ServiceLevelChanged,
    TransferBegun,
    TransferFailed,
)
from edge.call import Caller
from edge.conversation import CallMemory, failed_id
from edge.core.arbitration import CutOver, Talker

Unreached: TypeAlias = Literal["busy", "no_answer", "failed", "canceled"]
"""Why a human was not reached."""

EDGE_ALONE: Final = 4
"""The service level of a call that the edge gives back to the carrier (`design.md` section 8)."""


def wall_clock() -> str:
    """Now, for people: ISO 8601 UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def began(caller: Caller, edge_id: str, started_at: str) -> CallStarted:
    """The call is there."""
    return CallStarted(
        call_id=caller.call_id,
        leg="twilio",
        edge_id=edge_id,
        profile=caller.profile.name,
        caller_number=caller.caller,
        dialled_number=caller.dialled,
        started_at=started_at or wall_clock(),
    )


def came_back(caller: Caller, edge_id: str, at_ms: int) -> LegReattached:
    """The call goes on with another stream."""
    return LegReattached(call_id=caller.call_id, leg="twilio", edge_id=edge_id, at_ms=at_ms)


def changed_talker(call_id: str, cut: CutOver, at_ms: int) -> EpochChanged:
    """Somebody else talks from now on."""
    return EpochChanged(
        call_id=call_id,
        epoch=cut.talker.epoch,
        at_ms=at_ms,
        talker_id=cut.talker.talker_id,
        reason=cut.reason,
        realtime_session_id=cut.realtime_session_id,
        ready_after_ms=round(cut.waited_s * 1000),
    )


def pressed(call_id: str, talker: Talker | None, digit: str, at_ms: int) -> DigitsPressed:
    """The caller pressed a key. `talker`: who talks then, if anybody does."""
    return DigitsPressed(call_id=call_id, epoch=talker.epoch if talker else 0, at_ms=at_ms, digits=digit)


def left_alone(call_id: str, epoch: int, before: int, at_ms: int) -> ServiceLevelChanged:
    """No talker can be had."""
    return ServiceLevelChanged(
        call_id=call_id, epoch=epoch, at_ms=at_ms, level=EDGE_ALONE, before=before, cause=LevelCause.NO_TALKER
    )


def transfer_failed(begun: TransferBegun, why: Unreached, epoch: int, at_ms: int) -> TransferFailed:
    """The human was not reached. Whoever tells it, of one transfer it is one fact."""
    return TransferFailed(
        call_id=begun.call_id, fact_id=failed_id(begun.fact_id), epoch=epoch, at_ms=at_ms, to=begun.to, why=why
    )


def left_over(call_id: str, epoch: int, turn: LeftOver) -> AgentSaid:
    """A turn that an edge was lost in, as far as its talker thinks that it was heard."""
    end_ms = turn.start_ms + turn.heard_ms
    return AgentSaid(
        call_id=call_id,
        epoch=epoch,
        at_ms=end_ms,
        item_id=turn.item_id,
        text=turn.text,
        start_ms=turn.start_ms,
        end_ms=end_ms,
        heard_ms=turn.heard_ms,
        audio_ms=turn.audio_ms,
        is_interrupted=turn.heard_ms < turn.audio_ms,
    )


def ended(call_id: str, epoch: int, reason: EndReason, duration_ms: int) -> CallEnded:
    """The call is over."""
    return CallEnded(call_id=call_id, epoch=epoch, at_ms=duration_ms, reason=reason, duration_ms=duration_ms)


def record(started: CallStarted, memory: CallMemory, reason: EndReason, duration_ms: int) -> dict[str, Any]:
    """The call record: one per call, whatever happened to it and whoever writes it."""
    return {
        "call_id": started.call_id,
        "leg": started.leg,
        "profile": started.profile,
        "caller": started.caller_number,
        "dialled": started.dialled_number,
        "started_at": started.started_at,
        "duration_ms": duration_ms,
        "end_reason": str(reason),
        **memory.record(),
    }
