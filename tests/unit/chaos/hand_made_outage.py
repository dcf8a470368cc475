"""An outage made by hand: one call that went from realtime to turn-based and back, as told on the bus."""

from collections.abc import Sequence
from dataclasses import replace

from chaos.evidence import Chat, Evidence, Placed, Struck
from chaos.recorded import HeardRun
from chaos.told import Said, Told
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerStandings, BreakerState
from common.messages.facts import (
    FLEET,
    AgentSaid,
    AnyFact,
    BreakerChanged,
    CallerSaid,
    CallStarted,
    EpochChanged,
    LevelCause,
    ServiceLevelChanged,
    TurnEnded,
    TurnStarted,
)
from common.messages.offers import HandoverReason
from unit.chaos.hand_made import call, heard, seeded, session

STRUCK = Struck(15.0, 30.0)
GREETING, QUESTION, ANSWER, AGAIN, SECOND = "Hello.", "What time is it?", "It is noon.", "And now?", "Still noon."
CAME_BY = {0: HandoverReason.BREAKER_CLOSED, 2: HandoverReason.UPSTREAM_FAILED, 3: HandoverReason.UPSTREAM_FAILED}


def started(call_id: str = "CA1") -> CallStarted:
    return CallStarted(
        call_id=call_id, leg="twilio", edge_id="edge-1", profile="desk", started_at="2030-01-01T00:00:00Z"
    )


def epoch(
    number: int,
    at_ms: int,
    talker: str = "worker-a",
    reason: HandoverReason = HandoverReason.START,
    session_id: str = "sess_1",
    call_id: str = "CA1",
) -> EpochChanged:
    return EpochChanged(
        call_id=call_id,
        epoch=number,
        at_ms=at_ms,
        talker_id=talker,
        reason=reason,
        realtime_session_id=session_id,
        ready_after_ms=5,
    )


def level(number: int, before: int, epoch_number: int, at_ms: int, cause: LevelCause) -> ServiceLevelChanged:
    return ServiceLevelChanged(call_id="CA1", epoch=epoch_number, at_ms=at_ms, level=number, before=before, cause=cause)


def asked(text: str, epoch_number: int, end_ms: int) -> list[AnyFact]:
    """A caller's turn of two seconds."""
    item = f"turn-{end_ms}"
    return [
        TurnEnded(call_id="CA1", epoch=epoch_number, at_ms=end_ms, item_id=item, end_ms=end_ms),
        CallerSaid(
            call_id="CA1",
            epoch=epoch_number,
            at_ms=end_ms,
            item_id=item,
            text=text,
            start_ms=end_ms - 2000,
            end_ms=end_ms,
        ),
    ]


def said(text: str, epoch_number: int, at_ms: int, *, item: str = "item", heard_ms: int = 2000) -> list[AnyFact]:
    """An agent's turn of two seconds."""
    item_id = f"{item}-{at_ms}"
    return [
        TurnStarted(call_id="CA1", epoch=epoch_number, at_ms=at_ms, speaker="agent", item_id=item_id, response_ms=800),
        AgentSaid(
            call_id="CA1",
            epoch=epoch_number,
            at_ms=at_ms + heard_ms,
            item_id=item_id,
            text=text,
            start_ms=at_ms,
            end_ms=at_ms + heard_ms,
            heard_ms=heard_ms,
            audio_ms=2000,
        ),
    ]


def in_realtime() -> list[AnyFact]:
    """Until the outage: a greeting, a question, its answer."""
    return [started(), epoch(1, 10), *said(GREETING, 1, 500), *asked(QUESTION, 1, 8000), *said(ANSWER, 1, 8800)]


def turn_based() -> list[AnyFact]:
    """Then somebody else answers the next question."""
    return [
        epoch(2, 16_000, "fallback-a", CAME_BY[2], "attended-1"),
        level(2, 0, 2, 16_000, LevelCause.PROVIDER_FAILED),
        *asked(AGAIN, 2, 20_000),
        *said(SECOND, 2, 21_500),
    ]


def back_home() -> list[AnyFact]:
    """And the call comes back."""
    return [
        epoch(3, 45_000, "worker-b", CAME_BY[0], "sess_3"),
        level(0, 2, 3, 45_000, LevelCause.RECOVERED),
        *asked(AGAIN, 3, 50_000),
        *said("Half past.", 3, 50_800),
    ]


def breaker(state: BreakerState) -> BreakerChanged:
    return BreakerChanged(call_id=FLEET, standing=standing(state))


def standing(state: BreakerState) -> BreakerStanding:
    share = float(state is BreakerState.CLOSED)
    return BreakerStanding(provider="openai", model="realtime", state=state, mode=BreakerMode.AUTO, share=share)


def heard_standing(at_s: float, state: BreakerState, replica: str = "fallback-a") -> Said:
    return Said(at_s, BreakerStandings(replica_id=replica, standings=(standing(state),)))


def told(facts: Sequence[AnyFact], standings: Sequence[Said] = ()) -> Told:
    made = Told(standings=list(standings))
    for fact in facts:
        made.facts.setdefault(fact.call_id, []).append(fact)
    return made


def placed(call_id: str = "CA1", runs: Sequence[HeardRun] = (), number: int = 1, failure: str | None = None) -> Placed:
    return Placed(call_id, replace(call(runs, failure=failure), number=number))


def evidence(facts: Sequence[AnyFact], calls: Sequence[Placed] = (), standings: Sequence[Said] = ()) -> Evidence:
    """With the two sessions of the call, and the chat at which its question was answered turn-based."""
    knows = [("assistant", GREETING), ("user", QUESTION), ("assistant", ANSWER), ("user", AGAIN), ("assistant", SECOND)]
    back = session(3, items=[seeded(role, text) for role, text in knows])
    return Evidence(
        told(facts, standings),
        STRUCK,
        tuple(calls or [placed(runs=[heard(0.5, 1), heard(21.5, 900), heard(50.8, 3)])]),
        sessions={"sess_1": session(1), "sess_3": back},
        chats=(Chat(20.6, ("instructions", GREETING, QUESTION, ANSWER, AGAIN)),),
    )


def good() -> Evidence:
    """Everything as it should be."""
    opened = [breaker(BreakerState.OPEN), breaker(BreakerState.HALF_OPEN), breaker(BreakerState.CLOSED)]
    return evidence([*in_realtime(), *turn_based(), *back_home(), *opened])
