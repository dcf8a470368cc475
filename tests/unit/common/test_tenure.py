"""A replica decides only while no other can."""

from common.tenure import MARGIN_S, RENEW_EVERY_S, Tenure


def test_nobody_decides_before_winning() -> None:
    assert not Tenure(2.0).holds(0.0)


def test_the_winner_decides_until_shortly_before_the_lease_can_be_anothers() -> None:
    tenure = Tenure(2.0)
    tenure.won(10.0)
    assert tenure.holds(10.0)
    assert tenure.holds(12.0 - MARGIN_S - 0.01)
    assert not tenure.holds(12.0 - MARGIN_S)


def test_renewals_go_on_from_when_they_were_asked_for_not_from_their_answer() -> None:
    tenure = Tenure(2.0)
    tenure.won(10.0)
    tenure.won(11.0)
    assert tenure.holds(12.4)
    assert not tenure.holds(12.5)


def test_who_has_lost_stops_at_once_and_may_win_again() -> None:
    tenure = Tenure(2.0)
    tenure.won(10.0)
    tenure.lost()
    assert not tenure.holds(10.1)
    tenure.won(11.0)
    assert tenure.holds(11.1)


def test_a_renewal_that_fails_once_costs_nothing() -> None:
    assert 2 * RENEW_EVERY_S < 2.0 - MARGIN_S
