"""What a session tells beside speech: the service level, the caller's choices from a menu."""

from dataclasses import replace

import pytest

from common.messages.facts import (
    CallbackWanted,
    LevelCause,
    MessageLeft,
    ServiceLevelChanged,
)
from common.profile import AgentProfile
from talker.core.beside import Beside
from talker.core.subject import Subject
from talker.core.vocabulary import AskTransfer, Command, NoteLevel, WriteFact
from talker.port import CallbackAsked, HumanWanted, LevelChanged, MessageTaken

AGENT = AgentProfile(name="desk", greeting="Hello.", instructions="Help.")
SUBJECT = Subject("call-1", 3, "m", AGENT, caller_number="+14155550100")


def facts(commands: tuple[Command, ...]) -> list[object]:
    """The facts among them, without their ids."""
    return [each.fact.model_copy(update={"fact_id": ""}) for each in commands if isinstance(each, WriteFact)]


@pytest.mark.parametrize(("level", "before", "is_fact"), [(0, 0, False), (2, 0, True), (0, 2, True), (3, 3, False)])
def test_the_level_at_the_cut_is_a_fact_if_the_call_had_another(level: int, before: int, is_fact: bool) -> None:
    begun = Beside(level, LevelCause.PROVIDER_FAILED).begin(SUBJECT, 700, before)
    changed = ServiceLevelChanged(
        call_id="call-1", fact_id="", epoch=3, at_ms=700, level=level, before=before, cause=LevelCause.PROVIDER_FAILED
    )
    assert facts(begun) == ([changed] if is_fact else [])
    assert (NoteLevel(level, LevelCause.PROVIDER_FAILED) in begun) is is_fact


def test_a_level_told_twice_changes_once() -> None:
    beside = Beside(2, LevelCause.PROVIDER_FAILED)
    down = LevelChanged(3, LevelCause.STAGES_FAILED)
    first = beside.feed(SUBJECT, 900, down)
    assert NoteLevel(3, LevelCause.STAGES_FAILED) in first
    assert beside.feed(SUBJECT, 950, down) == ()
    (up,) = facts(beside.feed(SUBJECT, 990, LevelChanged(2, LevelCause.RECOVERED)))
    assert isinstance(up, ServiceLevelChanged)
    assert (up.before, up.level, up.cause) == (3, 2, LevelCause.RECOVERED)


def test_what_the_caller_chose_is_a_fact_of_the_newest_epoch() -> None:
    beside = Beside(3, LevelCause.STAGES_FAILED)
    adopted = replace(SUBJECT, epoch=4)
    (left,) = facts(beside.feed(adopted, 5, MessageTaken("message-1", 4_200)))
    assert left == MessageLeft(
        call_id="call-1", fact_id="", epoch=4, at_ms=5, message_id="message-1", profile="desk", duration_ms=4_200
    )
    (wanted,) = facts(beside.feed(adopted, 6, CallbackAsked()))
    assert isinstance(wanted, CallbackWanted)
    assert (wanted.epoch, wanted.profile, wanted.caller_number) == (4, "desk", "+14155550100")
    assert beside.feed(adopted, 7, HumanWanted("front-desk")) == (AskTransfer("front-desk"),)
