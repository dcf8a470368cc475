"""The breaker: what trips it, how it recovers, and that nothing makes it flap."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.messages.breaker import BreakerMode, BreakerState, TripReason
from fallback.core.breaker import (
    TABLE,
    Breaker,
    Changed,
    Command,
    Connected,
    Event,
    Ordered,
    Probe,
    ProbeEnded,
    Responded,
    Tick,
)
from fallback.core.thresholds import Thresholds

CLOSED, OPEN, HALF_OPEN, RAMPING = (
    BreakerState.CLOSED,
    BreakerState.OPEN,
    BreakerState.HALF_OPEN,
    BreakerState.RAMPING,
)
LIMITS = Thresholds()
WORKS, FAILS = Responded(is_failed=False), Responded(is_failed=True)


class Bench:
    """A breaker, a clock, and a provider that answers probes after `answers_after_s`; None: never."""

    def __init__(self, limits: Thresholds = LIMITS, *, probes_work: bool | None = True) -> None:
        self.breaker = Breaker(limits, lambda: 1.0)
        self.now = 100.0
        self.probes_work = probes_work
        self.changes: list[tuple[float, BreakerState]] = []
        self.shares: list[float] = []
        self.probes = 0

    def feed(self, *events: Event) -> None:
        for event in events:
            before = self.breaker.state
            commands = self.breaker.feed(event, self.now)
            if self.breaker.state is not before:
                self.changes.append((self.now, self.breaker.state))
            self._perform(commands)

    def _perform(self, commands: tuple[Command, ...]) -> None:
        for command in commands:
            match command:
                case Probe(number):
                    self.probes += 1
                    if self.probes_work is not None:
                        self.feed(ProbeEnded(number, self.probes_work))
                case Changed():
                    self.shares.append(self.breaker.share(self.now))

    def run(self, seconds: float) -> None:
        """Let time pass, tick by tick."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(until, self.now + 0.25)
            self.feed(Tick())

    def fail(self, count: int) -> None:
        self.feed(*[FAILS] * count)


# --- tripping ---------------------------------------------------------------------------------------------------------


def test_a_provider_that_works_stays_in_use() -> None:
    bench = Bench()
    for _ in range(600):
        bench.feed(WORKS, Connected(0.3))
        bench.run(0.25)
    assert (bench.breaker.state, bench.breaker.share(bench.now), bench.shares) == (CLOSED, 1.0, [])


def test_half_of_ten_failed_attempts_trip_it_and_nine_do_not() -> None:
    bench = Bench()
    bench.feed(*[WORKS] * 5)
    bench.fail(4)
    assert bench.breaker.state is CLOSED
    bench.fail(1)
    assert (bench.breaker.state, bench.breaker.reason, bench.shares) == (OPEN, TripReason.FAILURES, [0.0])


def test_failures_that_are_spread_over_more_than_the_window_do_not_trip_it() -> None:
    bench = Bench()
    for _ in range(40):
        bench.fail(1)
        bench.run(1.5)
    assert bench.breaker.state is CLOSED


def test_five_connects_that_fail_in_a_row_trip_it_however_long_that_takes() -> None:
    bench = Bench()
    for _ in range(4):
        bench.feed(Connected(None))
        bench.run(30)
    assert bench.breaker.state is CLOSED
    bench.feed(Connected(None))
    assert (bench.breaker.state, bench.breaker.reason) == (OPEN, TripReason.CONNECTS)


def test_sessions_that_take_too_long_trip_it_once_there_are_enough_to_say_so() -> None:
    bench = Bench()
    bench.feed(*[Connected(3.5)] * (LIMITS.sessions_at_least - 1))
    assert bench.breaker.state is CLOSED
    bench.feed(Connected(3.5))
    assert (bench.breaker.state, bench.breaker.reason) == (OPEN, TripReason.SLOW)


# --- recovering -------------------------------------------------------------------------------------------------------


def test_it_comes_back_by_probes_and_then_step_by_step() -> None:
    bench = Bench()
    bench.fail(10)
    bench.run(LIMITS.open_s - 0.25)
    assert (bench.breaker.state, bench.probes) == (OPEN, 0)
    bench.run(LIMITS.dwell_s)
    assert (bench.breaker.state, bench.probes) == (RAMPING, LIMITS.probes_to_pass)
    bench.run(4 * LIMITS.ramp_step_s)
    assert (bench.breaker.state, bench.breaker.reason) == (CLOSED, None)
    assert bench.shares == [0.0, 0.0, 0.1, 0.25, 0.5, 1.0, 1.0]
    assert [state for _, state in bench.changes] == [OPEN, HALF_OPEN, RAMPING, CLOSED]


def test_probes_are_made_one_after_the_other() -> None:
    bench = Bench(probes_work=None)
    bench.fail(10)
    bench.run(LIMITS.open_s + 1)
    assert (bench.breaker.state, bench.probes) == (HALF_OPEN, 1)
    bench.feed(ProbeEnded(1, is_ok=True))
    assert bench.probes == 2
    bench.feed(ProbeEnded(1, is_ok=True), ProbeEnded(7, is_ok=True))
    assert bench.probes == 2, "said twice, or never asked"


def test_a_probe_that_fails_or_is_never_answered_opens_it_again_for_longer() -> None:
    for probes_work, takes_s in ((False, 0.0), (None, LIMITS.probe_within_s)):
        bench = Bench(probes_work=probes_work)
        bench.fail(10)
        bench.run(300)
        opened = [at for at, state in bench.changes if state is OPEN]
        tried = [at for at, state in bench.changes if state is HALF_OPEN]
        waits = [half - at for at, half in zip(opened, tried, strict=False)]
        assert waits[:5] == [5.0, 10.0, 20.0, 40.0, 60.0]
        assert waits[5:] == [60.0] * len(waits[5:])
        assert all(again - half >= takes_s for half, again in zip(tried, opened[1:], strict=False))
        assert bench.breaker.reason is TripReason.PROBE


def test_failures_during_the_ramp_open_it_again_and_those_from_before_do_not() -> None:
    bench = Bench()
    bench.fail(10)
    bench.run(LIMITS.dwell_s)
    bench.feed(WORKS)
    assert bench.breaker.state is RAMPING, "the ten from before are still in the window"
    bench.run(LIMITS.dwell_s)
    bench.fail(10)
    assert (bench.breaker.state, bench.breaker.share(bench.now)) == (OPEN, 0.0)


def test_after_a_recovery_the_next_outage_begins_with_the_short_wait() -> None:
    bench = Bench()
    for _ in range(2):
        bench.fail(10)
        at = bench.now
        bench.run(LIMITS.open_s)
        assert bench.changes[-1] == (at + LIMITS.open_s, HALF_OPEN)
        bench.run(300)
        assert bench.breaker.state is CLOSED


# --- operators --------------------------------------------------------------------------------------------------------


def test_an_operator_holds_it_open_and_gives_it_back() -> None:
    bench = Bench()
    bench.feed(Ordered(BreakerMode.OPEN))
    assert (bench.breaker.state, bench.breaker.share(bench.now)) == (CLOSED, 0.0)
    bench.feed(Ordered(BreakerMode.OPEN))
    bench.feed(Ordered(BreakerMode.AUTO))
    assert bench.breaker.share(bench.now) == 1.0
    assert bench.shares == [0.0, 1.0], "the same order twice is one change"


def test_an_operator_holds_it_closed_while_it_goes_on_watching() -> None:
    bench = Bench(probes_work=False)
    bench.feed(Ordered(BreakerMode.CLOSED))
    bench.fail(10)
    assert (bench.breaker.state, bench.breaker.share(bench.now)) == (OPEN, 1.0)
    bench.feed(Ordered(BreakerMode.AUTO))
    assert bench.breaker.share(bench.now) == 0.0


# --- another replica --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", BreakerState)
def test_another_replica_goes_on_from_any_state_to_recovery(state: BreakerState) -> None:
    bench = Bench(probes_work=None)
    bench.breaker.restore(state, BreakerMode.AUTO, TripReason.CONNECTS, bench.now)
    assert bench.breaker.state is state
    bench.feed(Tick())
    assert bench.shares == [], "nothing has changed for anybody"
    bench.probes_work = True
    bench.run(330)
    assert bench.breaker.state is CLOSED


def test_another_replica_keeps_the_operators_word() -> None:
    bench = Bench()
    bench.breaker.restore(CLOSED, BreakerMode.OPEN, None, bench.now)
    bench.run(10)
    assert (bench.breaker.share(bench.now), bench.shares) == (0.0, [])


# --- whatever comes ---------------------------------------------------------------------------------------------------

EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(Connected, st.none() | st.floats(0, 10)),
    st.builds(Responded, st.booleans()),
    st.builds(ProbeEnded, st.integers(0, 30), st.booleans()),
    st.builds(Ordered, st.sampled_from(BreakerMode)),
    st.just(Tick()),
)
EAGER = Thresholds(
    attempts_at_least=2,
    connects_failed_in_a_row=2,
    sessions_at_least=2,
    open_s=0.5,
    open_at_most_s=4.0,
    probes_to_pass=2,
    probe_within_s=1.0,
    ramp_step_s=0.5,
)
"""As jumpy as it can be set, so that only the dwell time keeps it from flapping."""


def stretches(changes: list[tuple[float, BreakerState]], length_s: float) -> Iterator[int]:
    """How many changes lie in each stretch that begins with one."""
    for at, _ in changes:
        yield sum(at <= other < at + length_s for other, _ in changes)


@settings(max_examples=400)
@given(st.lists(st.tuples(EVENTS, st.floats(0, 2)), max_size=200), st.sampled_from([True, False, None]))
def test_no_input_makes_it_change_more_than_twice_in_a_dwell_time(
    steps: list[tuple[Event, float]], probes_work: bool | None
) -> None:
    bench = Bench(EAGER, probes_work=probes_work)
    for event, pause_s in steps:
        bench.feed(event)
        bench.now += pause_s
        share = bench.breaker.share(bench.now)
        assert share in {0.0, *EAGER.ramp}
        is_away = bench.breaker.state in (OPEN, HALF_OPEN)
        assert bench.breaker.mode is not BreakerMode.AUTO or (share == 0.0) == is_away
    assert max(stretches(bench.changes, EAGER.dwell_s), default=0) <= 2


@settings(max_examples=100)
@given(st.lists(st.tuples(EVENTS, st.floats(0, 2)), max_size=100))
def test_whatever_happened_a_provider_that_works_again_gets_all_calls_back(steps: list[tuple[Event, float]]) -> None:
    bench = Bench(EAGER)
    for event, pause_s in steps:
        bench.feed(event)
        bench.now += pause_s
    bench.feed(Ordered(BreakerMode.AUTO), Connected(0.1))
    bench.run(60)
    assert (bench.breaker.state, bench.breaker.share(bench.now)) == (CLOSED, 1.0)


def test_the_table_leads_from_every_state_to_every_other() -> None:
    reached = {state: {after for (before, _), after in TABLE.items() if before is state} for state in BreakerState}
    for _ in BreakerState:
        reached = {state: set().union(found, *(reached[each] for each in found)) for state, found in reached.items()}
    assert all(found == set(BreakerState) for found in reached.values())
