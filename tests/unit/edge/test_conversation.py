"""What the edge remembers of a call, and what the record says."""

from common.messages.commands import EndReason
from common.messages.facts import (
    AgentSaid,
    AnyFact,
    BargedIn,
    CallEnded,
    CallerSaid,
    CallStarted,
    DigitsPressed,
    EpochChanged,
    LevelCause,
    ServiceLevelChanged,
    TransferBegun,
    TurnStarted,
    UsageReported,
)
from common.messages.offers import HandoverReason
from edge import telling
from edge.conversation import CallMemory

CALL = "CA" + "1" * 32


def agent(item: str, text: str, start_ms: int, heard_ms: int, audio_ms: int = 1_000) -> AgentSaid:
    return AgentSaid(
        call_id=CALL,
        epoch=1,
        item_id=item,
        text=text,
        start_ms=start_ms,
        end_ms=start_ms + heard_ms,
        heard_ms=heard_ms,
        audio_ms=audio_ms,
        is_interrupted=heard_ms < audio_ms,
    )


def caller(item: str, text: str, start_ms: int, end_ms: int) -> CallerSaid:
    return CallerSaid(call_id=CALL, epoch=1, item_id=item, text=text, start_ms=start_ms, end_ms=end_ms)


def remembering(*facts: AnyFact) -> CallMemory:
    memory = CallMemory()
    for fact in facts:
        memory.add(fact)
    return memory


def test_turns_are_in_spoken_order_whatever_order_they_arrive_in() -> None:
    memory = remembering(
        caller("c2", "Fine", 5_000, 6_000), agent("a1", "Hello", 0, 1_000), caller("c1", "Hi", 2_000, 3_000)
    )
    assert [turn.item_id for turn in memory.conversation.turns] == ["a1", "c1", "c2"]
    assert memory.conversation.known_until_ms == 6_000


def test_an_agent_turn_nobody_heard_was_not_said() -> None:
    memory = remembering(agent("a1", "", 0, 0))
    assert memory.conversation.turns == ()


def test_an_interrupted_turn_says_so() -> None:
    (turn,) = remembering(agent("a1", "Hel", 0, 300)).conversation.turns
    assert (turn.is_interrupted, turn.text, turn.end_ms) == (True, "Hel", 300)


def test_a_fact_that_arrives_twice_counts_once() -> None:
    usage = UsageReported(call_id=CALL, response_id="r", model="m", input_text_tokens=5, cached_text_tokens=2)
    barged = BargedIn(call_id=CALL, item_id="a1", onset_ms=200, heard_ms=300)
    record = remembering(usage, barged, usage, barged, usage).record()
    assert record["usage"] == {
        "input_text_tokens": 5,
        "input_audio_tokens": 0,
        "cached_text_tokens": 2,
        "cached_audio_tokens": 0,
        "output_text_tokens": 0,
        "output_audio_tokens": 0,
    }
    assert record["barge_ins"] == [{"onset_ms": 200, "heard_ms": 300}]


def test_usage_of_several_responses_adds_up() -> None:
    facts = [UsageReported(call_id=CALL, response_id=str(n), model="m", output_audio_tokens=n) for n in (1, 2, 3)]
    assert remembering(*facts).record()["usage"]["output_audio_tokens"] == 6


def test_the_record_tells_turns_epochs_and_response_times() -> None:
    record = remembering(
        CallStarted(call_id=CALL, leg="twilio", edge_id="e", profile="p", started_at="now"),
        EpochChanged(
            call_id=CALL,
            epoch=1,
            at_ms=5,
            talker_id="t",
            reason=HandoverReason.START,
            realtime_session_id="s",
            ready_after_ms=80,
        ),
        TurnStarted(call_id=CALL, speaker="agent", item_id="a1"),
        agent("a1", "Hello", 0, 1_000),
        TurnStarted(call_id=CALL, speaker="caller", item_id="c1"),
        caller("c1", "Hi", 2_000, 3_000),
        TurnStarted(call_id=CALL, speaker="agent", item_id="a2", response_ms=450),
        DigitsPressed(call_id=CALL, digits="1"),
        CallEnded(call_id=CALL, reason=EndReason.CALLER_HANGUP, duration_ms=9),
    ).record()
    assert record["epochs"] == [{"epoch": 1, "talker_id": "t", "reason": "start", "at_ms": 5, "ready_after_ms": 80}]
    assert record["response_ms"] == [450]
    assert [(turn["speaker"], turn["text"], turn["heard_ms"]) for turn in record["turns"]] == [
        ("agent", "Hello", 1_000),
        ("caller", "Hi", None),
    ]


def test_nothing_said_is_a_record_too() -> None:
    assert CallMemory().record() == {
        "turns": [],
        "epochs": [],
        "levels": [],
        "barge_ins": [],
        "response_ms": [],
        "usage": {},
    }


def level(to: int, before: int, epoch: int, at_ms: int, cause: LevelCause) -> ServiceLevelChanged:
    return ServiceLevelChanged(call_id=CALL, epoch=epoch, at_ms=at_ms, level=to, before=before, cause=cause)


def test_the_next_talker_is_told_the_level_the_call_has_and_the_record_tells_them_all() -> None:
    memory = remembering(
        level(2, 0, 2, 4_000, LevelCause.PROVIDER_FAILED), level(0, 2, 3, 90_000, LevelCause.RECOVERED)
    )
    assert (memory.service_level, memory.cut([], 91_000).service_level) == (0, 0)
    memory.add(level(3, 2, 2, 50_000, LevelCause.STAGES_FAILED))
    assert memory.cut([], 91_000).service_level == 0, "what a talker before had told came late"
    assert memory.record()["levels"] == [
        {"level": 2, "before": 0, "cause": "provider_failed", "at_ms": 4_000},
        {"level": 3, "before": 2, "cause": "stages_failed", "at_ms": 50_000},
        {"level": 0, "before": 2, "cause": "recovered", "at_ms": 90_000},
    ]


BEGUN = TransferBegun(call_id=CALL, epoch=1, at_ms=5_000, to="desk")
FAILED = telling.transfer_failed(BEGUN, "busy", 1, 9_000)


def test_a_transfer_is_under_way_until_somebody_tells_that_it_failed() -> None:
    assert remembering(BEGUN).transfer == BEGUN
    assert not remembering(BEGUN).human_unreached
    memory = remembering(BEGUN, FAILED)
    assert memory.transfer is None
    assert memory.human_unreached
    assert memory.cut([], 0).human_unreached


def test_that_a_transfer_failed_counts_though_it_is_heard_of_before_the_transfer() -> None:
    memory = remembering(FAILED, BEGUN)
    assert memory.transfer is None
    assert memory.human_unreached


def test_once_the_caller_has_heard_the_agent_again_nothing_is_left_to_say_of_a_failed_transfer() -> None:
    assert remembering(BEGUN, FAILED, agent("before", "I connect you.", 3_000, 1_000)).human_unreached
    assert remembering(BEGUN, FAILED, agent("unheard", "", 9_500, 0)).human_unreached
    assert not remembering(BEGUN, FAILED, agent("sorry", "Sorry.", 9_500, 700)).human_unreached


def test_a_second_transfer_is_another_one() -> None:
    second = BEGUN.model_copy(update={"fact_id": "fact-2", "at_ms": 20_000})
    memory = remembering(BEGUN, FAILED, second)
    assert memory.transfer == second
    assert not memory.human_unreached


def test_two_edges_that_tell_of_one_failure_tell_one_fact() -> None:
    again = telling.transfer_failed(BEGUN, "failed", 2, 10_000)
    assert (
        again.fact_id
        == FAILED.fact_id
        != telling.transfer_failed(BEGUN.model_copy(update={"fact_id": "fact-2"}), "busy", 1, 9_000).fact_id
    )
