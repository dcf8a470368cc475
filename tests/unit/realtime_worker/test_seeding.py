"""What a new session is told of the call."""

from common.conversation import Turn
from realtime_worker.backends.port import AddTurn, Respond
from realtime_worker.core.seeding import CONTINUED, opening, seed

ASKED = Turn(speaker="caller", item_id="item_1", text="When do you open?", start_ms=0, end_ms=900)
ANSWERED = Turn(speaker="agent", item_id="item_2", text="At nine.", start_ms=1000, end_ms=1900)
MUMBLED = Turn(speaker="caller", item_id="item_3", text="", start_ms=2000, end_ms=2900)


def test_a_call_that_has_just_begun_is_greeted_with_the_very_words_of_the_profile() -> None:
    assert seed(()) == ()
    greet = opening((), "Hello, how can I help?")
    assert greet is not None
    assert greet.instructions.endswith("Hello, how can I help?")


def test_a_running_call_is_told_in_order_and_not_greeted_again() -> None:
    assert seed((ASKED, ANSWERED)) == (
        AddTurn("caller", "When do you open?", "item_1"),
        AddTurn("agent", "At nine.", "item_2"),
        AddTurn("system", CONTINUED),
    )
    assert opening((ASKED, ANSWERED), "Hello.") is None


def test_a_caller_who_waits_is_answered() -> None:
    assert opening((ANSWERED, ASKED), "Hello.") == Respond()


def test_turns_without_words_are_not_items() -> None:
    assert seed((ANSWERED, MUMBLED)) == (AddTurn("agent", "At nine.", "item_2"), AddTurn("system", CONTINUED))
