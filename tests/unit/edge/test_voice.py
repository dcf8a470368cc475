"""The agent's voice on one leg: what it plays, what it drops, what it tells."""

from dataclasses import dataclass, field

import pytest
from prometheus_client import REGISTRY

from common import pcmu
from common.audio import Kind, RawRecord
from common.messages.commands import Clear, Heard
from common.messages.facts import AgentSaid, AnyFact, BargedIn, TurnStarted
from edge.core.clock import LegClock
from edge.voice import AgentVoice

CALL = "CA" + "1" * 32


@dataclass
class RecordingLeg:
    """A leg that writes down what it is asked for."""

    sent: list[tuple[bytes, str]] = field(default_factory=list)
    clears: int = 0

    @property
    def is_alive(self) -> bool:
        return True

    def send_audio(self, pcmu: bytes, mark: str) -> None:
        self.sent.append((pcmu, mark))

    def clear(self) -> None:
        self.clears += 1

    def close(self) -> None:
        raise AssertionError("the voice never closes the leg")


@dataclass
class Stage:
    """A voice, its leg, its time and the facts it told."""

    now: float = 100.0
    leg: RecordingLeg = field(default_factory=RecordingLeg)
    facts: list[AnyFact] = field(default_factory=list)
    sequence: int = 0

    def __post_init__(self) -> None:
        self.clock = LegClock()
        self.clock.feed(0, self.now)
        self.voice = AgentVoice(CALL, "model", self.leg, self.clock, self.facts.append)
        self.voice.new_epoch(1)

    def record(self, kind: int, payload: bytes, timestamp_ms: int = 0, epoch: int = 1) -> None:
        self.sequence += 1
        record: RawRecord = (1, epoch, self.sequence, timestamp_ms, kind, payload)
        self.voice.on_record(record)

    def say(self, item: str, ms: int, text: str = "one two three four") -> None:
        self.record(Kind.ITEM, item.encode())
        self.record(Kind.TEXT, text.encode())
        self.record(Kind.AUDIO, pcmu.silence(ms))
        self.record(Kind.ITEM_END, item.encode(), ms)

    def clear(self) -> Clear:
        return Clear(call_id=CALL, epoch=1, through_sequence=self.sequence, onset_ms=1_234)

    def said(self) -> list[AgentSaid]:
        return [fact for fact in self.facts if isinstance(fact, AgentSaid)]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()
    monkeypatch.setattr("edge.voice.time.monotonic", lambda: stage.now)
    return stage


def test_audio_goes_out_with_a_mark_and_the_returned_mark_becomes_a_fact_as_heard(stage: Stage) -> None:
    stage.say("item-1", 400)
    ((audio, mark),) = stage.leg.sent
    assert (len(audio), mark) == (3_200, "1:0:3200")
    stage.now += 0.4
    stage.voice.on_mark(mark)
    (said,) = stage.said()
    assert (said.item_id, said.text, said.heard_ms, said.audio_ms) == ("item-1", "one two three four", 400, 400)
    assert (said.start_ms, said.end_ms, said.is_interrupted) == (0, 400, False)


def test_the_first_audio_of_an_item_tells_how_long_the_caller_waited(stage: Stage) -> None:
    stage.clock.feed(5_000, stage.now)
    stage.record(Kind.ITEM, b"greeting")
    stage.record(Kind.AUDIO, pcmu.silence(20))
    stage.record(Kind.ITEM, b"answer", 4_300)
    stage.record(Kind.AUDIO, pcmu.silence(20))
    started = [fact for fact in stage.facts if isinstance(fact, TurnStarted)]
    assert [(fact.item_id, fact.response_ms) for fact in started] == [("greeting", None), ("answer", 700)]


def test_the_time_to_the_first_word_of_a_call_is_measured_once_and_at_once(stage: Stage) -> None:
    def measured() -> float:
        return REGISTRY.get_sample_value("trunkline_call_setup_seconds_count", {"carrier": "twilio"}) or 0

    before = measured()
    stage.say("greeting", 20)
    assert measured() == before + 1
    stage.say("answer", 20)
    assert measured() == before + 1


def test_a_barge_in_clears_the_carrier_and_answers_what_was_heard(stage: Stage) -> None:
    stage.say("item-1", 1_000)
    stage.now += 0.5
    assert stage.voice.on_clear(stage.clear()) == Heard(item_id="item-1", heard_ms=500, text="one two")
    assert stage.leg.clears == 1
    (said,) = stage.said()
    assert (said.text, said.is_interrupted) == ("one two", True)
    (barged,) = [fact for fact in stage.facts if isinstance(fact, BargedIn)]
    assert (barged.item_id, barged.onset_ms, barged.heard_ms, barged.at_ms) == ("item-1", 1_234, 500, 500)


def test_a_clear_asked_again_is_answered_the_same_and_done_once(stage: Stage) -> None:
    stage.say("item-1", 1_000)
    stage.now += 0.5
    clear = stage.clear()
    first = stage.voice.on_clear(clear)
    stage.now += 0.25
    assert stage.voice.on_clear(clear) == first
    assert stage.leg.clears == 1
    assert len(stage.said()) == 1


def test_a_clear_while_nothing_plays_cuts_nothing(stage: Stage) -> None:
    assert stage.voice.on_clear(stage.clear()) == Heard()
    assert stage.leg.clears == 0
    assert stage.facts == []


def test_a_barge_in_between_two_items_names_the_one_that_was_cut(stage: Stage) -> None:
    stage.say("item-1", 200)
    stage.say("item-2", 1_000)
    stage.now += 0.2
    assert stage.voice.on_clear(stage.clear()) == Heard(item_id="item-2", heard_ms=0)


def test_records_that_a_clear_made_void_are_dropped_when_they_come_later(stage: Stage) -> None:
    stage.record(Kind.ITEM, b"item-1")
    stage.record(Kind.AUDIO, pcmu.silence(20))
    void = Clear(call_id=CALL, epoch=1, through_sequence=stage.sequence + 2, onset_ms=0)
    stage.voice.on_clear(void)
    stage.record(Kind.AUDIO, pcmu.silence(20))
    stage.record(Kind.AUDIO, pcmu.silence(20))
    assert len(stage.leg.sent) == 1
    stage.record(Kind.AUDIO, pcmu.silence(20))
    assert len(stage.leg.sent) == 2


def test_a_new_epoch_counts_its_records_from_one(stage: Stage) -> None:
    stage.voice.on_clear(Clear(call_id=CALL, epoch=1, through_sequence=500, onset_ms=0))
    stage.voice.new_epoch(2)
    stage.record(Kind.AUDIO, pcmu.silence(20), epoch=2)
    assert [mark for _, mark in stage.leg.sent] == ["2:0:160"]


def test_when_the_leg_is_gone_open_turns_end_as_far_as_they_were_heard(stage: Stage) -> None:
    stage.say("item-1", 1_000)
    stage.now += 0.25
    stage.voice.finish()
    (said,) = stage.said()
    assert (said.heard_ms, said.is_interrupted) == (250, True)


def test_a_kind_of_record_this_version_does_not_know_is_dropped(stage: Stage) -> None:
    stage.record(99, b"future")
    stage.record(Kind.TEXT, b"\xff\xfe")
    stage.record(Kind.ITEM, b"\xff")
    assert stage.leg.sent == []


def test_a_record_that_comes_again_after_a_fault_of_the_bus_is_played_once(stage: Stage) -> None:
    stage.say("item-1", 200)
    again: list[RawRecord] = [(1, 1, 3, 0, Kind.AUDIO, pcmu.silence(200)), (1, 1, 1, 0, Kind.ITEM, b"item-1")]
    for record in again:
        stage.voice.on_record(record)
    assert len(stage.leg.sent) == 1
    stage.record(Kind.ITEM, b"item-2")
    stage.record(Kind.AUDIO, pcmu.silence(100))
    assert len(stage.leg.sent) == 2


def test_a_turn_whose_talker_was_lost_plays_on_and_is_told_as_unfinished(stage: Stage) -> None:
    stage.record(Kind.ITEM, b"item-1")
    stage.record(Kind.TEXT, b"one two three four")
    stage.record(Kind.AUDIO, pcmu.silence(400))
    stage.voice.new_epoch(2)
    assert stage.said() == []
    (turn,) = stage.voice.under_way(2)
    assert (turn.text, turn.start_ms, turn.end_ms, turn.is_unfinished) == ("one two three four", 0, 400, True)
    stage.now += 0.4
    stage.voice.on_mark(stage.leg.sent[0][1])
    (said,) = stage.said()
    assert (said.heard_ms, said.is_interrupted, said.is_unfinished) == (400, False, True)
    assert stage.voice.under_way(2) == ()


def test_a_turn_that_was_complete_when_its_talker_was_lost_is_only_playing_still(stage: Stage) -> None:
    stage.say("item-1", 400)
    stage.voice.new_epoch(2)
    (turn,) = stage.voice.under_way(2)
    assert not turn.is_unfinished
    assert stage.voice.under_way(1) == ()


def test_a_local_clip_is_heard_and_is_nobodys_turn(stage: Stage) -> None:
    stage.voice.play_local(pcmu.silence(300))
    assert not stage.voice.is_silent
    ((clip, mark),) = stage.leg.sent
    assert len(clip) == 2_400
    stage.voice.on_mark(mark)
    assert stage.voice.is_silent
    assert stage.facts == []


def test_a_talker_that_hears_only_now_what_was_said_before_the_clip_does_not_cut_it_off(stage: Stage) -> None:
    stage.now = 103.0
    stage.voice.play_local(pcmu.silence(300))
    assert stage.voice.on_clear(Clear(call_id=CALL, epoch=1, through_sequence=0, onset_ms=1_200)) == Heard()
    assert (stage.leg.clears, stage.voice.is_silent) == (0, False)


def test_who_speaks_over_the_clip_cuts_it_off(stage: Stage) -> None:
    stage.now = 103.0
    stage.voice.play_local(pcmu.silence(300))
    assert stage.voice.on_clear(Clear(call_id=CALL, epoch=1, through_sequence=0, onset_ms=3_100)) == Heard()
    assert (stage.leg.clears, stage.voice.is_silent) == (1, True)


def test_who_spoke_over_an_agent_before_the_clip_still_cuts_the_agent_off(stage: Stage) -> None:
    stage.say("item", 1_000)
    stage.now = 100.5
    stage.voice.play_local(pcmu.silence(300))
    stage.now = 100.6
    heard = stage.voice.on_clear(Clear(call_id=CALL, epoch=1, through_sequence=9, onset_ms=400))
    assert (heard.item_id, stage.leg.clears) == ("item", 1)


def test_a_clip_within_a_turn_does_not_count_as_heard_of_it(stage: Stage) -> None:
    stage.record(Kind.ITEM, b"item-1")
    stage.record(Kind.AUDIO, pcmu.silence(200))
    stage.now += 0.2
    stage.voice.on_mark(stage.leg.sent[-1][1])
    stage.voice.play_local(pcmu.silence(300))
    stage.now += 0.3
    stage.voice.on_mark(stage.leg.sent[-1][1])
    stage.record(Kind.AUDIO, pcmu.silence(200))
    stage.now += 0.1
    stage.voice.finish()
    (said,) = stage.said()
    assert (said.heard_ms, said.audio_ms) == (300, 400)


def test_a_turn_the_caller_cut_off_is_interrupted_and_not_for_want_of_a_talker(stage: Stage) -> None:
    stage.record(Kind.ITEM, b"item-1")
    stage.record(Kind.AUDIO, pcmu.silence(400))
    stage.now += 0.1
    stage.voice.on_clear(stage.clear())
    (said,) = stage.said()
    assert (said.is_interrupted, said.is_unfinished) == (True, False)


def test_after_a_fault_of_the_bus_what_comes_again_behind_newer_records_still_finds_its_place(stage: Stage) -> None:
    records: list[RawRecord] = [
        (1, 1, 1, 0, Kind.ITEM, b"item-1"),
        (1, 1, 2, 0, Kind.AUDIO, b"\x01" * 160),
        (1, 1, 3, 20, Kind.AUDIO, b"\x02" * 160),
        (1, 1, 4, 40, Kind.AUDIO, b"\x03" * 160),
    ]
    for record in records[:2]:
        stage.voice.on_record(record)
    stage.voice.hold_back()
    for record in (records[3], *records):
        stage.voice.on_record(record)
    assert len(stage.leg.sent) == 1
    stage.voice.let_go()
    assert b"".join(audio for audio, _ in stage.leg.sent) == b"\x01" * 160 + b"\x02" * 160 + b"\x03" * 160
    stage.record(Kind.AUDIO, b"\x04" * 160)


def test_what_was_held_back_of_a_talker_that_was_replaced_is_not_heard(stage: Stage) -> None:
    stage.voice.hold_back()
    stage.record(Kind.AUDIO, pcmu.silence(20))
    stage.voice.new_epoch(2)
    stage.voice.let_go()
    assert stage.leg.sent == []
