"""The conversation of one call with its speech session, event by event."""

import pytest

from common.audio import Kind
from common.messages.facts import CallerSaid, TurnEnded, TurnStarted, UsageReported
from common.messages.offers import HandoverReason
from talker import port
from talker.core.floor import Floor
from talker.core.vocabulary import (
    AskHandover,
    AskStanding,
    CarrierCleared,
    ClearCarrier,
    ClearLost,
    Command,
    CountProviderError,
    CountTruncateError,
    End,
    LetAudioThrough,
    ReportResponse,
    SendRecord,
    StandingTold,
    Tick,
)
from talker.port import DeleteItem, ProviderError, Respond, Severity, Truncate
from unit.realtime_worker.rig import (
    GREETING,
    NEW,
    NO_CREDIT,
    OUTAGE,
    SECOND_OF_AUDIO,
    STOPPED,
    Call,
    about,
    asking,
    talking,
)

# --- the agent speaks -----------------------------------------------------------------------------------------------


def test_the_opening_is_asked_for_when_we_become_the_talker() -> None:
    call = Call()
    assert call.feed(NEW) == [GREETING, LetAudioThrough(0)]
    assert call.feed(NEW) == []


def test_an_item_is_announced_once_then_its_audio_and_words_and_its_end() -> None:
    call = Call()
    call.feed(
        port.ResponseStarted("r1"),
        port.AgentText("r1", "a1", "Good "),
        port.AgentAudio("r1", "a1", bytes(800)),
        port.AgentText("r1", "a1", "morning."),
        port.AgentAudio("r1", "a1", bytes(1600)),
        port.AgentAudioEnded("r1", "a1"),
        port.ResponseEnded("r1", "completed"),
    )
    assert [
        (record.sequence, record.kind, record.timestamp_ms, len(record.payload)) for record in call.of(SendRecord)
    ] == [
        (1, Kind.ITEM, 0, 2),
        (2, Kind.TEXT, 0, 5),
        (3, Kind.AUDIO, 0, 800),
        (4, Kind.TEXT, 100, 8),
        (5, Kind.AUDIO, 100, 1600),
        (6, Kind.ITEM_END, 300, 2),
    ]


def test_audio_too_long_for_one_record_is_split() -> None:
    call = Call()
    call.say(pcmu=bytes(150_000))
    audio = [record for record in call.of(SendRecord) if record.kind is Kind.AUDIO]
    assert [(record.timestamp_ms, len(record.payload)) for record in audio] == [
        (0, 65_535),
        (65_535 // 8, 65_535),
        (131_070 // 8, 18_930),
    ]


def test_an_answer_tells_which_caller_turn_it_answers_and_says_it_once() -> None:
    call = asking()
    call.say("r2", "a2")
    call.feed(port.AgentAudio("r2", "a3", SECOND_OF_AUDIO))
    assert [record.timestamp_ms for record in call.of(SendRecord) if record.kind is Kind.ITEM] == [2_400, 0]


def test_usage_is_a_fact() -> None:
    call = Call()
    call.feed(port.ResponseEnded("r1", "completed", None, port.Usage(10, 20, 5, 0, 3, 4)))
    (usage,) = call.facts(UsageReported)
    assert (usage.epoch, usage.input_text_tokens, usage.cached_text_tokens) == (3, 10, 5)


# --- the caller speaks ----------------------------------------------------------------------------------------------


def test_a_caller_turn_becomes_facts_on_the_legs_clock() -> None:
    call = asking()
    call.done.clear()
    call.feed(port.CallerTranscribed("c1", "When do you open?"))
    (said,) = call.facts(CallerSaid)
    assert (said.text, said.start_ms, said.end_ms, said.epoch) == ("When do you open?", 1_300, 2_400, 3)


def test_a_turn_without_words_is_a_fact_all_the_same() -> None:
    call = asking()
    call.feed(port.CallerTranscribed("c1", ""))
    assert [said.text for said in call.facts(CallerSaid)] == [""]


def test_speech_is_a_fact_at_once() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    (started,) = call.facts(TurnStarted)
    assert (started.speaker, started.item_id, started.at_ms) == ("caller", "c1", 1_300)


def test_the_end_of_a_turn_is_a_fact_before_its_words_are() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.hear(1_000)
    call.feed(port.CallerSpeechStopped("c1", 2_900))
    assert [(fact.item_id, fact.end_ms, fact.epoch) for fact in call.facts(TurnEnded)] == [("c1", 2_400, 3)]


# --- barge-in -------------------------------------------------------------------------------------------------------


def barged_in(call: Call, heard_ms: int | None, item: str = "a1") -> list[Command]:
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    clear = call.of(ClearCarrier)[-1]
    return call.feed(CarrierCleared(clear, item if heard_ms is not None else None, heard_ms or 0), after_s=0.05)


def test_the_carrier_is_cleared_also_when_the_model_has_long_finished() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    (clear,) = call.of(ClearCarrier)
    assert (clear.through_sequence, clear.onset_ms) == (3, 1_300)


def test_the_model_forgets_what_was_not_heard() -> None:
    call = talking()
    assert barged_in(call, 400) == [Truncate("a1", 400), STOPPED]


def test_nothing_beyond_what_was_received_is_ever_kept() -> None:
    call = Call()
    call.say()
    commands = barged_in(call, 57_340)
    assert commands[0] == Truncate("a1", 1_000)


def test_an_item_heard_to_its_end_is_left_alone() -> None:
    call = talking()
    assert barged_in(call, 1_000) == [STOPPED]


def test_an_item_nobody_heard_is_deleted() -> None:
    call = talking()
    assert barged_in(call, 0)[0] == DeleteItem("a1")


def test_items_queued_behind_the_one_that_was_cut_are_deleted() -> None:
    call = talking()
    call.say("r2", "a2")
    assert barged_in(call, 700)[:2] == [Truncate("a1", 700), DeleteItem("a2")]


def test_nothing_cut_means_nothing_to_forget() -> None:
    call = talking()
    assert barged_in(call, None) == []


def test_audio_that_had_only_just_left_was_not_heard() -> None:
    call = talking()
    call.say("r2", "a2")
    call.now += 0.01
    assert barged_in(call, None) == [DeleteItem("a2")]


def test_an_unknown_item_is_ignored() -> None:
    call = talking()
    assert barged_in(call, 100, "nobody's") == [STOPPED]


def test_the_same_item_is_never_truncated_to_more_than_before() -> None:
    call = talking()
    barged_in(call, 400)
    call.say("r2", "a2")
    call.feed(port.CallerSpeechStarted("c2", 1_900))
    clear = call.of(ClearCarrier)[-1]
    assert call.feed(CarrierCleared(clear, "a1", 900))[0] == DeleteItem("a2")


def test_late_audio_of_a_cancelled_response_is_dropped() -> None:
    call = talking()
    call.say("r2", "a2")
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.done.clear()
    call.feed(
        port.AgentAudio("r2", "a2", SECOND_OF_AUDIO),
        port.AgentText("r2", "a2", "late"),
        port.AgentAudioEnded("r2", "a2"),
        port.ResponseEnded("r2", "cancelled"),
    )
    assert call.of(SendRecord) == []


def test_an_item_of_which_only_late_audio_came_is_deleted() -> None:
    call = talking()
    call.feed(port.ResponseStarted("r2"), port.CallerSpeechStarted("c1", 1_000))
    call.feed(port.AgentAudio("r2", "a2", SECOND_OF_AUDIO))
    assert call.feed(port.ResponseEnded("r2", "cancelled")) == [DeleteItem("a2")]


def test_the_next_answer_is_heard_after_a_barge_in() -> None:
    call = talking()
    call.say("r2", "a2")
    barged_in(call, 100, "a2")
    call.feed(port.ResponseEnded("r2", "cancelled"), port.CallerSpeechStopped("c1", 2_900))
    call.done.clear()
    call.say("r3", "a3")
    kinds = [record.kind for record in call.of(SendRecord)]
    assert kinds == [Kind.ITEM, Kind.AUDIO]


def test_an_open_item_is_ended_before_the_carrier_is_cleared() -> None:
    call = talking()
    call.say("r2", "a2")
    commands = call.feed(port.CallerSpeechStarted("c1", 1_000))
    end, clear = commands[0], commands[1]
    assert isinstance(end, SendRecord)
    assert isinstance(clear, ClearCarrier)
    assert end.kind is Kind.ITEM_END
    assert clear.through_sequence == end.sequence


def test_a_second_start_with_nothing_sent_since_asks_nothing() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000), port.CallerSpeechStopped("c1", 1_900))
    call.feed(port.CallerSpeechStarted("c2", 1_950))
    assert len(call.of(ClearCarrier)) == 1


def test_after_a_lost_clear_the_next_start_asks_again() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.feed(ClearLost(call.of(ClearCarrier)[0]), port.CallerSpeechStopped("c1", 1_900))
    call.feed(port.CallerSpeechStarted("c2", 1_950))
    assert len(call.of(ClearCarrier)) == 2


def test_a_refused_truncation_is_counted_and_the_agent_goes_on() -> None:
    call = talking()
    barged_in(call, 400)
    refused = ProviderError("invalid_value", Severity.REFUSED)
    assert call.feed(port.ErrorReported(refused, "truncate")) == [
        CountProviderError("invalid_value"),
        CountTruncateError(),
    ]
    call.feed(port.CallerSpeechStopped("c1", 1_900))
    call.say("r2", "a2")
    assert call.core.floor is Floor.AGENT


def test_an_answer_we_asked_for_is_cancelled_if_the_caller_has_begun_meanwhile() -> None:
    call = Call()
    call.feed(NEW, port.CallerSpeechStarted("c1", 0))
    assert call.feed(port.ResponseStarted("r1")) == [port.CancelResponse("r1")]
    assert call.feed(port.AgentAudio("r1", "a1", SECOND_OF_AUDIO)) == []


def test_a_missed_end_of_the_callers_turn_does_not_silence_the_agent() -> None:
    call = talking()
    call.feed(port.CallerSpeechStarted("c1", 1_000))
    call.done.clear()
    call.say("r2", "a2")
    assert [record.kind for record in call.of(SendRecord)] == [Kind.ITEM, Kind.AUDIO]


# --- failures -------------------------------------------------------------------------------------------------------


def failed(response: str, error: ProviderError = OUTAGE) -> tuple[port.SpeechEvent, ...]:
    return port.ResponseStarted(response), port.ResponseEnded(response, "failed", error)


def test_a_failed_answer_is_asked_for_again_a_few_times_then_another_talker_is() -> None:
    call = asking()
    call.feed(*failed("r2"))
    assert call.of(Respond) == []
    assert call.wait(0.25) == [Respond()]
    call.feed(*failed("r3"))
    assert call.wait(0.25) == []
    assert call.wait(0.25) == [Respond()]
    call.feed(*failed("r4"))
    assert call.of(AskHandover) == [AskHandover(HandoverReason.UPSTREAM_FAILED, "unavailable", True)]
    assert [report.error_code for report in call.of(ReportResponse)] == ["unavailable"] * 3


def test_a_failed_greeting_is_asked_for_again_in_its_words() -> None:
    call = Call()
    call.feed(NEW, *failed("r1"))
    assert call.wait(0.3) == [GREETING]


def test_a_failed_answer_is_not_asked_for_again_once_the_caller_speaks() -> None:
    call = asking()
    call.feed(*failed("r2"), port.CallerSpeechStarted("c2", 2_950))
    assert call.wait(2.0) == []


def test_throttling_is_told_as_such() -> None:
    call = asking()
    call.feed(*failed("r2", ProviderError("rate_limit_exceeded", Severity.THROTTLED)))
    assert [report.error_code for report in call.of(ReportResponse)] == ["throttled"]
    assert CountProviderError("rate_limit_exceeded") in call.done


def test_without_credit_no_retry_and_no_other_talker_of_the_pool_helps() -> None:
    call = asking()
    call.feed(*failed("r2", NO_CREDIT))
    assert call.of(AskHandover) == [AskHandover(HandoverReason.UPSTREAM_FAILED, "rejected", False)]
    assert call.wait(1.0) == []


def test_silence_after_the_callers_turn_is_not_waited_for_beyond_four_seconds() -> None:
    call = asking()
    call.feed(port.ResponseStarted("r2"))
    assert call.wait(3.9) == []
    assert call.wait(0.2) == [
        ReportResponse("deadline", about(4.0, 0.03)),
        AskHandover(HandoverReason.UPSTREAM_FAILED, "deadline", True),
    ]
    assert call.wait(20.0) == []


def test_retries_do_not_extend_the_callers_patience() -> None:
    call = asking()
    call.wait(3.5)
    call.feed(*failed("r2"))
    call.wait(0.3)
    assert len(call.of(Respond)) == 1
    call.wait(0.3)
    assert len(call.of(AskHandover)) == 1


def test_an_answer_in_time_stops_the_clock() -> None:
    call = asking()
    call.wait(3.9)
    call.say("r2", "a2")
    assert call.wait(10.0) == []


def test_a_greeting_that_never_comes_is_noticed() -> None:
    call = Call()
    call.feed(NEW)
    call.wait(4.1)
    assert len(call.of(AskHandover)) == 1


def test_a_response_cut_off_in_the_middle_is_asked_for_again() -> None:
    call = asking()
    call.say("r2", "a2")
    call.feed(port.ResponseEnded("r2", "failed", OUTAGE))
    assert call.wait(0.3) == [Respond()]


def test_a_response_that_stops_before_its_first_word_is_asked_for_again() -> None:
    call = asking()
    call.feed(port.ResponseStarted("r2"), port.ResponseEnded("r2", "incomplete"))
    assert call.wait(0.3) == [Respond()]


@pytest.mark.parametrize(("severity", "is_retryable"), [(Severity.UNAVAILABLE, True), (Severity.REJECTED, False)])
def test_a_closed_socket_asks_for_another_talker_at_once(severity: Severity, is_retryable: bool) -> None:
    call = talking()
    call.say("r2", "a2")
    commands = call.feed(port.SessionClosed(ProviderError("socket_closed", severity, True), 1006))
    assert isinstance(commands[0], SendRecord)
    code = "unavailable" if is_retryable else "rejected"
    assert commands[1:] == [
        AskHandover(HandoverReason.UPSTREAM_FAILED, code, is_retryable),
        End("socket closed"),
    ]


def test_an_expired_session_asks_once_even_if_the_socket_closes_too() -> None:
    call = talking()
    expired = ProviderError("session_expired", Severity.UNAVAILABLE, ends_session=True)
    call.feed(port.ErrorReported(expired), port.SessionClosed(expired, 1001))
    assert len(call.of(AskHandover)) == 1


def test_losing_a_race_for_a_response_is_harmless() -> None:
    call = asking()
    harmless = ProviderError("conversation_already_has_active_response", Severity.HARMLESS)
    assert call.feed(port.ErrorReported(harmless, "respond")) == [CountProviderError(harmless.code)]
    assert call.core.floor is Floor.AWAITED


def test_a_refused_request_for_an_answer_counts_as_a_failed_answer() -> None:
    call = Call()
    call.feed(NEW)
    call.feed(port.ErrorReported(ProviderError("invalid_value", Severity.REFUSED), "respond"))
    assert call.wait(0.3) == [GREETING]


def test_garbage_is_counted_and_changes_nothing() -> None:
    call = asking()
    assert call.feed(port.GarbageReceived("malformed")) == [CountProviderError("malformed")]
    assert call.core.floor is Floor.AWAITED


def test_a_talker_that_recovers_may_ask_again_later() -> None:
    call = asking()
    call.wait(4.1)
    call.say("r2", "a2")
    call.feed(port.ResponseEnded("r2", "completed"), port.CallerSpeechStarted("c2", 3_000))
    call.feed(port.CallerSpeechStopped("c2", 3_500))
    call.wait(4.1)
    assert len(call.of(AskHandover)) == 2


# --- is anybody there -----------------------------------------------------------------------------------------------


def test_without_caller_audio_the_edge_is_asked_and_in_the_end_the_session_ends() -> None:
    call = Call()
    call.feed(NEW)
    call.say()
    call.feed(port.AgentAudioEnded("r1", "a1"), port.ResponseEnded("r1", "completed"))
    asked_at = []
    while not call.of(End):
        call.now = call.core.next_deadline()
        if AskStanding() in call.feed(Tick()):
            asked_at.append(call.now)
            call.feed(StandingTold(None), after_s=0.5)
    assert call.of(End) == [End("no caller audio")]
    assert asked_at[:3] == [about(103.0), about(106.0), about(109.0)]
    assert 130.0 <= call.now <= 134.0


def test_an_edge_that_confirms_us_is_believed() -> None:
    call = talking()
    for _ in range(60):
        call.now = call.core.next_deadline()
        if AskStanding() in call.feed(Tick()):
            call.feed(StandingTold(True))
    assert call.of(End) == []


def test_a_talker_that_was_superseded_without_a_word_ends() -> None:
    call = talking()
    assert call.feed(StandingTold(False)) == [End("superseded")]


def test_with_caller_audio_nobody_is_asked() -> None:
    call = talking()
    for _ in range(200):
        call.hear(1_000)
        call.feed(Tick())
    assert call.of(End) == call.of(AskStanding) == []


def test_a_session_that_grows_old_asks_to_be_replaced_until_it_is() -> None:
    call = talking(retire_at=150.0)
    call.wait(47.0)
    assert call.of(AskHandover) == []
    call.wait(65.0)
    assert call.of(AskHandover) == [AskHandover(HandoverReason.SESSION_AGE)] * 3


def test_a_candidate_neither_ages_nor_misses_anybody() -> None:
    call = Call(retire_at=101.0)
    assert call.core.next_deadline() == float("inf")
    assert call.feed(Tick(), after_s=500) == []
