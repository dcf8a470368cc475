"""The conversation: spoken order from facts in any order."""

from hypothesis import given
from hypothesis import strategies as st

from common.conversation import Conversation, Turn

GREETING = Turn(speaker="agent", item_id="a1", text="Hello?", start_ms=0, end_ms=900)
QUESTION = Turn(speaker="caller", item_id="c1", text="Are you open?", start_ms=1_000, end_ms=2_000)
ANSWER = Turn(speaker="agent", item_id="a2", text="We are", start_ms=2_300, end_ms=4_000, is_interrupted=True)
THANKS = Turn(speaker="caller", item_id="c2", text="Thanks!", start_ms=3_500, end_ms=4_200)
SPOKEN = (GREETING, QUESTION, ANSWER, THANKS)


@given(st.permutations(SPOKEN))
def test_turns_stand_in_spoken_order_whatever_order_they_became_known_in(known: list[Turn]) -> None:
    conversation = Conversation()
    for turn in known:
        conversation.add(turn)
    assert conversation.turns == SPOKEN


@given(st.lists(st.sampled_from(SPOKEN)))
def test_a_turn_that_becomes_known_again_counts_once(known: list[Turn]) -> None:
    conversation = Conversation()
    for turn in known:
        conversation.add(turn)
    assert conversation.turns == tuple(turn for turn in SPOKEN if turn in known)


def test_a_later_word_on_the_same_item_replaces_the_earlier() -> None:
    conversation = Conversation()
    conversation.add(ANSWER)
    conversation.add(ANSWER.model_copy(update={"text": "We are open."}))
    assert [turn.text for turn in conversation.turns] == ["We are open."]


def test_what_is_known_ends_with_the_last_caller_turn() -> None:
    conversation = Conversation()
    assert conversation.known_until_ms == 0
    conversation.add(GREETING)
    assert conversation.known_until_ms == 0
    conversation.add(THANKS)
    conversation.add(QUESTION)
    assert conversation.known_until_ms == THANKS.end_ms
