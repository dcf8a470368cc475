"""Whether the caller has agreed to what a tool is about to do, judged by the facts of the call."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from common.messages.facts import AnyFact, CallerSaid, ToolCalled, TransferFailed, TurnEnded, TurnStarted
from orchestrator.core.consent import Consent, reads_as

LASTS_MS: Final = 120_000
"""A yes is good for this long."""
_NOT_SPOKEN: Final = ("keys-", "message-", "prompt-")
"""What ids of turns begin with that are keys, messages and recordings: nobody agreed by those."""


class Agreement(StrEnum):
    """What the facts say."""

    GIVEN = "given"
    MISSING = "missing"
    """The caller has to be asked, for the first time or again."""
    OPEN = "open"
    """Facts are still on their way: look again."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`asked_by` is the request whose question was answered, if agreement is given."""

    agreement: Agreement
    asked_by: str = ""


@dataclass(frozen=True, slots=True)
class Talk:
    """What matters of a call here. Times are milliseconds on the leg's clock."""

    called_at: dict[str, int] = field(default_factory=dict)
    """When each tool was asked for, by the id of the request."""
    said: tuple[CallerSaid, ...] = ()
    open_turns: dict[str, int] = field(default_factory=dict)
    """Caller turns whose words are not known yet, with when they began or ended."""
    failed_transfers: int = 0


def talk_of(facts: Iterable[AnyFact]) -> Talk:
    """Fold the facts of a call."""
    called_at: dict[str, int] = {}
    said: list[CallerSaid] = []
    began: dict[str, int] = {}
    failed_transfers = 0
    for fact in facts:
        match fact:
            case ToolCalled():
                called_at.setdefault(fact.tool_call_id, fact.at_ms)
            case TurnStarted(speaker="caller") | TurnEnded():
                began[fact.item_id] = fact.at_ms
            case CallerSaid() if not fact.item_id.startswith(_NOT_SPOKEN):
                said.append(fact)
            case TransferFailed():
                failed_transfers += 1
            case _:
                pass
    known = {each.item_id for each in said}
    open_turns = {item: at_ms for item, at_ms in began.items() if item not in known}
    return Talk(called_at, tuple(said), open_turns, failed_transfers)


def agreed(talk: Talk, request: str, asked: Sequence[str], language: str) -> Verdict:
    """Whether `request` may be carried out. `asked`: earlier requests for the same, answered with the question.

    The caller's words count by when they were spoken, not by when they became known: what was said before the question
    is no answer to it, though its transcript may come later.
    """
    if not asked:
        return Verdict(Agreement.MISSING)
    known = [each for each in asked if each in talk.called_at]
    if not known or request not in talk.called_at:
        return Verdict(Agreement.OPEN)
    newest = max(known, key=lambda each: talk.called_at[each])
    return Verdict(_answer(talk, talk.called_at[newest], talk.called_at[request], language), newest)


def _answer(talk: Talk, asked_ms: int, now_ms: int, language: str) -> Agreement:
    answers = [turn for turn in talk.said if turn.start_ms > asked_ms]
    read = [(turn, reads_as(turn.text, language)) for turn in answers]
    if any(consent is Consent.NO for _, consent in read):
        return Agreement.MISSING
    if any(asked_ms < at_ms for at_ms in talk.open_turns.values()):
        return Agreement.OPEN
    fresh = [turn for turn, consent in read if consent is Consent.YES and turn.end_ms >= now_ms - LASTS_MS]
    return Agreement.GIVEN if fresh else Agreement.MISSING
