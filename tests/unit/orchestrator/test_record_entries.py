"""What a fact means for the records: every kind of fact, every column that exists, and nothing else."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from common.agents import ToolGrant
from common.errors import RemoteProtocolError
from common.messages import facts
from common.messages.breaker import BreakerMode, BreakerStanding, BreakerState
from common.messages.commands import EndReason
from common.messages.facts import FLEET, AnyFact, LevelCause
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from orchestrator.core.record_entries import entries_of, entries_of_instructions
from orchestrator.core.record_vocabulary import Claim, Entry, Fill, Group, Row, Stamp
from orchestrator.records import price_file
from orchestrator.records.tables import Call
from orchestrator.stores.base import Base

STAMP = Stamp(7, datetime(2026, 11, 30, 12, tzinfo=UTC))
PRICES = price_file.load(None)
CALL = "CA1"
STANDING = BreakerStanding(provider="openai", model="m", state=BreakerState.OPEN, mode=BreakerMode.AUTO, share=0)


def of(kind: type[Any], **fields: Any) -> AnyFact:
    fact: AnyFact = kind(**{"call_id": CALL, "fact_id": "fact-1", "epoch": 2, "at_ms": 900, **fields})
    return fact


EVERY: tuple[AnyFact, ...] = (
    of(facts.CallStarted, leg="twilio", edge_id="e", profile="desk", started_at="2026-11-30T12:00:00+00:00"),
    of(facts.EpochChanged, talker_id="t", reason=HandoverReason.TALKER_LOST, realtime_session_id="s", ready_after_ms=3),
    of(facts.TurnStarted, speaker="agent", item_id="i", response_ms=800),
    of(facts.TurnEnded, item_id="i", end_ms=5),
    of(facts.CallerSaid, item_id="i", text="hello", start_ms=1, end_ms=2),
    of(facts.AgentSaid, item_id="i", text="hi", start_ms=1, end_ms=2, heard_ms=1, audio_ms=1),
    of(facts.BargedIn, item_id="i", onset_ms=1, heard_ms=1),
    of(facts.DigitsPressed, digits="42"),
    of(facts.ToolCalled, item_id="i", tool_call_id="c", name="get_task", arguments="{}"),
    of(facts.ToolReturned, tool_call_id="c", output="{}"),
    of(facts.InstructionsApplied, revision=3, agent="billing"),
    of(facts.AgentChanged, agent="billing", before="front", revision=3, answers="fact-0"),
    of(facts.RuleBroken, rule="forbidden:1", revision=3, answers="fact-0"),
    of(facts.TransferBegun, to="desk"),
    of(facts.TransferFailed, to="desk", why="busy"),
    of(facts.LegReattached, leg="twilio", edge_id="e"),
    of(facts.ConversationTrimmed, omitted_turns=1, kept_turns=2),
    of(facts.UsageReported, response_id="r", model="gpt-realtime-2.1", input_text_tokens=10),
    of(facts.CallbackWanted, profile="desk", caller_number="+15550100123"),
    of(facts.ServiceLevelChanged, level=2, before=0, cause=LevelCause.PROVIDER_FAILED),
    of(facts.MessageLeft, message_id="message-1", profile="desk", duration_ms=5),
    of(facts.FlagChanged, call_id=FLEET, name="realtime.enabled", value="false", changed_at="now"),
    of(facts.CallEnded, reason=EndReason.CALLER_HANGUP, duration_ms=5),
    of(facts.BreakerChanged, call_id=FLEET, standing=STANDING),
)


def entries(fact: AnyFact) -> tuple[Entry, ...]:
    return entries_of(fact, STAMP, PRICES)


def the(fact: AnyFact, table: str) -> dict[str, Any]:
    """What a fact writes into one table."""
    (only,) = [entry for entry in entries(fact) if entry.table == table and not isinstance(entry, Fill)]
    return dict(only.values)


def test_the_examples_are_every_kind_there_is() -> None:
    assert {type(fact) for fact in EVERY} == set(get_args(AnyFact))


@pytest.mark.parametrize("fact", EVERY, ids=lambda fact: fact.type)
def test_a_fact_writes_columns_that_exist_and_leaves_out_none_that_must_be_there(fact: AnyFact) -> None:
    for entry in entries(fact):
        columns = Base.metadata.tables[entry.table].columns
        assert set(entry.values) <= set(columns.keys())
        match entry:
            case Row():
                missing = {name for name, column in columns.items() if not column.nullable} - set(entry.values)
                assert not missing
            case Claim(group=group, key=key):
                assert f"{group}_sequence" in columns
                assert set(key) == {column.name for column in Base.metadata.tables[entry.table].primary_key}
            case Fill(key=key):
                assert set(key) == {column.name for column in Base.metadata.tables[entry.table].primary_key}


@pytest.mark.parametrize("fact", EVERY, ids=lambda fact: fact.type)
def test_every_kind_of_fact_but_one_is_recorded(fact: AnyFact) -> None:
    assert bool(entries(fact)) != isinstance(fact, facts.TurnEnded), "the turn's words come with their own times"


def test_every_group_has_its_guard_in_some_table() -> None:
    guards = {name for table in Base.metadata.tables.values() for name in set(table.columns.keys())}
    assert {f"{group}_sequence" for group in get_args(Group)} <= guards


def test_numbers_are_kept_in_one_form() -> None:
    start = of(
        facts.CallStarted,
        leg="twilio",
        edge_id="e",
        profile="desk",
        caller_number="+1 (555) 010-0123",
        dialled_number="anonymous",
        started_at="2026-11-30T13:00:00+01:00",
    )
    written = the(start, "calls")
    assert (written["caller_number"], written["dialled_number"]) == ("+15550100123", "anonymous")
    assert written["started_at"] == STAMP.at


@pytest.mark.parametrize("moment", ["", "yesterday", "2026-11-30T12:00:00", "0001-01-01T00:00:00+23:00", "9" * 400])
def test_a_start_nobody_can_read_is_no_start(moment: str) -> None:
    assert (
        the(of(facts.CallStarted, leg="sip", edge_id="e", profile="p", started_at=moment), "calls")["started_at"]
        is None
    )


def test_a_transfer_is_noted_by_name_until_it_fails() -> None:
    assert claimed(of(facts.TransferBegun, to="desk")) == {"transferred_to": "desk"}
    assert claimed(of(facts.TransferFailed, to="desk", why="busy")) == {"transferred_to": None}


def claimed(fact: AnyFact) -> dict[str, Any]:
    return the(fact, "calls")


def test_a_planned_change_of_talker_is_no_fallback_event() -> None:
    planned = of(
        facts.EpochChanged, talker_id="t", reason=HandoverReason.DRAIN, realtime_session_id="s", ready_after_ms=3
    )
    assert [entry.table for entry in entries(planned)] == ["sessions"]


@pytest.mark.parametrize(
    "wrong",
    [
        of(facts.TurnEnded, call_id="two words", item_id="i", end_ms=5),
        of(facts.TurnEnded, call_id="", item_id="i", end_ms=5),
        of(facts.TurnEnded, call_id=FLEET, item_id="i", end_ms=5),
        of(facts.TurnEnded, fact_id="f" * 300, item_id="i", end_ms=5),
        of(facts.TurnEnded, fact_id="it's", item_id="i", end_ms=5),
        of(facts.BreakerChanged, standing=STANDING),
        of(facts.ToolReturned, tool_call_id="", output=""),
        of(facts.ToolReturned, tool_call_id="c" * 201, output=""),
    ],
)
def test_ids_that_cannot_be_keys_are_refused(wrong: AnyFact) -> None:
    with pytest.raises(RemoteProtocolError, match="malformed message: "):
        entries(wrong)


def test_a_fact_without_an_id_of_its_own_is_refused() -> None:
    """It would be given a new one at each delivery, and be written each time."""
    given = TypeAdapter(facts.TurnEnded).validate_python({"call_id": CALL, "item_id": "i", "end_ms": 1})
    with pytest.raises(RemoteProtocolError, match="fact_id"):
        entries(given)


def test_a_revision_is_kept_as_the_talker_is_told_it() -> None:
    told = Instructions(call_id=CALL, revision=3, instructions="Be kind.", tools=(ToolGrant(name="get_task"),))
    (only,) = entries_of_instructions(told, 11)
    assert isinstance(only, Claim)
    assert (only.key, only.group, only.sequence) == ({"call_id": CALL, "revision": 3}, "told", 11)
    assert (only.values["instructions"], only.values["tools"]) == ("Be kind.", "get_task")
    assert set(only.values) <= set(Base.metadata.tables[only.table].columns.keys())


def test_the_call_itself_is_one_table() -> None:
    assert Call.__tablename__ == "calls"
