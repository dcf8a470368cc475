"""What makes an edge give a talker up, and what makes it doubt itself instead."""

import pytest

from edge.core.evidence import (
    BusAnswered,
    BusChanged,
    Command,
    DeclareLost,
    Doubt,
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
from edge.core.suspicion import (
    ANSWER_WITHIN_S,
    FORGOTTEN_AFTER_S,
    HELD_AT_MOST_S,
    QUIET_AFTER_S,
    SETTLES_WITHIN_S,
    Suspicion,
)

NOTICED_WITHIN_S = QUIET_AFTER_S + 2 * ANSWER_WITHIN_S


class Observer:
    """A shell in virtual time: ticks when due; the bus carries its message to itself, unless told otherwise."""

    def __init__(self, *talkers: str, beating: tuple[str, ...] = ()) -> None:
        self.core = Suspicion()
        self.now = 100.0
        self.beating = beating
        self.has_bus = True
        self.said: list[tuple[float, Command]] = []
        for talker_id in (*talkers, *beating):
            self.feed(ShowedLife(talker_id))

    def feed(self, event: Event) -> tuple[Command, ...]:
        commands = self.core.feed(event, self.now)
        self.said += [(self.now, command) for command in commands]
        if ProbeBus() in commands and self.has_bus:
            self.feed(BusAnswered())
        return commands

    def run(self, seconds: float) -> None:
        """Let time pass; those who beat, beat."""
        until, beat_at = self.now + seconds, self.now + 0.1
        while True:
            due = min(self.core.next_deadline() or until, beat_at, until)
            self.now = max(self.now, due)
            if self.now >= until:
                return
            if self.now >= beat_at:
                beat_at += 0.1
                for talker_id in self.beating:
                    self.feed(ShowedLife(talker_id))
            self.feed(Tick())

    @property
    def lost(self) -> dict[str, Evidence]:
        """Who was given up, and why; once each."""
        found = [command for _, command in self.said if isinstance(command, DeclareLost)]
        assert len({command.talker_id for command in found}) == len(found), "lost twice in one silence"
        return {command.talker_id: command.evidence for command in found}

    @property
    def holds(self) -> list[Doubt | None]:
        """Holds by their reason, and None for each end of one."""
        return [
            command.why if isinstance(command, Hold) else None
            for _, command in self.said
            if isinstance(command, Hold | Resume)
        ]

    def probes(self, talker_id: str) -> list[float]:
        """When it was asked, since the beginning."""
        return [round(at - 100.0, 3) for at, command in self.said if command == Probe(talker_id)]


# --- silence ----------------------------------------------------------------------------------------------------------


def test_a_talker_that_beats_is_not_even_asked() -> None:
    edge = Observer(beating=("a", "b"))
    edge.run(10)
    assert edge.said == []


def test_a_silent_talker_is_asked_twice_and_lost_within_half_a_second() -> None:
    edge = Observer("a")
    edge.run(0.5)
    assert edge.probes("a") == pytest.approx([0.16, 0.31])
    at, lost = edge.said[-1]
    assert isinstance(lost, DeclareLost)
    assert (lost.talker_id, lost.evidence) == ("a", Evidence.SILENCE)
    assert lost.silent_s == pytest.approx(0.46)
    assert 0.4 <= at - 100.0 <= 0.5


def test_a_talker_is_missed_from_its_first_question_unanswered_until_it_shows_life() -> None:
    edge = Observer("a", beating=("b",))
    edge.run(0.30)
    assert (edge.core.missed, edge.core.missed_since("a")) == (frozenset(), None)
    edge.run(0.02)
    assert (edge.core.missed, edge.core.held) == (frozenset({"a"}), frozenset())
    assert edge.core.missed_since("a") == 100.0
    edge.run(0.2)
    assert (edge.lost, edge.core.missed) == ({"a": Evidence.SILENCE}, frozenset())
    assert edge.core.missed_since("a") == 100.0, "what it was lost for is still known"
    edge.feed(ShowedLife("a"))
    assert edge.core.missed_since("a") is None
    assert edge.core.missed_since("stranger") is None


def test_each_loss_is_said_once_until_there_is_life_again() -> None:
    edge = Observer("a")
    edge.run(3.0)
    assert edge.lost == {"a": Evidence.SILENCE}
    edge.said.clear()
    edge.feed(ShowedLife("a"))
    edge.run(0.5)
    assert edge.lost == {"a": Evidence.SILENCE}


def test_a_block_of_300_ms_right_before_a_heartbeat_is_forgiven() -> None:
    edge = Observer("a")
    edge.run(0.405)
    edge.feed(ShowedLife("a"))
    assert edge.core.suspected == frozenset()
    edge.run(0.1)
    assert edge.lost == {}


def test_an_answer_clears_the_suspicion_whenever_it_comes() -> None:
    edge = Observer("a")
    for _ in range(20):
        edge.run(0.35)
        assert edge.core.suspected == {"a"}
        edge.feed(ShowedLife("a"))
    assert (edge.lost, edge.holds) == ({}, [])


# --- certainty --------------------------------------------------------------------------------------------------------


def test_nobody_there_is_certain_at_once() -> None:
    edge = Observer("a", "b")
    assert edge.feed(NobodyThere("a")) == (DeclareLost("a", Evidence.NO_RESPONDERS, 0.0),)
    edge.run(0.02)
    assert edge.feed(NobodyThere("a")) == (), "what was still addressed to it tells nothing new"


def test_nobody_there_for_a_probe_is_as_certain() -> None:
    edge = Observer("a", beating=("b",))
    edge.run(0.2)
    edge.feed(NobodyThere("a"))
    assert edge.lost == {"a": Evidence.NO_RESPONDERS}


def test_a_talker_never_seen_can_be_lost() -> None:
    edge = Observer()
    assert edge.feed(NobodyThere("a")) == (DeclareLost("a", Evidence.NO_RESPONDERS, None),)
    assert edge.feed(SaidFarewell("b")) == (DeclareLost("b", Evidence.FAREWELL, None),)


def test_a_farewell_is_believed_whatever_the_bus_does() -> None:
    edge = Observer("a")
    edge.feed(BusChanged(is_well=True))
    edge.feed(SaidFarewell("a"))
    edge.feed(SaidFarewell("a"))
    edge.run(2.0)
    assert edge.lost == {"a": Evidence.FAREWELL}


def test_a_lost_talker_is_forgotten_once_nothing_is_addressed_to_it_any_more() -> None:
    edge = Observer("a")
    edge.feed(NobodyThere("a"))
    edge.run(FORGOTTEN_AFTER_S - 0.1)
    assert edge.feed(NobodyThere("a")) == ()
    edge.run(FORGOTTEN_AFTER_S - 0.1)
    assert edge.feed(NobodyThere("a")) == ()
    edge.run(FORGOTTEN_AFTER_S + 0.1)
    assert edge.core.next_deadline() is None


def test_all_talkers_killed_at_once_are_lost_at_once() -> None:
    edge = Observer("a", "b", "c")
    for talker_id in "abc":
        edge.feed(NobodyThere(talker_id))
    assert set(edge.lost) == {"a", "b", "c"}
    assert edge.holds == []


# --- the bus ----------------------------------------------------------------------------------------------------------


def test_right_after_an_event_of_the_bus_nobody_there_may_be_wrong() -> None:
    edge = Observer("a", "b")
    edge.feed(BusChanged(is_well=True))
    edge.run(0.05)
    edge.feed(NobodyThere("a"))
    assert edge.core.held == {"a"}
    edge.run(0.1)
    edge.feed(ShowedLife("a"))
    edge.beating = ("a", "b")
    edge.run(5.0)
    assert edge.lost == {}
    assert edge.holds == [Doubt.BUS_EVENT, None]


def test_a_talker_that_is_still_not_there_when_the_bus_has_settled_is_asked_and_lost() -> None:
    edge = Observer("a", beating=("b",))
    edge.feed(BusChanged(is_well=True))
    edge.feed(NobodyThere("a"))
    edge.run(SETTLES_WITHIN_S - 0.01)
    assert edge.lost == {}
    edge.run(0.02)
    assert SETTLES_WITHIN_S in edge.probes("a")
    edge.feed(NobodyThere("a"))
    assert edge.lost == {"a": Evidence.NO_RESPONDERS}
    assert edge.holds == [Doubt.BUS_EVENT, None]


def test_a_talker_nobody_could_find_since_before_the_bus_settled_is_lost_for_that() -> None:
    edge = Observer("a", beating=("b",))
    edge.feed(BusChanged(is_well=True))
    edge.run(SETTLES_WITHIN_S - 0.01)
    edge.feed(NobodyThere("a"))
    edge.run(ANSWER_WITHIN_S)
    assert edge.lost == {"a": Evidence.NO_RESPONDERS}


def test_another_event_of_the_bus_begins_everything_anew() -> None:
    edge = Observer("a", "b")
    edge.run(1.0)
    assert edge.core.held == {"a", "b"}
    edge.feed(BusChanged(is_well=True))
    assert (edge.core.held, edge.core.suspected) == (frozenset(), frozenset())


def test_silence_counts_only_once_the_bus_has_settled() -> None:
    edge = Observer("a", beating=("b", "c", "d"))
    edge.feed(BusChanged(is_well=True))
    edge.run(SETTLES_WITHIN_S - 0.01)
    assert edge.lost == {}
    edge.run(ANSWER_WITHIN_S + 0.02)
    assert edge.lost == {"a": Evidence.SILENCE}


def test_while_the_bus_is_away_nobody_is_asked_and_everybody_is_held() -> None:
    edge = Observer("a", "b")
    edge.feed(BusChanged(is_well=False))
    edge.run(60.0)
    assert edge.core.held == {"a", "b"}
    assert (edge.lost, edge.probes("a"), edge.holds) == ({}, [], [Doubt.BUS_AWAY])
    assert edge.core.next_deadline() is None, "there is nothing to wait for"
    edge.feed(BusChanged(is_well=True))
    edge.beating = ("a", "b")
    edge.run(10.0)
    assert (edge.lost, edge.holds) == ({}, [Doubt.BUS_AWAY, None])


def test_a_bus_that_does_not_carry_our_own_message_is_at_fault_itself() -> None:
    edge = Observer("a")
    edge.has_bus = False
    edge.run(30.0)
    assert (edge.lost, edge.holds) == ({}, [Doubt.BUS_AWAY])
    edge.has_bus = True
    edge.run(0.5)
    assert edge.lost == {"a": Evidence.SILENCE}


def test_answers_that_were_late_move_no_subscription_but_make_silence_before_them_void() -> None:
    edge = Observer("a", "b")
    edge.run(0.1)
    edge.feed(BusChanged(is_well=False, has_moved=False))
    edge.run(0.4)
    assert edge.core.held == {"a", "b"}
    edge.feed(BusChanged(is_well=True, has_moved=False))
    assert edge.core.suspected == frozenset()
    edge.feed(NobodyThere("b"))
    assert edge.lost == {"b": Evidence.NO_RESPONDERS}
    edge.run(NOTICED_WITHIN_S - 0.01)
    assert "a" not in edge.lost
    edge.run(0.02)
    assert edge.lost["a"] is Evidence.SILENCE


# --- ourselves --------------------------------------------------------------------------------------------------------


def test_when_our_own_loop_lagged_nobody_is_accused_for_a_second() -> None:
    edge = Observer("a", beating=("b", "c", "d"))
    edge.run(0.1)
    edge.now += 0.4
    edge.feed(Tick(0.4))
    assert edge.core.suspected == {"a", "b", "c", "d"}
    edge.run(0.9)
    assert edge.lost == {}
    assert edge.core.held == {"a"}
    edge.run(0.4)
    assert edge.lost == {"a": Evidence.SILENCE}
    assert edge.holds == [Doubt.OWN_LAG, None]


def test_an_edge_that_was_frozen_for_long_still_asks_first() -> None:
    edge = Observer("a", "b", beating=("c",))
    edge.run(0.6)
    assert edge.core.held == {"a", "b"}
    edge.now += 2 * HELD_AT_MOST_S
    edge.feed(Tick(2 * HELD_AT_MOST_S))
    assert edge.lost == {}
    edge.feed(ShowedLife("a"))
    edge.feed(ShowedLife("b"))
    edge.beating = ("a", "b", "c")
    edge.run(5.0)
    assert edge.lost == {}
    assert edge.holds == [Doubt.MASS_SILENCE, None]


def test_an_edge_that_lags_again_and_again_gives_up_the_dead_at_last() -> None:
    edge = Observer("a", beating=("b", "c", "d"))
    for _ in range(8):
        edge.run(0.8)
        edge.now += 0.15
        edge.feed(Tick(0.15))
    assert edge.lost == {"a": Evidence.SILENCE}


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("silent", "living", "is_held"),
    [("a", "", False), ("a", "b", False), ("ab", "", True), ("ab", "cdef", True), ("ab", "cdefg", False)],
)
def test_many_silent_at_once_are_held_few_are_lost(silent: str, living: str, is_held: bool) -> None:
    edge = Observer(*silent, beating=tuple(living))
    edge.run(HELD_AT_MOST_S)
    assert set(edge.lost) == (set() if is_held else set(silent))
    assert edge.core.held == (set(silent) if is_held else set())
    assert (Doubt.MASS_SILENCE in edge.holds) == is_held
    edge.run(1.0)
    assert set(edge.lost) == set(silent), "whoever is still silent after the hold is lost"
    assert not edge.core.is_holding


def test_those_who_fall_silent_one_after_another_are_lost_one_after_another() -> None:
    edge = Observer("a", beating=("b", "c"))
    edge.run(1.2)
    edge.beating = ("c",)
    edge.run(0.6)
    assert set(edge.lost) == {"a", "b"}
    assert edge.holds == []


def test_a_second_silence_within_a_second_of_a_loss_by_silence_is_held() -> None:
    edge = Observer("a", beating=("b",))
    edge.run(0.5)
    assert set(edge.lost) == {"a"}
    edge.beating = ()
    edge.run(1.0)
    assert set(edge.lost) == {"a"}
    assert edge.core.held == {"b"}
    edge.run(HELD_AT_MOST_S)
    assert set(edge.lost) == {"a", "b"}


def test_a_hold_ends_as_soon_as_the_held_show_life() -> None:
    edge = Observer("a", "b")
    edge.run(1.0)
    assert edge.core.held == {"a", "b"}
    edge.feed(ShowedLife("a"))
    assert edge.core.is_holding
    edge.feed(ShowedLife("b"))
    assert edge.holds == [Doubt.MASS_SILENCE, None]


def test_a_hold_that_is_over_holds_nobody_who_falls_silent_later() -> None:
    edge = Observer("a", "b")
    edge.run(1.0)
    edge.feed(ShowedLife("a"))
    edge.beating = ("b",)
    edge.run(1.0)
    assert edge.lost == {"a": Evidence.SILENCE}


def test_a_certain_loss_makes_a_silence_after_it_no_mass() -> None:
    edge = Observer("a", "b")
    edge.feed(NobodyThere("a"))
    edge.run(0.5)
    assert edge.lost == {"a": Evidence.NO_RESPONDERS, "b": Evidence.SILENCE}
