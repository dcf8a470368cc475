"""Which calls are given up, and when."""

from edge.core.orphanage import Entry, Orphanage

FAREWELL_S, SILENCE_S = 20.0, 80.0


def orphanage() -> Orphanage:
    return Orphanage(FAREWELL_S, SILENCE_S)


def live(edge_id: str, revision: int = 1) -> Entry:
    return Entry(edge_id, revision, is_live=True)


def test_calls_of_living_edges_are_nobodys_business() -> None:
    watched = orphanage()
    assert watched.feed({"call": live("alive")}, {"alive"}, 0.0) == ()
    assert not watched.has_any
    assert watched.due({"alive"}, 1000.0) == ()


def test_a_call_of_a_silent_edge_is_given_up_after_the_long_grace() -> None:
    watched = orphanage()
    assert watched.feed({"call": live("lost")}, set(), 0.0) == ("call",)
    assert watched.due(set(), SILENCE_S - 0.1) == ()
    assert watched.due(set(), SILENCE_S) == ("call",)
    assert watched.due(set(), SILENCE_S) == ()


def test_a_call_of_an_edge_that_said_farewell_is_given_up_after_the_short_grace() -> None:
    watched = orphanage()
    watched.said_farewell("gone")
    watched.feed({"call": live("gone"), "other": live("lost")}, set(), 0.0)
    assert watched.due(set(), FAREWELL_S) == ("call",)


def test_looking_again_does_not_begin_the_grace_anew() -> None:
    watched = orphanage()
    watched.feed({"call": live("lost")}, set(), 0.0)
    watched.feed({"call": live("lost")}, set(), 50.0)
    assert watched.due(set(), SILENCE_S) == ("call",)


def test_an_entry_somebody_touched_is_watched_anew() -> None:
    watched = orphanage()
    watched.feed({"call": live("lost", 1)}, set(), 0.0)
    watched.feed({"call": live("lost", 2)}, set(), 50.0)
    assert watched.due(set(), SILENCE_S) == ()
    assert watched.due(set(), 50.0 + SILENCE_S) == ("call",)


def test_a_call_that_was_taken_over_is_watched_no_longer() -> None:
    watched = orphanage()
    watched.feed({"call": live("lost")}, {"alive"}, 0.0)
    watched.feed({"call": live("alive", 2)}, {"alive"}, 1.0)
    assert not watched.has_any


def test_an_edge_that_comes_back_keeps_its_calls() -> None:
    watched = orphanage()
    watched.feed({"call": live("cut-off")}, set(), 0.0)
    assert watched.due({"cut-off"}, SILENCE_S) == ()
    assert not watched.has_any


def test_a_call_that_ended_without_a_record_is_given_up_too_but_needs_no_rescue() -> None:
    watched = orphanage()
    assert watched.feed({"call": Entry("lost", 1, is_live=False)}, set(), 0.0) == ()
    assert watched.due(set(), SILENCE_S) == ("call",)


def test_a_call_whose_caller_is_given_to_a_human_is_given_longer() -> None:
    watched = orphanage()
    watched.said_farewell("gone")
    away = Entry("gone", 1, is_live=True, patience_s=50.0)
    watched.feed({"call": away, "other": live("gone")}, set(), 0.0)
    assert watched.due(set(), FAREWELL_S) == ("other",)
    assert watched.due(set(), FAREWELL_S + 49.9) == ()
    assert watched.due(set(), FAREWELL_S + 50.0) == ("call",)
