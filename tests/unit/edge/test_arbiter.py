"""The arbiter: every row of its table, everything that can come late, and what ends a call."""

import itertools

import pytest

from common.errors import LocalProtocolError
from common.fsm import Machine
from common.messages.commands import EndReason
from common.messages.offers import PLANNED, HandoverReason
from edge.core.arbiter import (
    BUS_WITHIN_S,
    QUIET_WITHIN_S,
    READY_WITHIN_S,
    REATTACH_WITHIN_S,
    RETRY_EVERY_S,
    TALKER_WITHIN_S,
    Arbiter,
)
from edge.core.arbitration import (
    AdoptionAccepted,
    AgentSpoke,
    AskAdoption,
    BusBack,
    BusLost,
    Command,
    CutOver,
    EndCall,
    HandoverAsked,
    HandoverOrdered,
    LegAway,
    LegDown,
    LegLost,
    LegUp,
    MakeOffer,
    OfferAccepted,
    OfferFailed,
    QuietChanged,
    ReleaseTalker,
    SearchAbandoned,
    Talker,
    TalkerGone,
    TalkerReady,
    Tick,
)
from edge.core.seeking import TABLE, Move, Seeking
from edge.core.steering import FAILURES_AT_MOST, OFFER_TRIES_AT_ONCE, Steering

START = HandoverReason.START
LOST = HandoverReason.TALKER_LOST
FAILED = HandoverReason.UPSTREAM_FAILED
DRAIN = HandoverReason.DRAIN


def alone() -> Steering:
    """There is no pool but `realtime`."""
    return Steering("realtime", lambda: False)


def offer(epoch: int, reason: HandoverReason) -> MakeOffer:
    """The only pool there is has to take the call whatever its workers hear of breakers, unless it is to go home."""
    return MakeOffer(epoch, reason, "realtime", is_last_resort=reason is not HandoverReason.BREAKER_CLOSED)


def offered(now: float = 0.0, max_call_s: float = 3_600.0) -> Arbiter:
    arbiter = Arbiter(now, max_call_s, alone())
    assert arbiter.feed(LegUp(), now) == (offer(1, START),)
    return arbiter


def preparing(talker: str = "a") -> Arbiter:
    arbiter = offered()
    assert arbiter.feed(OfferAccepted(1, talker), 0.1) == ()
    return arbiter


def talking(talker: str = "a") -> Arbiter:
    arbiter = preparing(talker)
    assert arbiter.feed(TalkerReady(1, talker), 0.3) == (CutOver(Talker(talker, 1), START, 0.3),)
    return arbiter


def waiting() -> Arbiter:
    arbiter = offered()
    for epoch in range(1, OFFER_TRIES_AT_ONCE):
        assert arbiter.feed(OfferFailed(epoch), 0.0) == (offer(epoch + 1, START),)
    assert arbiter.feed(OfferFailed(OFFER_TRIES_AT_ONCE), 0.0) == ()
    return arbiter


def please(arbiter: Arbiter, talker: Talker, reason: HandoverReason, *, retryable: bool = True) -> tuple[Command, ...]:
    return arbiter.feed(HandoverAsked(talker.epoch, talker.talker_id, reason, retryable), 1.0)


# --- the table --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "move"), list(itertools.product(Seeking, Move)))
def test_each_move_goes_where_the_table_says_and_any_other_is_a_bug(state: Seeking, move: Move) -> None:
    machine = Machine(TABLE, state)
    if (state, move) in TABLE:
        assert machine.move(move) is TABLE[state, move]
    else:
        with pytest.raises(LocalProtocolError, match=f"{move.name} is illegal in {state.name}"):
            machine.move(move)


def test_every_state_can_be_reached_and_left_and_abandoned_or_cut_back_to_idle() -> None:
    assert {before for before, _ in TABLE} == set(Seeking) == set(TABLE.values())
    assert {move for _, move in TABLE} == set(Move)
    for state in set(Seeking) - {Seeking.IDLE}:
        assert TABLE[state, Move.ABANDON] is Seeking.IDLE


# --- the straight path ------------------------------------------------------------------------------------------------


def test_a_leg_is_offered_accepted_and_cut_over_to_when_ready() -> None:
    arbiter = talking()
    assert arbiter.current == Talker("a", 1)
    assert arbiter.is_current(1)
    assert not arbiter.is_current(0)
    assert not arbiter.is_current(2)


def test_nobody_may_talk_before_ready() -> None:
    arbiter = preparing()
    assert arbiter.current is None
    assert not arbiter.is_current(1)


def test_ready_may_overtake_the_acceptance() -> None:
    arbiter = offered()
    assert arbiter.feed(TalkerReady(1, "a"), 0.2) == (CutOver(Talker("a", 1), START, 0.2),)
    assert arbiter.feed(OfferAccepted(1, "a"), 0.21) == ()
    assert arbiter.current == Talker("a", 1)


def test_ready_may_come_twice() -> None:
    arbiter = talking()
    assert arbiter.feed(TalkerReady(1, "a"), 0.4) == ()
    assert arbiter.current == Talker("a", 1)


def test_an_acceptance_may_come_twice() -> None:
    assert preparing().feed(OfferAccepted(1, "a"), 0.2) == ()


def test_a_call_that_had_epochs_before_goes_on_above_them() -> None:
    arbiter = Arbiter(0.0, 60.0, alone(), last_epoch=7)
    assert arbiter.feed(LegUp(), 0.0) == (offer(8, START),)


def test_a_second_leg_up_changes_nothing() -> None:
    assert offered().feed(LegUp(), 0.1) == ()


# --- offers that fail -------------------------------------------------------------------------------------------------


def test_a_failed_offer_goes_to_another_member_at_once_and_then_waits_a_little() -> None:
    arbiter = waiting()
    assert arbiter.next_deadline() == RETRY_EVERY_S
    assert arbiter.feed(Tick(), RETRY_EVERY_S - 0.01) == ()
    assert arbiter.feed(Tick(), RETRY_EVERY_S) == (offer(4, START),)
    assert arbiter.feed(OfferFailed(4), 0.3) == (offer(5, START),)


def test_the_failure_of_an_offer_that_is_over_changes_nothing() -> None:
    arbiter = offered()
    arbiter.feed(OfferFailed(1), 0.1)
    assert arbiter.feed(OfferFailed(1), 0.2) == ()
    assert preparing().feed(OfferFailed(1), 0.2) == ()
    assert talking().feed(OfferFailed(1), 0.5) == ()


@pytest.mark.parametrize("event", [OfferAccepted(1, "late"), OfferAccepted(99, "odd")])
def test_whoever_accepts_an_offer_that_is_not_open_is_released(event: OfferAccepted) -> None:
    release = (ReleaseTalker(Talker(event.talker_id, event.epoch), "offer is over"),)
    second = offered()
    second.feed(OfferFailed(1), 0.1)
    for arbiter in (second, waiting(), preparing(), talking()):
        assert arbiter.feed(event, 0.5) == release


@pytest.mark.parametrize("event", [TalkerReady(1, "late"), TalkerReady(99, "odd")])
def test_whoever_is_ready_for_an_epoch_that_is_not_sought_is_not_cut_over_to(event: TalkerReady) -> None:
    second = offered()
    second.feed(OfferFailed(1), 0.1)
    for arbiter in (second, waiting(), preparing(), talking()):
        before = arbiter.current
        assert arbiter.feed(event, 0.5) == ()
        assert arbiter.current == before


def test_a_candidate_that_is_not_ready_in_time_is_released_and_another_sought() -> None:
    arbiter = preparing()
    assert arbiter.next_deadline() == 0.1 + READY_WITHIN_S
    assert arbiter.feed(Tick(), 0.1 + READY_WITHIN_S) == (
        ReleaseTalker(Talker("a", 1), "not ready in time"),
        offer(2, START),
    )
    assert arbiter.feed(TalkerReady(1, "a"), 6.0) == ()


def test_a_candidate_that_dies_is_replaced() -> None:
    arbiter = preparing()
    assert arbiter.feed(TalkerGone("a"), 0.2) == (ReleaseTalker(Talker("a", 1), LOST), offer(2, START))


# --- losing the current talker ----------------------------------------------------------------------------------------


def test_a_dead_talker_falls_silent_at_once_and_the_next_has_a_higher_epoch() -> None:
    arbiter = talking()
    assert arbiter.feed(TalkerGone("a"), 5.0) == (ReleaseTalker(Talker("a", 1), LOST), offer(2, LOST))
    assert arbiter.current is None
    assert not arbiter.is_current(1)
    arbiter.feed(OfferAccepted(2, "b"), 5.1)
    assert arbiter.feed(TalkerReady(2, "b"), 5.25) == (CutOver(Talker("b", 2), LOST, 0.25),)


def test_the_death_of_a_stranger_changes_nothing() -> None:
    assert talking().feed(TalkerGone("z"), 1.0) == ()
    assert offered().feed(TalkerGone("z"), 1.0) == ()


def test_a_process_that_is_both_talker_and_candidate_dies_as_both() -> None:
    arbiter = talking("a")
    please(arbiter, Talker("a", 1), HandoverReason.SESSION_AGE)
    arbiter.feed(OfferAccepted(2, "a"), 1.1)
    commands = arbiter.feed(TalkerGone("a"), 1.2)
    assert arbiter.current is None
    assert commands == (
        ReleaseTalker(Talker("a", 2), LOST),
        offer(3, HandoverReason.SESSION_AGE),
        ReleaseTalker(Talker("a", 1), LOST),
    )


def holding(reason: HandoverReason = DRAIN) -> Arbiter:
    """`a` talks, `b` is ready to take over at the next quiet moment; wanted at 1.0."""
    arbiter = talking()
    assert please(arbiter, Talker("a", 1), reason) == (offer(2, reason),)
    assert please(arbiter, Talker("a", 1), reason) == ()
    arbiter.feed(OfferAccepted(2, "b"), 1.1)
    assert arbiter.feed(TalkerReady(2, "b", "session-b"), 1.5) == ()
    assert arbiter.holds(Talker("b", 2))
    return arbiter


@pytest.mark.parametrize("reason", sorted(PLANNED))
def test_a_planned_change_waits_for_a_quiet_moment(reason: HandoverReason) -> None:
    arbiter = holding(reason)
    assert arbiter.is_current(1)
    assert arbiter.feed(TalkerReady(2, "b", "session-b"), 3.5) == ()
    assert arbiter.feed(QuietChanged(True), 5.0) == (
        CutOver(Talker("b", 2), reason, 4.0, "session-b", has_waited=True),
        ReleaseTalker(Talker("a", 1), reason),
    )
    assert arbiter.current == Talker("b", 2)
    assert not arbiter.holds(Talker("b", 2))


def test_in_a_quiet_moment_a_planned_change_is_made_as_soon_as_the_next_talker_is_ready() -> None:
    arbiter = talking()
    arbiter.feed(QuietChanged(True), 0.9)
    please(arbiter, Talker("a", 1), DRAIN)
    assert arbiter.feed(TalkerReady(2, "b"), 1.5)[0] == CutOver(Talker("b", 2), DRAIN, 0.5)


def test_a_quiet_moment_that_has_passed_is_not_used() -> None:
    arbiter = talking()
    arbiter.feed(QuietChanged(True), 0.5)
    arbiter.feed(QuietChanged(False), 0.9)
    please(arbiter, Talker("a", 1), DRAIN)
    assert arbiter.feed(TalkerReady(2, "b"), 1.5) == ()


def test_without_a_quiet_moment_a_planned_change_is_made_after_a_minute() -> None:
    arbiter = holding()
    assert arbiter.next_deadline() == 1.0 + QUIET_WITHIN_S
    assert arbiter.feed(Tick(), 60.9) == ()
    assert arbiter.feed(Tick(), 61.0)[0] == CutOver(Talker("b", 2), DRAIN, 60.0, "session-b", has_waited=True)


def test_a_talker_lost_while_another_waits_is_replaced_in_the_same_step() -> None:
    arbiter = holding()
    assert arbiter.feed(TalkerGone("a"), 4.0) == (
        ReleaseTalker(Talker("a", 1), LOST),
        CutOver(Talker("b", 2), LOST, 0.0, "session-b", has_waited=True),
    )


@pytest.mark.parametrize("retryable", [True, False])
def test_a_talker_whose_provider_fails_while_another_waits_is_replaced_in_the_same_step(retryable: bool) -> None:
    arbiter = holding()
    commands = please(arbiter, Talker("a", 1), FAILED, retryable=retryable)
    assert commands[-1] == CutOver(Talker("b", 2), FAILED, 0.0, "session-b", has_waited=True)


def test_a_waiting_candidate_may_be_lost_and_another_is_sought() -> None:
    arbiter = holding()
    assert arbiter.feed(TalkerGone("b"), 4.0) == (ReleaseTalker(Talker("b", 2), LOST), offer(3, DRAIN))
    assert arbiter.is_current(1)


def test_an_operators_order_needs_somebody_to_replace() -> None:
    assert offered().feed(HandoverOrdered(HandoverReason.OPERATOR), 1.0) == ()
    ordered = talking().feed(HandoverOrdered(HandoverReason.OPERATOR), 1.0)
    assert ordered == (offer(2, HandoverReason.OPERATOR),)


# --- another stream, another edge -----------------------------------------------------------------------------------


def adopting() -> Arbiter:
    arbiter = Arbiter(0.0, 3_600.0, alone(), last_epoch=7)
    assert arbiter.feed(LegUp(Talker("a", 6)), 0.0) == (AskAdoption(Talker("a", 6), 8),)
    return arbiter


def test_the_talker_from_before_is_adopted_under_a_new_epoch() -> None:
    arbiter = adopting()
    assert arbiter.feed(AdoptionAccepted(8, "a", "session-a"), 0.1) == (
        CutOver(Talker("a", 8), HandoverReason.REATTACHED, 0.1, "session-a"),
    )
    assert arbiter.feed(AdoptionAccepted(8, "a", "session-a"), 0.2) == ()


@pytest.mark.parametrize("failure", [OfferFailed(8), TalkerGone("a")])
def test_a_talker_that_cannot_be_adopted_is_told_and_another_is_sought(failure: OfferFailed | TalkerGone) -> None:
    arbiter = adopting()
    sought = (ReleaseTalker(Talker("a", 8), "adoption is over"), offer(9, LOST))
    assert arbiter.feed(failure, 0.5) == sought
    late = arbiter.feed(AdoptionAccepted(8, "a"), 0.6)
    assert late == (ReleaseTalker(Talker("a", 8), "adoption is over"),)
    assert isinstance(arbiter.feed(TalkerReady(9, "b"), 0.7)[0], CutOver)


def test_only_the_talker_that_was_asked_can_be_adopted() -> None:
    arbiter = adopting()
    forged = ReleaseTalker(Talker("b", 8), "adoption is over")
    assert arbiter.feed(AdoptionAccepted(8, "b"), 0.1) == (forged,)
    assert arbiter.feed(TalkerReady(8, "b"), 0.1) == ()
    assert arbiter.feed(OfferAccepted(8, "b"), 0.1) == (ReleaseTalker(Talker("b", 8), "offer is over"),)
    assert arbiter.current is None


def test_a_call_that_goes_on_elsewhere_takes_its_talker_along() -> None:
    arbiter = holding()
    assert arbiter.feed(LegDown(EndReason.MOVED), 2.0) == (
        ReleaseTalker(Talker("b", 2), "leg down"),
        EndCall(EndReason.MOVED),
    )


def test_a_broken_leg_is_waited_for_with_the_talker_and_without_candidates() -> None:
    arbiter = holding()
    assert arbiter.feed(LegLost(), 10.0) == (ReleaseTalker(Talker("b", 2), "leg lost"),)
    assert arbiter.is_current(1)
    assert arbiter.next_deadline() == 10.0 + REATTACH_WITHIN_S
    assert please(arbiter, Talker("a", 1), DRAIN) == ()
    assert arbiter.feed(Tick(), 24.9) == ()
    assert arbiter.feed(Tick(), 25.0) == (ReleaseTalker(Talker("a", 1), "leg lost"), EndCall(EndReason.LEG_LOST))


def test_without_a_leg_a_lost_talker_is_not_replaced() -> None:
    arbiter = talking()
    arbiter.feed(LegLost(), 10.0)
    assert arbiter.feed(TalkerGone("a"), 11.0) == (ReleaseTalker(Talker("a", 1), LOST),)
    assert arbiter.current is None


def test_a_leg_that_is_given_away_is_waited_for_as_long_as_that_may_take_and_then_belongs_there() -> None:
    arbiter = holding()
    assert arbiter.feed(LegAway(50.0, EndReason.TRANSFERRED), 10.0) == (ReleaseTalker(Talker("b", 2), "leg lost"),)
    assert arbiter.is_current(1)
    arbiter.feed(LegLost(), 12.0)  # its socket closes, as it should
    assert arbiter.next_deadline() == 60.0
    assert arbiter.feed(Tick(), 59.9) == ()
    assert arbiter.feed(Tick(), 60.0) == (ReleaseTalker(Talker("a", 1), "leg lost"), EndCall(EndReason.TRANSFERRED))


def test_of_a_leg_that_is_away_the_newest_word_counts() -> None:
    arbiter = talking()
    arbiter.feed(LegAway(50.0, EndReason.TRANSFERRED), 10.0)
    arbiter.feed(LegAway(15.0, EndReason.LEG_LOST), 30.0)
    assert arbiter.feed(Tick(), 44.9) == ()
    assert arbiter.feed(Tick(), 45.0)[-1] == EndCall(EndReason.LEG_LOST)


def test_the_limit_of_a_call_counts_while_its_leg_is_away() -> None:
    arbiter = talking()
    arbiter.feed(LegAway(9_000.0, EndReason.TRANSFERRED), 10.0)
    deadline = arbiter.next_deadline()
    assert deadline is not None
    assert deadline < 9_000.0
    assert arbiter.feed(Tick(), deadline)[-1] == EndCall(EndReason.MAX_DURATION)


# --- the bus --------------------------------------------------------------------------------------------------------


def test_while_the_bus_is_away_the_talker_stays_and_nothing_runs_out() -> None:
    arbiter = talking()
    arbiter.feed(BusLost(), 10.0)
    arbiter.feed(BusLost(), 20.0)
    assert arbiter.next_deadline() == 10.0 + BUS_WITHIN_S
    assert arbiter.feed(Tick(), 69.0) == ()
    assert arbiter.is_current(1)
    assert arbiter.feed(Tick(), 70.0)[-1] == EndCall(EndReason.NO_TALKER)


def test_a_search_goes_on_when_the_bus_is_back() -> None:
    arbiter = waiting()
    arbiter.feed(BusLost(), 1.0)
    assert arbiter.feed(Tick(), 30.0) == ()
    arbiter.feed(BusBack(), 31.0)
    assert arbiter.next_deadline() == 31.0
    assert arbiter.feed(Tick(), 31.0) == (offer(OFFER_TRIES_AT_ONCE + 1, START),)
    arbiter.feed(OfferFailed(OFFER_TRIES_AT_ONCE + 1), 31.0)
    assert arbiter.feed(Tick(), 40.9) != (EndCall(EndReason.NO_TALKER),)
    assert arbiter.feed(Tick(), 41.0) == (EndCall(EndReason.NO_TALKER),)


def test_a_candidate_gets_its_time_anew_when_the_bus_is_back() -> None:
    arbiter = preparing()
    arbiter.feed(BusLost(), 1.0)
    arbiter.feed(BusBack(), 20.0)
    assert arbiter.feed(Tick(), 20.0 + READY_WITHIN_S - 0.1) == ()
    assert isinstance(arbiter.feed(TalkerReady(1, "a"), 24.95)[0], CutOver)


def test_a_candidate_is_not_cut_to_while_nobody_could_tell_it() -> None:
    arbiter = holding()
    arbiter.feed(BusLost(), 3.0)
    assert arbiter.feed(QuietChanged(True), 4.0) == ()
    assert arbiter.feed(BusBack(), 5.0)[0] == CutOver(Talker("b", 2), DRAIN, 4.0, "session-b", has_waited=True)


def test_a_talker_that_denies_to_be_one_is_replaced_at_once() -> None:
    arbiter = talking()
    assert please(arbiter, Talker("a", 1), LOST) == (ReleaseTalker(Talker("a", 1), LOST), offer(2, LOST))
    assert arbiter.current is None


def test_a_bus_that_was_never_away_comes_back_without_effect() -> None:
    arbiter = talking()
    before = arbiter.next_deadline()
    assert arbiter.feed(BusBack(), 5.0) == ()
    assert arbiter.next_deadline() == before


def test_a_talker_whose_provider_failed_falls_silent_at_once() -> None:
    arbiter = talking()
    assert please(arbiter, Talker("a", 1), FAILED) == (ReleaseTalker(Talker("a", 1), FAILED), offer(2, FAILED))
    assert arbiter.current is None


@pytest.mark.parametrize("reason", [FAILED, DRAIN])
def test_a_candidate_that_cannot_go_on_is_released_and_another_sought(reason: HandoverReason) -> None:
    arbiter = preparing()
    assert please(arbiter, Talker("a", 1), reason) == (ReleaseTalker(Talker("a", 1), reason), offer(2, START))


def test_only_the_talker_or_the_candidate_may_ask_for_a_handover() -> None:
    assert please(talking(), Talker("b", 1), FAILED) == ()
    assert please(talking(), Talker("a", 2), FAILED) == ()
    assert please(offered(), Talker("a", 2), FAILED) == ()


def test_a_candidate_may_fail_before_word_of_its_acceptance_comes() -> None:
    arbiter = offered()
    assert please(arbiter, Talker("a", 1), FAILED) == (ReleaseTalker(Talker("a", 1), FAILED), offer(2, START))
    assert arbiter.feed(OfferAccepted(1, "a"), 1.1) == (ReleaseTalker(Talker("a", 1), "offer is over"),)
    assert arbiter.feed(OfferAccepted(2, "b"), 1.1) == ()


def test_the_talker_may_die_while_another_is_sought_and_the_search_goes_on() -> None:
    arbiter = talking()
    please(arbiter, Talker("a", 1), DRAIN)
    assert arbiter.feed(TalkerGone("a"), 2.0) == (ReleaseTalker(Talker("a", 1), LOST),)
    arbiter.feed(OfferAccepted(2, "b"), 2.1)
    assert isinstance(arbiter.feed(TalkerReady(2, "b"), 2.2)[0], CutOver)


# --- giving up --------------------------------------------------------------------------------------------------------


def test_a_failure_that_every_talker_would_share_ends_the_call() -> None:
    arbiter = talking()
    assert please(arbiter, Talker("a", 1), FAILED, retryable=False) == (
        ReleaseTalker(Talker("a", 1), "upstream failed"),
        EndCall(EndReason.NO_TALKER),
    )
    assert arbiter.is_over
    assert arbiter.next_deadline() is None


def test_such_a_failure_of_a_candidate_ends_the_call_if_nobody_talks() -> None:
    assert please(preparing(), Talker("a", 1), FAILED, retryable=False)[-1] == EndCall(EndReason.NO_TALKER)


def test_such_a_failure_of_a_candidate_does_not_end_a_call_somebody_talks_in() -> None:
    arbiter = talking()
    please(arbiter, Talker("a", 1), DRAIN)
    arbiter.feed(OfferAccepted(2, "b"), 1.1)
    failed = Talker("b", 2)
    assert please(arbiter, failed, FAILED, retryable=False) == (
        ReleaseTalker(failed, "upstream failed"),
        SearchAbandoned(DRAIN),
    )
    assert arbiter.current == Talker("a", 1)
    assert please(arbiter, Talker("a", 1), DRAIN) == (offer(3, DRAIN),)


def test_after_too_many_failures_in_a_row_the_call_ends() -> None:
    arbiter = offered()
    for epoch in range(1, FAILURES_AT_MOST + 1):
        arbiter.feed(TalkerReady(epoch, "a"), 0.1)
        assert please(arbiter, Talker("a", epoch), FAILED)[-1] == offer(epoch + 1, FAILED)
    last = FAILURES_AT_MOST + 1
    arbiter.feed(TalkerReady(last, "a"), 0.1)
    assert please(arbiter, Talker("a", last), FAILED)[-1] == EndCall(EndReason.NO_TALKER)


def test_a_talker_that_spoke_wipes_out_the_failures_before_it() -> None:
    arbiter = offered()
    for epoch in range(1, 4 * FAILURES_AT_MOST):
        arbiter.feed(TalkerReady(epoch, "a"), 0.1)
        arbiter.feed(AgentSpoke(), 0.2)
        assert please(arbiter, Talker("a", epoch), FAILED)[-1] == offer(epoch + 1, FAILED)


def test_without_any_talker_for_ten_seconds_the_call_is_given_back() -> None:
    arbiter = offered()
    now = 0.0
    while not arbiter.is_over:
        for command in arbiter.feed(Tick(), now):
            if isinstance(command, EndCall):
                assert command.reason is EndReason.NO_TALKER
        arbiter.feed(OfferFailed(arbiter._epoch), now)
        deadline = arbiter.next_deadline()
        now = now if deadline is None else max(now, deadline)
    assert now == TALKER_WITHIN_S


def test_the_ten_seconds_count_from_when_the_last_talker_was_lost() -> None:
    arbiter = talking()
    arbiter.feed(TalkerGone("a"), 100.0)
    assert arbiter.next_deadline() == 110.0
    assert arbiter.feed(Tick(), 109.9) == ()
    assert arbiter.feed(Tick(), 110.0) == (EndCall(EndReason.NO_TALKER),)


def test_a_call_that_lasts_too_long_is_ended() -> None:
    arbiter = Arbiter(50.0, 600.0, alone())
    arbiter.feed(LegUp(), 50.0)
    arbiter.feed(TalkerReady(1, "a"), 50.1)
    assert arbiter.next_deadline() == 650.0
    assert arbiter.feed(Tick(), 649.9) == ()
    assert arbiter.feed(Tick(), 650.0) == (
        ReleaseTalker(Talker("a", 1), "call limit"),
        EndCall(EndReason.MAX_DURATION),
    )


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason is not EndReason.MOVED])
def test_when_the_leg_is_gone_talker_and_candidate_are_released(reason: EndReason) -> None:
    arbiter = talking()
    please(arbiter, Talker("a", 1), DRAIN)
    arbiter.feed(OfferAccepted(2, "b"), 1.1)
    assert arbiter.feed(LegDown(reason), 2.0) == (
        ReleaseTalker(Talker("a", 1), "leg down"),
        ReleaseTalker(Talker("b", 2), "leg down"),
        EndCall(reason),
    )
    assert arbiter.current is None
    assert not arbiter.is_current(1)


def test_a_leg_may_go_down_in_every_state() -> None:
    for arbiter in (Arbiter(0.0, 60.0, alone()), offered(), preparing(), waiting(), talking()):
        assert arbiter.feed(LegDown(EndReason.CALLER_HANGUP), 1.0)[-1] == EndCall(EndReason.CALLER_HANGUP)


def test_after_the_end_whoever_still_comes_is_released_and_nothing_else_happens() -> None:
    arbiter = offered()
    arbiter.feed(LegDown(EndReason.CALLER_HANGUP), 1.0)
    late = (ReleaseTalker(Talker("a", 1), "call is over"),)
    assert arbiter.feed(OfferAccepted(1, "a"), 1.1) == late
    assert arbiter.feed(TalkerReady(1, "a"), 1.2) == late
    assert arbiter.feed(AdoptionAccepted(1, "a"), 1.2) == late
    others = (LegUp(), OfferFailed(1), TalkerGone("a"), AgentSpoke(), LegDown(EndReason.LEG_LOST), LegLost(), Tick())
    late_ones = (LegAway(1.0, EndReason.TRANSFERRED), QuietChanged(True), HandoverOrdered(DRAIN), BusLost(), BusBack())
    for event in (*others, *late_ones):
        assert arbiter.feed(event, 9_999.0) == ()
