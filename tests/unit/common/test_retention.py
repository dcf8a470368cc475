"""What a batcher keeps: in order, what waits behind what was sent, bounded."""

from hypothesis import given
from hypothesis import strategies as st

from common.bus.retention import Kept, Retention


def kept(number: int, at: float, size: int = 10, subject: str = "a") -> Kept:
    return Kept(at, subject, number.to_bytes(2, "big") * (size // 2), 1)


def numbers(batches: list[Kept]) -> list[int]:
    return [int.from_bytes(each.payload[:2], "big") for each in batches]


def drain(retention: Retention, now: float) -> list[int]:
    """Send everything that waits."""
    sent: list[Kept] = []
    while (waiting := retention.next_waiting()) is not None:
        sent.append(waiting)
        retention.sent(waiting, now)
    return numbers(sent)


def test_what_was_published_within_the_time_can_be_had_again_in_order_and_by_subject() -> None:
    retention = Retention(keep_s=5, keep_bytes=10_000)
    for number in range(10):
        retention.add(kept(number, at=number, subject="ab"[number % 2]), is_waiting=False)
    assert numbers(list(retention.published_since(6, "a"))) == [6, 8]
    assert numbers(list(retention.published_since(0, "b"))) == [5, 7, 9]
    assert retention.size_bytes == 60


def test_what_may_be_lost_waits_again_before_what_waited_already() -> None:
    retention = Retention(keep_s=100, keep_bytes=10_000)
    for number in range(6):
        retention.add(kept(number, at=number), is_waiting=number >= 4)
    retention.reopen(2)
    assert drain(retention, 10) == [2, 3, 4, 5]
    assert not retention.has_waiting


def test_what_waited_counts_as_published_when_it_was_sent() -> None:
    retention = Retention(keep_s=3, keep_bytes=10_000)
    retention.add(kept(1, at=0), is_waiting=True)
    drain(retention, 10)
    retention.reopen(9)
    assert drain(retention, 10) == [1]


def test_what_waits_does_not_grow_too_old() -> None:
    retention = Retention(keep_s=1, keep_bytes=10_000)
    for number in range(100):
        assert retention.add(kept(number, at=number), is_waiting=True) == 0
    assert drain(retention, 100) == list(range(100))


def test_beyond_its_size_it_gives_up_the_oldest_and_says_how_much_was_never_sent() -> None:
    retention = Retention(keep_s=100, keep_bytes=50)
    assert [retention.add(kept(number, at=number), is_waiting=number >= 3) for number in range(10)] == [0] * 8 + [1] * 2
    assert drain(retention, 10) == [5, 6, 7, 8, 9]
    assert retention.size_bytes == 50


@given(st.lists(st.tuples(st.sampled_from(["sent", "waits", "reopen", "drain"]), st.integers(0, 10)), max_size=60))
def test_whatever_happens_nothing_young_is_missing_and_order_is_kept(steps: list[tuple[str, int]]) -> None:
    retention = Retention(keep_s=1_000, keep_bytes=1_000_000)
    delivered: list[int] = []
    count = 0
    for now, (step, back_s) in enumerate(steps):
        if step == "reopen":
            retention.reopen(now - back_s)
        elif step == "drain":
            delivered += drain(retention, now)
        else:
            is_waiting = step == "waits" or retention.has_waiting
            delivered += [] if is_waiting else [count]
            retention.add(kept(count, at=now), is_waiting=is_waiting)
            count += 1
    delivered += drain(retention, len(steps))
    assert list(dict.fromkeys(delivered)) == list(range(count)), "in order, if repeats are dropped"
