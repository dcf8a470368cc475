"""The arbiter between two pools: which of them an offer goes to, how long a candidate has, and who is never lost."""

import pytest

from common.messages.commands import EndReason
from common.messages.offers import HandoverReason
from common.subjects import Pool
from edge.core.arbiter import READY_SOON_S, READY_WITHIN_S, RETRY_EVERY_S, TALKER_WITHIN_S, Arbiter
from edge.core.arbitration import (
    AskAdoption,
    Command,
    CutOver,
    EndCall,
    HandoverAsked,
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
from edge.core.steering import FAILURES_AT_MOST, OFFER_TRIES_AT_ONCE, Steering

START = HandoverReason.START
LOST = HandoverReason.TALKER_LOST
FAILED = HandoverReason.UPSTREAM_FAILED
GO_HOME = HandoverReason.BREAKER_CLOSED
AGE = HandoverReason.SESSION_AGE


def offered(home: Pool = "realtime") -> Arbiter:
    arbiter = Arbiter(0.0, 3_600.0, Steering(home, lambda: True))
    assert arbiter.feed(LegUp(), 0.0) == (MakeOffer(1, START, home),)
    return arbiter


def talking(home: Pool = "realtime") -> Arbiter:
    """`a` talks, in the call's home."""
    arbiter = offered(home)
    assert isinstance(arbiter.feed(TalkerReady(1, "a"), 0.1)[0], CutOver)
    return arbiter


def in_fallback() -> Arbiter:
    """`f` talks under epoch 2; the call belongs to `realtime`."""
    arbiter = offered()
    assert arbiter.feed(OfferFailed(1, is_provider_down=True), 0.0) == (MakeOffer(2, START, "fallback"),)
    assert isinstance(arbiter.feed(TalkerReady(2, "f"), 0.1)[0], CutOver)
    return arbiter


def please(
    arbiter: Arbiter, talker: Talker, reason: HandoverReason, now: float, *, retryable: bool = True
) -> tuple[Command, ...]:
    return arbiter.feed(HandoverAsked(talker.epoch, talker.talker_id, reason, retryable), now)


# --- a new call -------------------------------------------------------------------------------------------------------


def test_a_new_call_whose_worker_has_no_provider_is_offered_to_the_fallback_in_the_same_step() -> None:
    arbiter = in_fallback()
    assert arbiter.current == Talker("f", 2)


def test_a_new_call_nobody_of_its_home_takes_goes_to_the_fallback_after_a_few_tries() -> None:
    arbiter = offered()
    for epoch in range(1, OFFER_TRIES_AT_ONCE):
        assert arbiter.feed(OfferFailed(epoch), 0.1) == (MakeOffer(epoch + 1, START, "realtime"),)
    epoch = OFFER_TRIES_AT_ONCE
    assert arbiter.feed(OfferFailed(epoch), 0.1) == (MakeOffer(epoch + 1, START, "fallback"),)


def test_when_neither_pool_takes_it_the_call_is_a_last_resort_and_after_a_pause_everybody_is_asked_again() -> None:
    arbiter = offered()
    down = {"is_provider_down": True}
    assert arbiter.feed(OfferFailed(1, **down), 0.0) == (MakeOffer(2, START, "fallback"),)
    assert arbiter.feed(OfferFailed(2, **down), 0.0) == (MakeOffer(3, START, "realtime", is_last_resort=True),)
    assert arbiter.feed(OfferFailed(3, **down), 0.0) == ()
    assert arbiter.next_deadline() == RETRY_EVERY_S
    assert arbiter.feed(Tick(), RETRY_EVERY_S) == (MakeOffer(4, START, "fallback"),)


def test_a_candidate_that_is_late_or_fails_leaves_the_call_to_the_other_pool() -> None:
    late = offered()
    late.feed(OfferAccepted(1, "a"), 0.1)
    assert late.feed(Tick(), 0.1 + READY_WITHIN_S)[-1] == MakeOffer(2, START, "fallback")
    failed = offered()
    failed.feed(OfferAccepted(1, "a"), 0.1)
    assert please(failed, Talker("a", 1), FAILED, 0.2)[-1] == MakeOffer(2, START, "fallback")


def test_without_any_talker_in_either_pool_the_call_is_given_back_after_ten_seconds() -> None:
    arbiter = offered()
    now = 0.0
    while not arbiter.is_over:
        arbiter.feed(OfferFailed(arbiter.last_epoch), now)
        now = max(now, arbiter.next_deadline() or now)
        commands = arbiter.feed(Tick(), now)
    assert (commands, now) == ((EndCall(EndReason.NO_TALKER),), TALKER_WITHIN_S)


# --- a running call ---------------------------------------------------------------------------------------------------


def test_a_call_whose_session_failed_is_given_one_more_that_has_to_be_there_soon_and_then_the_fallback() -> None:
    arbiter = talking()
    assert please(arbiter, Talker("a", 1), FAILED, 9.0) == (
        ReleaseTalker(Talker("a", 1), FAILED),
        MakeOffer(2, FAILED, "realtime"),
    )
    arbiter.feed(OfferAccepted(2, "b"), 9.1)
    assert arbiter.next_deadline() == 9.1 + READY_SOON_S
    assert arbiter.feed(Tick(), 9.1 + READY_SOON_S) == (
        ReleaseTalker(Talker("b", 2), "not ready in time"),
        MakeOffer(3, FAILED, "fallback"),
    )
    arbiter.feed(OfferAccepted(3, "f"), 10.4)
    assert arbiter.next_deadline() == 10.4 + READY_WITHIN_S
    assert arbiter.feed(TalkerReady(3, "f"), 10.5)[0] == CutOver(Talker("f", 3), FAILED, 1.5)


def test_where_another_session_would_fail_the_same_way_the_fallback_is_next() -> None:
    arbiter = talking()
    commands = please(arbiter, Talker("a", 1), FAILED, 9.0, retryable=False)
    assert commands[-1] == MakeOffer(2, FAILED, "fallback")


def test_a_dead_fallback_talker_is_followed_by_another_of_its_pool() -> None:
    assert in_fallback().feed(TalkerGone("f"), 5.0)[-1] == MakeOffer(3, LOST, "fallback")


def test_a_fallback_talker_that_fails_is_followed_by_another_and_then_by_a_last_resort() -> None:
    arbiter = in_fallback()
    assert please(arbiter, Talker("f", 2), FAILED, 5.0)[-1] == MakeOffer(3, FAILED, "fallback")
    arbiter.feed(OfferAccepted(3, "g"), 5.1)
    last_resort = MakeOffer(4, FAILED, "realtime", is_last_resort=True)
    assert please(arbiter, Talker("g", 3), FAILED, 5.2)[-1] == last_resort


def test_a_talker_that_fails_while_another_is_sought_leaves_the_candidate_little_time() -> None:
    arbiter = talking()
    please(arbiter, Talker("a", 1), AGE, 9.0)
    arbiter.feed(OfferAccepted(2, "b"), 9.1)
    assert arbiter.next_deadline() == 9.1 + READY_WITHIN_S
    assert please(arbiter, Talker("a", 1), FAILED, 9.2) == (ReleaseTalker(Talker("a", 1), FAILED),)
    assert arbiter.next_deadline() == 9.2 + READY_SOON_S


def test_a_call_is_given_up_only_when_both_pools_have_failed_it_for_good() -> None:
    arbiter = talking()
    commands = please(arbiter, Talker("a", 1), FAILED, 1.0, retryable=False)
    failed: list[Pool] = ["realtime"]
    while not arbiter.is_over:
        make = next((each for each in commands if isinstance(each, MakeOffer)), None)
        if make is None:
            commands = arbiter.feed(Tick(), arbiter.next_deadline() or 0.0)
            continue
        failed.append(make.pool)
        now = 1.0 + 0.1 * make.epoch
        arbiter.feed(OfferAccepted(make.epoch, "x"), now)
        commands = please(arbiter, Talker("x", make.epoch), FAILED, now, retryable=False)
    assert commands[-1] == EndCall(EndReason.NO_TALKER)
    assert min(failed.count("realtime"), failed.count("fallback")) == FAILURES_AT_MOST + 1


# --- the way home -----------------------------------------------------------------------------------------------------


def going_home() -> Arbiter:
    arbiter = in_fallback()
    assert please(arbiter, Talker("f", 2), GO_HOME, 60.0) == (MakeOffer(3, GO_HOME, "realtime"),)
    return arbiter


def test_the_way_home_is_taken_at_the_next_quiet_moment() -> None:
    arbiter = going_home()
    assert arbiter.feed(TalkerReady(3, "a", "session-a"), 60.4) == ()
    assert arbiter.holds(Talker("a", 3))
    assert arbiter.feed(QuietChanged(True), 63.0) == (
        CutOver(Talker("a", 3), GO_HOME, 3.0, "session-a", has_waited=True),
        ReleaseTalker(Talker("f", 2), GO_HOME),
    )
    assert please(arbiter, Talker("a", 3), FAILED, 70.0)[-1] == MakeOffer(4, FAILED, "realtime"), "it is at home"


def test_a_refusal_on_the_way_home_leaves_everything_as_it_is() -> None:
    arbiter = going_home()
    before = arbiter.next_deadline()
    assert arbiter.feed(OfferFailed(3, is_provider_down=True), 60.1) == (SearchAbandoned(GO_HOME),)
    assert (arbiter.current, arbiter.next_deadline()) == (Talker("f", 2), before)
    assert arbiter.feed(OfferFailed(3), 60.2) == ()
    assert please(arbiter, Talker("f", 2), GO_HOME, 90.0) == (MakeOffer(4, GO_HOME, "realtime"),)


@pytest.mark.parametrize("end", ["late", "failed", "dead", "full"])
def test_a_candidate_at_home_that_comes_to_nothing_is_let_go_and_the_talker_goes_on(end: str) -> None:
    arbiter = going_home()
    commands: tuple[Command, ...] = ()
    for epoch in range(3, 3 + OFFER_TRIES_AT_ONCE):
        assert arbiter.last_epoch == epoch
        if end == "full":
            commands = arbiter.feed(OfferFailed(epoch), 60.1)
        else:
            arbiter.feed(OfferAccepted(epoch, "a"), 60.1)
            match end:
                case "late":
                    commands = arbiter.feed(Tick(), 60.1 + READY_WITHIN_S)
                case "failed":
                    commands = please(arbiter, Talker("a", epoch), FAILED, 60.2)
                case _:
                    commands = arbiter.feed(TalkerGone("a"), 60.2)
        if SearchAbandoned(GO_HOME) in commands:
            break
    assert commands[-1] == SearchAbandoned(GO_HOME)
    assert arbiter.current == Talker("f", 2)
    assert arbiter.feed(TalkerReady(3, "a"), 61.0) == ()


def test_a_talker_lost_on_the_way_home_is_not_abandoned() -> None:
    arbiter = going_home()
    assert arbiter.feed(TalkerGone("f"), 60.1) == (ReleaseTalker(Talker("f", 2), LOST),)
    assert arbiter.feed(OfferFailed(3, is_provider_down=True), 60.2) == (MakeOffer(4, LOST, "fallback"),)


def test_a_talker_lost_while_home_is_ready_is_followed_by_it_at_once() -> None:
    arbiter = going_home()
    arbiter.feed(TalkerReady(3, "a"), 60.4)
    assert arbiter.feed(TalkerGone("f"), 61.0)[-1] == CutOver(Talker("a", 3), LOST, 0.0, "", has_waited=True)


# --- another stream ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pool", ["realtime", "fallback"])
def test_a_call_that_comes_back_without_its_talker_is_sought_one_where_it_was(pool: Pool) -> None:
    arbiter = Arbiter(0.0, 3_600.0, Steering("realtime", lambda: True, pool), last_epoch=7)
    assert arbiter.feed(LegUp(Talker("x", 7)), 0.0) == (AskAdoption(Talker("x", 7), 8),)
    assert arbiter.feed(OfferFailed(8), 0.2)[-1] == MakeOffer(9, LOST, pool)
