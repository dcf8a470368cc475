"""Which replica follows which calls, and how far: nothing is skipped whatever order calls finish in."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from common.messages.heartbeat import Heartbeat
from orchestrator.core.membership import SILENT_AFTER_S, Membership
from orchestrator.core.partitions import PARTITIONS, partition_of, preferred
from orchestrator.core.progress import Progress

NAMES = st.lists(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1, max_size=8), min_size=1, unique=True
)


def heartbeat(name: str, **changes: object) -> Heartbeat:
    given: dict[str, object] = {"kind": "orchestrator", "process_id": name, "calls": 0, "capacity": 0, **changes}
    return Heartbeat.model_validate(given)


def test_calls_fall_into_all_partitions() -> None:
    assert {partition_of(f"CA{number}") for number in range(500)} == set(range(PARTITIONS))


@given(NAMES)
def test_every_partition_is_preferred_by_one_of_those_that_live(names: list[str]) -> None:
    assert {preferred(each, names) for each in range(PARTITIONS)} <= set(names)
    assert [preferred(each, names) for each in range(PARTITIONS)] == [
        preferred(each, reversed(names)) for each in range(PARTITIONS)
    ]


@given(NAMES)
def test_when_one_dies_only_its_partitions_move(names: list[str]) -> None:
    dead, *others = names
    for each in range(PARTITIONS):
        before = preferred(each, names)
        assert before == dead or preferred(each, others) == before


def test_without_anybody_nobody_is_preferred() -> None:
    assert preferred(0, ()) is None


def test_a_replica_alone_has_everything_and_shares_with_another_until_that_falls_silent() -> None:
    members = Membership("a")
    assert members.ours(0.0) == set(range(PARTITIONS))
    other = Membership("b")
    members.feed(heartbeat("b"), 1.0)
    other.feed(heartbeat("a"), 1.0)
    assert members.ours(1.1) | other.ours(1.1) == set(range(PARTITIONS))
    assert not members.ours(1.1) & other.ours(1.1)
    assert members.ours(1.0 + SILENT_AFTER_S) == set(range(PARTITIONS))


def test_who_drains_or_says_farewell_is_gone_at_once_and_who_leaves_has_nothing() -> None:
    for last in ({"is_draining": True}, {"is_farewell": True}):
        members = Membership("a")
        members.feed(heartbeat("b"), 1.0)
        members.feed(heartbeat("b", **last), 1.1)
        assert members.ours(1.2) == set(range(PARTITIONS))
    members.is_leaving = True
    assert members.ours(1.2) == frozenset()


def test_a_cursor_waits_for_the_oldest_fact_that_is_not_done() -> None:
    progress = Progress(10)
    assert [progress.took(sequence) for sequence in (11, 13, 14)] == [True, True, True]
    progress.done(13)
    progress.done(14)
    assert progress.cursor == 10
    progress.done(11)
    assert progress.cursor == 14


def test_what_was_taken_is_not_taken_again_and_what_is_nobodys_is_passed() -> None:
    progress = Progress(10)
    assert not progress.took(10)
    assert progress.took(12)
    assert not progress.took(12)
    progress.passed(20)
    assert (progress.newest, progress.cursor) == (20, 11)
    progress.done(12)
    assert progress.cursor == 20


@given(st.lists(st.integers(1, 60)), st.randoms())
def test_the_cursor_never_passes_a_fact_that_is_open_and_never_goes_back(steps: list[int], random: Random) -> None:
    progress, open_ones, before = Progress(0), set(), 0
    for sequence in steps:
        if progress.took(sequence):
            open_ones.add(sequence)
        if open_ones and random.random() < 0.5:
            progress.done(done := random.choice(sorted(open_ones)))
            open_ones.discard(done)
        assert progress.cursor >= before
        before = progress.cursor
        assert not open_ones or progress.cursor < min(open_ones)
