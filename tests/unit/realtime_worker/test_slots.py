"""Capacity and refusal."""

from talker.core.slots import Slots


def test_a_full_worker_refuses() -> None:
    slots = Slots(1)
    assert slots.take("a", 1) is None
    assert slots.take("b", 1) == "full"
    slots.free("a", 1)
    assert slots.take("b", 1) is None


def test_a_draining_worker_refuses_and_announces_no_capacity() -> None:
    slots = Slots(5)
    assert slots.offered == 5
    slots.is_draining = True
    assert slots.take("a", 1) == "draining"
    assert slots.offered == 0


def test_the_same_offer_again_is_known() -> None:
    slots = Slots(5)
    slots.take("a", 1)
    assert slots.holds("a", 1)
    assert not slots.holds("a", 2)


def test_a_call_may_come_back_with_its_next_epoch_before_the_old_one_is_gone() -> None:
    slots = Slots(5)
    assert slots.take("a", 1) is None
    assert slots.take("a", 2) is None
    assert len(slots) == 2
    slots.free("a", 1)
    slots.free("a", 1)
    assert len(slots) == 1


def test_a_call_that_goes_on_under_another_epoch_keeps_its_slot() -> None:
    slots = Slots(1)
    assert slots.take("call-1", 3) is None
    slots.rename("call-1", 3, 4)
    assert slots.holds("call-1", 4)
    assert not slots.holds("call-1", 3)
    assert len(slots) == 1
