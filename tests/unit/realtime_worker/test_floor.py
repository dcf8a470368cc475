"""The table of the floor is total."""

from itertools import product

from talker.core.floor import FLOOR, Floor, Moment


def test_every_moment_is_legal_on_every_floor() -> None:
    assert set(FLOOR) == set(product(Floor, Moment))


def test_a_caller_who_speaks_always_has_the_floor() -> None:
    assert all(FLOOR[floor, Moment.CALLER_BEGAN] is Floor.CALLER for floor in Floor)


def test_a_failed_answer_is_never_asked_for_again_while_the_caller_speaks() -> None:
    assert FLOOR[Floor.CALLER, Moment.ANSWER_FAILED] is Floor.CALLER
