"""A call's past, put together from several accounts."""

from itertools import permutations

import pytest

from common.messages.commands import EndReason
from common.messages.facts import AgentSaid, AnyFact, CallEnded, CallerSaid, CallStarted, EpochChanged, TurnEnded
from common.messages.offers import HandoverReason
from edge.core.arbitration import Talker
from edge.core.past import Past


def started() -> CallStarted:
    return CallStarted(call_id="CA1", leg="twilio", edge_id="edge-1", profile="desk", started_at="2026-11-20T00:00:00Z")


def epoch(number: int, talker_id: str) -> EpochChanged:
    return EpochChanged(
        call_id="CA1",
        epoch=number,
        at_ms=number * 100,
        talker_id=talker_id,
        reason=HandoverReason.START,
        realtime_session_id="sess",
        ready_after_ms=1,
    )


def test_of_a_new_call_nothing_is_known() -> None:
    past = Past()
    assert not past.is_known
    assert (past.last_epoch, past.talker, past.clock_ms, past.started_at) == (0, None, 0, "")


def test_whoever_tells_first_the_highest_epoch_names_the_talker() -> None:
    for order in permutations([(1, "a"), (3, "c"), (2, "b")]):
        past = Past()
        for number, talker_id in order:
            past.noted(number, talker_id)
        assert (past.last_epoch, past.talker) == (3, Talker("c", 3))


def test_an_epoch_without_a_talker_still_counts() -> None:
    past = Past()
    past.noted(2, "a")
    past.noted(5, "")
    assert (past.last_epoch, past.talker) == (5, Talker("a", 2))


def test_facts_tell_of_talkers_and_of_the_time() -> None:
    past = Past()
    past.add(
        [
            started(),
            epoch(1, "a"),
            CallerSaid(call_id="CA1", at_ms=900, item_id="i1", text="Hi", start_ms=400, end_ms=1_200),
            epoch(2, "b"),
        ]
    )
    assert past.is_known
    assert (past.last_epoch, past.talker, past.clock_ms) == (2, Talker("b", 2), 1_200)
    assert past.started_at == "2026-11-20T00:00:00Z"
    assert [turn.text for turn in past.memory.conversation.turns] == ["Hi"]


@pytest.mark.parametrize(
    "fact",
    [
        AgentSaid(call_id="CA1", item_id="i", text="", start_ms=0, end_ms=700, heard_ms=1, audio_ms=1),
        TurnEnded(call_id="CA1", item_id="i", end_ms=700),
        CallEnded(call_id="CA1", at_ms=700, reason=EndReason.LEG_LOST, duration_ms=1),
    ],
)
def test_the_latest_moment_of_any_fact_is_where_the_call_goes_on(fact: AnyFact) -> None:
    past = Past()
    past.add([fact])
    assert past.clock_ms == 700


def test_it_is_sure_once_a_living_process_confirms_what_all_facts_tell() -> None:
    past = Past()
    past.noted(1, "a")
    past.add([started(), epoch(1, "a"), epoch(2, "b")])
    past.has_everything = True
    assert not past.is_sure
    past.told(1, "a")
    assert not past.is_sure
    past.told(2, "b")
    assert past.is_sure


def test_it_is_not_sure_while_nobody_confirms_the_last_fact_or_somebody_tells_of_more_than_the_facts() -> None:
    past = Past()
    past.has_everything = True
    past.add([epoch(1, "a")])
    past.told(1, "a")
    assert past.is_sure
    past.add([epoch(2, "b")])
    assert not past.is_sure
    past.told(3, "c")
    assert not past.is_sure
    past.told(2, "b")
    assert not past.is_sure
    assert past.talker == Talker("c", 3)


def test_without_all_facts_it_is_never_sure() -> None:
    past = Past()
    past.add([epoch(1, "a")])
    past.told(1, "a")
    assert not past.is_sure
