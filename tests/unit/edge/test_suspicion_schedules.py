"""The watch over talkers under random schedules: uneven heartbeats, late answers, freezes, lag and bus events."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.core.evidence import (
    BusAnswered,
    BusChanged,
    DeclareLost,
    Event,
    Evidence,
    Hold,
    NobodyThere,
    Probe,
    ProbeBus,
    Resume,
    SaidFarewell,
    ShowedLife,
    Tick,
)
from edge.core.suspicion import FORGOTTEN_AFTER_S, HELD_AT_MOST_S, LAG_S, Suspicion

SPARSE_S = 0.35
JITTER_S = 0.002


@dataclass
class World:
    """Talkers, a bus and an edge in virtual time. Everything that happens is in one queue."""

    core: Suspicion = field(default_factory=Suspicion)
    now: float = 0.0
    lost: dict[str, float] = field(default_factory=dict)
    is_holding: bool = False
    has_held: bool = False
    answers: Callable[[str, float], float | None] = lambda _, __: None
    """How long a talker takes to answer a probe sent now; None: it does not."""
    _queue: list[tuple[float, int, Event]] = field(default_factory=list)
    _count: "itertools.count[int]" = field(default_factory=itertools.count)

    def at(self, when: float, event: Event) -> None:
        """Have `event` arrive then."""
        heapq.heappush(self._queue, (when, next(self._count), event))

    def run(self, until: float) -> None:
        """Let time pass."""
        while True:
            deadline = self.core.next_deadline()
            ticks_at = until if deadline is None else max(self.now, deadline + JITTER_S)
            arrives_at = self._queue[0][0] if self._queue else until
            if min(ticks_at, arrives_at) >= until:
                self.now = until
                return
            if arrives_at <= ticks_at:
                self._take(*heapq.heappop(self._queue))
            else:
                self.now = ticks_at
                self.feed(Tick())

    def _take(self, when: float, _: int, event: Event) -> None:
        if isinstance(event, Tick):  # our loop was blocked until now: what arrived meanwhile comes after this
            self.now = when + event.late_s
        else:
            self.now = max(self.now, when)
        self.feed(event)

    def feed(self, event: Event) -> None:
        """Give the core one event and do what it says."""
        for command in self.core.feed(event, self.now):
            match command:
                case Probe(talker_id):
                    if (takes_s := self.answers(talker_id, self.now)) is not None:
                        self.at(self.now + takes_s, ShowedLife(talker_id))
                case ProbeBus():
                    self.at(self.now + 0.001, BusAnswered())
                case DeclareLost(talker_id, evidence):
                    assert talker_id not in self.lost
                    assert evidence is not Evidence.SILENCE or talker_id not in self.core.held
                    self.lost[talker_id] = self.now
                case Hold():
                    assert not self.is_holding
                    self.is_holding = self.has_held = True
                case Resume():
                    assert self.is_holding
                    self.is_holding = False
        assert self.is_holding == self.core.is_holding


GAPS = st.lists(st.floats(0.01, SPARSE_S), min_size=20, max_size=20)
PHASES = st.lists(st.floats(0.0, 0.1), min_size=2, max_size=12)
TROUBLES = st.lists(
    st.tuples(st.floats(0.0, 4.0), st.sampled_from([Tick(0.15), Tick(0.5), BusChanged(True), BusChanged(False)])),
    max_size=4,
)


@settings(max_examples=60)
@given(st.lists(GAPS, min_size=1, max_size=6), st.lists(st.floats(0.0, 0.149), max_size=4), TROUBLES)
def test_who_beats_sparsely_or_answers_probes_is_never_lost_by_silence(
    beating: list[list[float]], answering: list[float], troubles: list[tuple[float, Event]]
) -> None:
    world = World(answers=lambda talker_id, _: dict(enumerate(answering)).get(int(talker_id) - 100))
    for number, gaps in enumerate(beating):
        for when in itertools.accumulate(gaps):
            world.at(when, ShowedLife(str(number)))
    for number, _ in enumerate(answering):
        world.at(0.0, ShowedLife(str(100 + number)))
    for when, event in troubles:
        world.at(when, event)
    world.run(min((sum(gaps) for gaps in beating), default=3.0))
    assert world.lost == {}


@settings(max_examples=60)
@given(PHASES, st.floats(1.0, 2.0), st.floats(0.0, 0.14))
def test_who_stops_for_good_is_lost_within_half_a_second_of_its_last_sign(
    phases: list[float], stops_at: float, slowest_answer_s: float
) -> None:
    world = World(answers=lambda talker_id, now: slowest_answer_s if talker_id != "0" or now < stops_at else None)
    last_sign = 0.0
    for number, phase in enumerate(phases):
        for beat in range(40):
            when = phase + beat * 0.1
            if number == 0 and when < stops_at:
                last_sign = when
            if number != 0 or when < stops_at:
                world.at(when, ShowedLife(str(number)))
    world.run(3.0)
    assert list(world.lost) == ["0"]
    assert 0.4 <= world.lost["0"] - last_sign <= 0.5
    assert not world.has_held


@settings(max_examples=60)
@given(PHASES, st.integers(0, 5), st.booleans())
def test_when_many_fall_silent_at_once_nobody_is_lost_for_five_seconds(
    phases: list[float], others: int, return_in_time: bool
) -> None:
    others = min(others, 2 * len(phases))
    world = World()
    for other in range(others):
        for beat in range(60):
            world.at(beat * 0.1, ShowedLife(f"other {other}"))
    for number, phase in enumerate(phases):
        world.at(phase, ShowedLife(str(number)))
        if return_in_time:
            world.at(4.9 + phase, ShowedLife(str(number)))
    world.run(HELD_AT_MOST_S - 0.2)
    assert (world.lost, world.is_holding) == ({}, True)
    world.run(5.05)
    assert (world.lost, world.is_holding) == ({}, not return_in_time)
    world.run(6.0)
    assert set(world.lost) == (set() if return_in_time else set(map(str, range(len(phases)))))


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 0.6),
            st.sampled_from(["life", "bye", "nobody", "bus away", "bus back", "bus answers", "lag", "nothing"]),
            st.sampled_from("abcd"),
        ),
        max_size=60,
    )
)
def test_after_whatever_happened_quiet_leaves_nothing_behind(happened: list[tuple[float, str, str]]) -> None:
    world = World()
    world.lost = _Forgetful()
    for wait, kind, talker_id in happened:
        world.run(world.now + wait)
        match kind:
            case "life":
                world.feed(ShowedLife(talker_id))
            case "bye":
                world.feed(SaidFarewell(talker_id))
            case "nobody":
                world.feed(NobodyThere(talker_id))
            case "bus away" | "bus back":
                world.feed(BusChanged(kind == "bus back"))
            case "bus answers":
                world.feed(BusAnswered())
            case "lag":
                world.feed(Tick(2 * LAG_S))
    world.feed(BusChanged(True))
    for talker_id in "abcd":
        world.feed(ShowedLife(talker_id))
    assert world.core.suspected == world.core.held == frozenset()
    assert not world.is_holding
    for talker_id in "abcd":
        world.feed(SaidFarewell(talker_id))
    world.run(world.now + FORGOTTEN_AFTER_S + 0.1)
    assert world.core.next_deadline() is None
    assert world.core.suspected == world.core.held == frozenset()
    assert not world.is_holding


class _Forgetful(dict[str, float]):
    """Talkers may be lost again and again here."""

    def __contains__(self, _: object) -> bool:
        return False
