"""Whether a caller has agreed: what words mean, and whether they were an answer to the question at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.messages.facts import AnyFact, CallerSaid, ToolCalled, TransferFailed, TurnEnded, TurnStarted
from orchestrator.core.confirmation import LASTS_MS, Agreement, agreed, talk_of
from orchestrator.core.consent import WORDS, Consent, reads_as

CALL = "CA1"


@pytest.mark.parametrize(
    ("text", "language", "consent"),
    [
        ("Yes, please.", "en", Consent.YES),
        ("OK, go ahead!", "en", Consent.YES),
        ("That’s right.", "en", Consent.YES),
        ("No.", "en", Consent.NO),
        ("Yes — no, wait!", "en", Consent.NO),
        ("I'm not sure.", "en", Consent.NO),
        ("Don't do it.", "en", Consent.NO),
        ("What was the date again?", "en", Consent.NEITHER),
        ("Yesterday I knew.", "en", Consent.NEITHER),
        ("", "en", Consent.NEITHER),
        ("はい、お願いします。", "ja", Consent.YES),
        ("いいえ、違います", "ja", Consent.NO),
        ("えっと、火曜日", "ja", Consent.NEITHER),
        ("Ja, genau.", "de", Consent.YES),
        ("Nein, bitte nicht!", "de", Consent.NO),
        ("Januar", "de", Consent.NEITHER),
        ("Oui, d’accord.", "fr", Consent.YES),
        ("Non, attendez.", "fr", Consent.NO),
        ("Sí, claro.", "es", Consent.YES),
        ("si", "es", Consent.NEITHER),
        ("No, espera.", "es", Consent.NO),
        ("yes", "xx", Consent.YES),
    ],
)
def test_words_read_as_a_yes_a_no_or_neither(text: str, language: str, consent: Consent) -> None:
    assert reads_as(text, language) is consent


@pytest.mark.parametrize("language", sorted(WORDS))
def test_no_word_is_a_yes_and_a_no(language: str) -> None:
    words = WORDS[language]
    assert all(reads_as(yes, language) is Consent.YES for yes in words.yes)
    assert all(reads_as(no, language) is Consent.NO for no in words.no)


@given(st.text(), st.sampled_from(sorted(WORDS)))
def test_any_words_can_be_read(text: str, language: str) -> None:
    assert reads_as(text, language) in Consent


def called(tool_call_id: str, at_ms: int) -> ToolCalled:
    return ToolCalled(
        call_id=CALL, at_ms=at_ms, item_id=tool_call_id, tool_call_id=tool_call_id, name="x", arguments=""
    )


def said(text: str, start_ms: int, item: str = "turn-1") -> CallerSaid:
    return CallerSaid(call_id=CALL, item_id=item, text=text, start_ms=start_ms, end_ms=start_ms + 500)


def verdict(*facts: AnyFact, asked: tuple[str, ...] = ("first",), request: str = "second") -> Agreement:
    return agreed(talk_of(facts), request, asked, "en").agreement


FIRST, SECOND = called("first", 10_000), called("second", 20_000)


def test_a_first_request_has_to_be_confirmed() -> None:
    assert verdict(FIRST, said("Yes", 12_000), SECOND, asked=()) is Agreement.MISSING


def test_a_yes_after_the_question_is_agreement_to_it() -> None:
    assert agreed(talk_of([FIRST, said("Yes, please", 12_000), SECOND]), "second", ("first",), "en").asked_by == "first"
    assert verdict(FIRST, said("Yes, please", 12_000), SECOND) is Agreement.GIVEN


def test_a_yes_spoken_before_the_question_is_no_answer_though_its_words_came_later() -> None:
    assert verdict(FIRST, said("Yes, delete it", 9_000), SECOND) is Agreement.MISSING


def test_silence_and_other_words_are_no_agreement() -> None:
    assert verdict(FIRST, SECOND) is Agreement.MISSING
    assert verdict(FIRST, said("Which one was it?", 12_000), SECOND) is Agreement.MISSING


def test_a_no_takes_back_a_yes_and_is_not_made_good_by_another() -> None:
    assert verdict(FIRST, said("Yes", 12_000), said("No, wait", 14_000, "turn-2"), SECOND) is Agreement.MISSING
    assert verdict(FIRST, said("No", 12_000), said("Yes", 14_000, "turn-2"), SECOND) is Agreement.MISSING


def test_after_a_no_the_question_asked_again_can_be_answered() -> None:
    again, third = called("again", 15_000), called("third", 20_000)
    facts = (FIRST, said("No", 12_000), again, said("Yes, do it", 16_000, "turn-2"), third)
    assert verdict(*facts, asked=("first", "again"), request="third") is Agreement.GIVEN


def test_a_yes_is_good_for_two_minutes() -> None:
    late = called("second", 12_500 + LASTS_MS)
    assert verdict(FIRST, said("Yes", 12_000), late) is Agreement.GIVEN
    assert verdict(FIRST, said("Yes", 12_000), called("second", 12_501 + LASTS_MS)) is Agreement.MISSING


@pytest.mark.parametrize("item", ["keys-1", "message-1", "prompt-1"])
def test_keys_and_messages_are_nobodys_yes(item: str) -> None:
    assert verdict(FIRST, said("yes", 12_000, item), SECOND) is Agreement.MISSING


@pytest.mark.parametrize(
    "open_turn",
    [
        TurnStarted(call_id=CALL, at_ms=12_000, speaker="caller", item_id="turn-9"),
        TurnEnded(call_id=CALL, at_ms=12_500, item_id="turn-9", end_ms=12_500),
    ],
)
def test_words_that_are_not_known_yet_are_waited_for(open_turn: AnyFact) -> None:
    assert verdict(FIRST, open_turn, SECOND) is Agreement.OPEN
    assert verdict(FIRST, said("Yes", 11_000), open_turn, SECOND) is Agreement.OPEN
    assert verdict(FIRST, open_turn, said("Yes", 12_000, "turn-9"), SECOND) is Agreement.GIVEN


def test_a_request_whose_own_fact_is_on_its_way_is_waited_for() -> None:
    assert verdict(FIRST, said("Yes", 12_000)) is Agreement.OPEN
    assert verdict(said("Yes", 12_000), SECOND) is Agreement.OPEN


def test_an_agent_that_speaks_leaves_nothing_open() -> None:
    agent = TurnStarted(call_id=CALL, at_ms=12_000, speaker="agent", item_id="turn-9")
    assert verdict(FIRST, said("Yes", 11_000), agent, SECOND) is Agreement.GIVEN


def test_transfers_that_failed_are_counted() -> None:
    failed = TransferFailed(call_id=CALL, to="front-desk", why="busy")
    assert talk_of([FIRST, failed]).failed_transfers == 1
