"""Every verdict on an outage can fail: lost calls, wrong levels, forgotten turns, strange voices, flapping breakers."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from chaos.evidence import Chat, Evidence, Placed, Struck
from chaos.outage_times import answered_ms, back_ms, gap_ms, spoke_ms, spoken_to_ms
from chaos.outage_verdict import levels, lost, openings, silence_between_replicas_s, unsaid, wrongs
from chaos.outages import BY_NAME
from chaos.recorded import Span
from common.messages.breaker import BreakerState
from common.messages.facts import AnyFact, LevelCause, TurnStarted
from common.messages.offers import HandoverReason
from unit.chaos.hand_made import PACE, heard, seeded, session, turn
from unit.chaos.hand_made import call as hand_made_call
from unit.chaos.hand_made_outage import (
    AGAIN,
    ANSWER,
    GREETING,
    QUESTION,
    asked,
    back_home,
    breaker,
    epoch,
    evidence,
    good,
    heard_standing,
    in_realtime,
    level,
    placed,
    said,
    started,
    told,
    turn_based,
)

AWAY = BY_NAME["realtime_away"]
OPEN, HALF_OPEN, RAMPING, CLOSED = (
    BreakerState.OPEN,
    BreakerState.HALF_OPEN,
    BreakerState.RAMPING,
    BreakerState.CLOSED,
)


def judged(*facts: AnyFact, calls: Sequence[Placed] = (), name: str = "realtime_away") -> list[str]:
    return wrongs(BY_NAME[name], evidence(facts, calls))


def test_a_call_that_came_back_and_knew_everything_is_right() -> None:
    assert wrongs(AWAY, good()) == []


# --- lost -------------------------------------------------------------------------------------------------------------


def test_calls_that_failed_or_were_never_placed_are_lost() -> None:
    failed = replace(good(), before=(placed(failure="step 3: nobody spoke"),), unplaced=("call 9: refused",))
    assert lost(failed) == ["call 9: refused", "call 1: step 3: nobody spoke"]
    assert set(lost(failed)) <= set(wrongs(AWAY, failed))


def test_a_call_in_which_nobody_answers_after_the_end_is_lost() -> None:
    deaf = [*in_realtime(), *turn_based(), *back_home()[:2], *asked(AGAIN, 3, 50_000)]
    assert lost(evidence(deaf)) == ["call 1: nobody answered any more"]
    silent = [*in_realtime(), *turn_based(), *back_home()[:2]]
    assert lost(evidence(silent)) == ["call 1: nobody answered any more"]
    only_a_prompt = [*deaf, *said("One moment.", 3, 50_800, item="prompt")]
    assert lost(evidence(only_a_prompt)) == ["call 1: nobody answered any more"]


def test_a_caller_who_heard_an_answer_to_its_end_and_hung_up_is_not_lost() -> None:
    content = [*in_realtime(), *turn_based()[:4], *said(ANSWER, 2, 29_000)]
    assert lost(evidence(content)) == []


# --- levels and talkers -----------------------------------------------------------------------------------------------


def test_levels_are_those_somebody_talked_at() -> None:
    assert levels(good().told, "CA1") == (0, 2, 0)
    at_once: list[AnyFact] = [started(), epoch(1, 10, "fallback-a"), level(2, 0, 1, 10, LevelCause.ROLLOUT)]
    assert levels(told(at_once), "CA1") == (2,)
    assert levels(told(in_realtime()), "CA1") == (0,)
    late = level(3, 2, 2, 45_010, LevelCause.STAGES_FAILED)  # of the talker before, told when it is replaced already
    assert levels(told([*good().told.facts["CA1"], late]), "CA1") == (0, 2, 3, 0)


def test_a_call_that_flaps_is_wrong() -> None:
    again: list[AnyFact] = [
        epoch(4, 52_000, "fallback-a", HandoverReason.UPSTREAM_FAILED, "attended-2"),
        level(2, 0, 4, 52_000, LevelCause.PROVIDER_FAILED),
        epoch(5, 54_000, "worker-b", HandoverReason.BREAKER_CLOSED, "sess_3"),
        level(0, 2, 5, 54_000, LevelCause.RECOVERED),
    ]
    found = judged(*in_realtime(), *turn_based(), *back_home(), *again)
    assert found == ["call 1: went through the levels (0, 2, 0, 2, 0)"]


def test_an_outage_nobody_noticed_was_none() -> None:
    calm = [*in_realtime(), *asked(AGAIN, 1, 50_000), *said(ANSWER, 1, 50_800)]
    assert judged(*calm, name="realtime_mute") == ["no call came to level 2"]


def test_a_brown_out_may_move_a_call_there_and_back_and_not_once_more() -> None:
    allowed = BY_NAME["brown_out"].levels
    assert all(len(sequence) - 1 <= 2 for sequence in allowed)


def test_a_call_that_stays_below_is_wrong() -> None:
    found = judged(*in_realtime(), *turn_based(), *asked(AGAIN, 2, 50_000), *said(ANSWER, 2, 51_000))
    assert "call 1: did not come back" in found


def test_calls_of_meanwhile_and_of_afterwards_have_levels_of_their_own() -> None:
    rollout = BY_NAME["rollout"]
    calm = [*in_realtime(), *asked(AGAIN, 1, 50_000), *said(ANSWER, 1, 50_800)]
    legacy: list[AnyFact] = [
        started("CA2"),
        epoch(1, 10, "fallback-a", call_id="CA2"),
        level(2, 0, 1, 10, LevelCause.ROLLOUT).model_copy(update={"call_id": "CA2"}),
    ]
    made = replace(evidence([*calm, *legacy]), during=(placed("CA2", number=2),))
    assert wrongs(rollout, made) == []
    assert wrongs(rollout, replace(made, during=(), after=(placed("CA2", number=2),))) == [
        "call 2: went through the levels (2,)"
    ]


@pytest.mark.parametrize("reason", [HandoverReason.TALKER_LOST, HandoverReason.BREAKER_CLOSED])
def test_a_running_call_that_a_rollout_moves_is_wrong(reason: HandoverReason) -> None:
    facts = [*in_realtime(), epoch(2, 20_000, "worker-b", reason), *asked(AGAIN, 2, 50_000), *said(ANSWER, 2, 50_800)]
    assert judged(*facts, name="rollout") == ["call 1: did not keep its talker and its epoch"]


def test_a_call_that_begins_twice_is_wrong() -> None:
    assert "call 1: began more or less often than once" in wrongs(
        AWAY, evidence([started(), *good().told.facts["CA1"]])
    )


def dying(moved: dict[str, list[HandoverReason]], talkers: dict[str, str]) -> list[str]:
    """Calls with their first talkers, and how each was moved."""
    facts: list[AnyFact] = []
    for call_id, talker in talkers.items():
        facts += [started(call_id), epoch(1, 10, talker, call_id=call_id)]
        facts += [
            epoch(number, 16_000 + number, "fallback-c", reason, call_id=call_id)
            for number, reason in enumerate(moved.get(call_id, ()), 2)
        ]
    calls = [placed(call_id, number=number) for number, call_id in enumerate(talkers, 1)]
    found = wrongs(BY_NAME["fallback_kill"], evidence(facts, calls))
    return [line for line in found if "level" not in line and "answered" not in line and "come back" not in line]


def test_only_the_calls_of_the_dead_talker_move_and_all_of_them_do() -> None:
    lost_talker = [HandoverReason.TALKER_LOST]
    talkers = {"CA1": "fallback-a", "CA2": "fallback-a", "CA3": "fallback-b"}
    assert dying({"CA1": lost_talker, "CA2": lost_talker}, talkers) == []
    assert dying({"CA1": lost_talker}, talkers) == ["call 2: was not taken over"]
    assert dying(dict.fromkeys(talkers, lost_talker), talkers) == ["calls of 2 talkers moved"]
    assert dying({}, talkers) == ["calls of 0 talkers moved"]
    twice = dying({"CA1": lost_talker, "CA2": [*lost_talker, HandoverReason.DRAIN]}, talkers)
    assert twice == ["call 2: was moved for talker_lost, drain"]


def test_a_call_given_to_a_dead_talker_is_wrong() -> None:
    facts = [epoch(2, 16_000, "worker-a", HandoverReason.TALKER_LOST)]
    found = wrongs(BY_NAME["fallback_kill"], evidence([*in_realtime(), *facts]))
    assert "call 1: was given to a talker that is dead" in found


# --- voices -----------------------------------------------------------------------------------------------------------


def test_a_voice_that_another_had_followed_is_double_talk() -> None:
    runs = [heard(0.5, 1), heard(21.5, 900), heard(28.0, 1, 600, 40)]
    assert "call 1: 20 frames of a voice that another had followed" in wrongs(
        AWAY, replace(good(), before=(placed(runs=runs),))
    )


def test_a_voice_that_is_heard_in_two_calls_is_foreign() -> None:
    made = replace(good(), during=(placed("CA2", [heard(40, 3)], number=2),))
    assert "call 2: heard a voice of call 1" in wrongs(AWAY, made)


def test_epochs_that_go_down_are_wrong() -> None:
    facts = good().told.facts["CA1"]
    assert "call 1: epochs went down" in wrongs(AWAY, evidence([*facts, epoch(3, 60_000, "worker-b")]))


# --- memory -----------------------------------------------------------------------------------------------------------


def test_a_turn_that_the_next_model_was_not_told_is_forgotten() -> None:
    untold = replace(good(), chats=(Chat(20.6, ("instructions", GREETING, ANSWER, AGAIN)),))
    assert wrongs(AWAY, untold) == ["call 1: at level 2 nobody knew 3 turns"]
    disordered = replace(good(), chats=(Chat(20.6, (QUESTION, GREETING, ANSWER, AGAIN)),))
    assert wrongs(AWAY, disordered) == ["call 1: at level 2 nobody knew 3 turns"]


def test_a_chat_of_another_moment_was_not_this_calls() -> None:
    other = Chat(25.0, good().chats[0].words)
    assert wrongs(AWAY, replace(good(), chats=(other,))) == ["call 1: at level 2 nobody knew 3 turns"]


def test_the_session_of_the_way_back_must_know_what_was_said_turn_based() -> None:
    items = [seeded("assistant", GREETING), seeded("user", QUESTION), seeded("assistant", ANSWER)]
    sessions = {**good().sessions, "sess_3": session(3, items=items)}
    assert wrongs(AWAY, replace(good(), sessions=sessions)) == ["call 1: at level 0 nobody knew 5 turns"]
    elsewhere = {"sess_1": good().sessions["sess_1"], "sess_9": good().sessions["sess_3"]}
    assert wrongs(AWAY, replace(good(), sessions=elsewhere)) == ["call 1: at level 0 nobody knew 5 turns"]


def test_what_was_not_heard_to_its_end_need_not_be_remembered_word_for_word() -> None:
    cut = [started(), epoch(1, 10), *said("A sentence cut short.", 1, 500, heard_ms=700), *in_realtime()[2:]]
    assert wrongs(AWAY, evidence([*cut, *turn_based(), *back_home()])) == []


# --- prompts ----------------------------------------------------------------------------------------------------------


def in_the_menu(text: str, cause: LevelCause) -> Evidence:
    return evidence(
        [
            *in_realtime(),
            epoch(2, 16_000, "fallback-a", HandoverReason.UPSTREAM_FAILED, "attended-1"),
            level(3, 0, 2, 16_000, cause),
            *said(text, 2, 16_100, item="prompt"),
        ]
    )


def test_a_caller_who_comes_to_the_menu_must_hear_why() -> None:
    limited = BY_NAME["rate_limited"]
    assert unsaid(limited, in_the_menu("We are busy.", LevelCause.THROTTLED), "We are busy.") == []
    assert unsaid(limited, in_the_menu("Hello.", LevelCause.THROTTLED), "We are busy.") == [
        "call 1: was not told 'We are busy.'"
    ]
    assert unsaid(limited, in_the_menu("We are busy.", LevelCause.STAGES_FAILED), "We are busy.") == [
        "no call came to the menu"
    ]


# --- breakers ---------------------------------------------------------------------------------------------------------


def test_a_probe_that_fails_is_no_further_opening() -> None:
    probed = told([breaker(state) for state in (OPEN, HALF_OPEN, OPEN, HALF_OPEN, RAMPING, CLOSED)])
    assert list(openings(probed).values()) == [1]
    assert openings(told([breaker(CLOSED)])) == {}


@pytest.mark.parametrize("trusted", [RAMPING, CLOSED])
def test_a_breaker_that_opens_again_flaps(trusted: BreakerState) -> None:
    facts = [*good().told.facts["CA1"], breaker(OPEN), breaker(HALF_OPEN), breaker(trusted), breaker(OPEN)]
    assert wrongs(AWAY, evidence(facts)) == ["the breaker of realtime opened 2 times"]
    assert wrongs(BY_NAME["realtime_mute"], evidence(facts)) == []


def test_a_breaker_that_may_not_open_and_does_is_wrong() -> None:
    assert "a breaker opened" in judged(*in_realtime(), breaker(OPEN), name="rate_limited")
    assert "a breaker opened" not in judged(*in_realtime(), name="rate_limited")


def test_what_one_replica_knew_of_a_breaker_the_next_knows_too() -> None:
    kill = BY_NAME["leader_kill"]
    facts = good().told.facts["CA1"]
    kept = [heard_standing(14, CLOSED), heard_standing(16, OPEN), heard_standing(19, HALF_OPEN, "fallback-b")]
    assert wrongs(kill, evidence(facts, standings=[*kept, heard_standing(31, CLOSED, "fallback-b")])) == []
    assert silence_between_replicas_s(told([], kept)) == 3
    forgot = [*kept[:2], heard_standing(19, CLOSED, "fallback-b")]
    assert wrongs(kill, evidence(facts, standings=forgot)) == ["a breaker was said to be closed again before the end"]
    alone = [*kept[:2], heard_standing(19, OPEN)]
    assert wrongs(kill, evidence(facts, standings=alone)) == ["only one replica ever decided"]
    assert wrongs(kill, evidence(facts, standings=kept[:1])) == ["no replica said that a breaker is open"]


# --- times ------------------------------------------------------------------------------------------------------------


def test_the_answer_counts_from_the_end_of_the_turn_that_nobody_had_answered() -> None:
    made = good()
    assert answered_ms(made.told, made.before[0], made.struck) == 1500
    assert spoken_to_ms(made.told, made.before[0], made.struck) == 1500
    during_the_turn = Struck(20.5, 30.0)
    assert answered_ms(made.told, made.before[0], during_the_turn) == 1000


def test_a_prompt_speaks_to_the_caller_and_answers_nothing() -> None:
    turned = turn_based()
    with_prompt = [*turned[:4], *said("One moment.", 2, 20_400, item="prompt"), *turned[4:]]
    facts = told([*in_realtime(), *with_prompt, *back_home()])
    assert spoken_to_ms(facts, placed(), good().struck) == 400
    assert answered_ms(facts, placed(), good().struck) == 1500


def test_a_caller_who_speaks_again_does_not_wait_meanwhile() -> None:
    again = TurnStarted(call_id="CA1", epoch=2, at_ms=20_700, speaker="caller", item_id="turn-2")
    impatient = [*turn_based()[:4], again, *asked(AGAIN, 2, 23_000), *said(ANSWER, 2, 24_200)]
    facts = told([*in_realtime(), *impatient, *back_home()])
    assert answered_ms(facts, placed(), good().struck) == 1200
    slow = [*turn_based()[:4], again, *asked(AGAIN, 2, 23_000), *said(ANSWER, 2, 23_400)]
    assert answered_ms(told([*in_realtime(), *slow]), placed(), good().struck) == 700


def test_a_call_whose_turns_were_all_answered_before_has_no_such_time() -> None:
    assert answered_ms(told(in_realtime()), placed(), good().struck) is None


def test_the_way_back_counts_from_the_end_of_the_outage() -> None:
    made = good()
    assert back_ms(made.told, made.before[0], made.struck) == 15_000
    assert back_ms(told([*in_realtime(), *turn_based()]), made.before[0], made.struck) is None
    assert back_ms(told(in_realtime()), made.before[0], made.struck) is None


def test_a_new_call_is_spoken_to_from_its_stream_on() -> None:
    made = Placed("CA1", hand_made_call([heard(12.5, 1)], streams=[Span(11.0, 60.0)]))
    assert spoke_ms(made) == pytest.approx(1500)
    assert spoke_ms(Placed("CA1", hand_made_call([]))) is None


def test_a_gap_is_silence_after_the_outage_had_begun() -> None:
    made = replace(good(), before=(Placed("CA1", hand_made_call([heard(0, 1), heard(22, 900)], [turn(17, 19)])),))
    assert gap_ms(made, made.before[0], PACE) == pytest.approx(2200)
    earlier = replace(made, struck=Struck(21.0, 30.0))
    assert gap_ms(earlier, made.before[0], PACE) == pytest.approx(1000)
    before = replace(made, struck=Struck(25.0, 30.0))
    assert gap_ms(before, made.before[0], PACE) == 0


def test_the_menu_owes_nobody_speech_while_it_waits_for_a_key() -> None:
    calls = (Placed("CA1", hand_made_call([heard(0, 1), heard(29, 900)], [turn(20, 22)])),)
    lowered = replace(in_the_menu("Press a key.", LevelCause.STAGES_FAILED), before=calls)
    assert gap_ms(lowered, calls[0], PACE) == 0
    assert gap_ms(replace(good(), before=calls), calls[0], PACE) == pytest.approx(6200)
