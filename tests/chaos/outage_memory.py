"""What was forgotten where a call changed its level: the model that answered next was not told what had been said."""

from collections.abc import Iterator, Sequence

from chaos.evidence import Evidence, Placed
from chaos.outage_times import is_answer, voices
from chaos.told import Told
from common.messages.facts import AgentSaid, CallerSaid, EpochChanged, ServiceLevelChanged, TurnEnded

_CLOCKS_S = 0.3
"""The call's media clock and the machine's differ by less."""
Answered = tuple[float, float]
"""The end of a turn and the beginning of its answer, in seconds of the machine's clock."""


def forgotten(evidence: Evidence, placed: Placed) -> list[str]:
    """The levels at which a model answered without having been told what had been said until then."""
    told = evidence.told
    return [
        f"call {placed.call.number}: at level {change.level} nobody knew {len(said)} turns"
        for change in told.of(placed.call_id, ServiceLevelChanged)
        if change.level in (0, 1, 2)
        and (answered := _answered(told, placed, change)) is not None
        and (said := list(_said_before(told, placed.call_id, change)))
        and not any(_knows(words, said) for words in _told_to(evidence, placed, change, answered))
    ]


def _answered(told: Told, placed: Placed, change: ServiceLevelChanged) -> Answered | None:
    """The first turn that a model answered at this level, before the next; None if there is none."""
    later = [each.at_ms for each in told.of(placed.call_id, ServiceLevelChanged) if each.at_ms > change.at_ms]
    until_ms = min(later, default=1 << 60)
    ended_ms = min(
        (fact.end_ms for fact in told.of(placed.call_id, TurnEnded) if fact.end_ms > change.at_ms), default=0
    )
    spoke = [
        voice.at_ms
        for voice in voices(told, placed.call_id)
        if is_answer(voice) and voice.epoch >= change.epoch and ended_ms < voice.at_ms < until_ms
    ]
    if not (0 < ended_ms < until_ms and spoke):
        return None
    zero_s = placed.call.first_frame_s
    return zero_s + ended_ms / 1000, zero_s + min(spoke) / 1000


def _said_before(told: Told, call_id: str, change: ServiceLevelChanged) -> Iterator[str]:
    """What was said, heard to its end and told by then, in order. What is told later was replayed."""
    facts = told.facts[call_id]
    turns = [
        fact
        for fact in facts[: facts.index(change)]
        if (isinstance(fact, CallerSaid) or (isinstance(fact, AgentSaid) and fact.heard_ms == fact.audio_ms))
        and fact.end_ms < change.at_ms
        and fact.text.strip()
    ]
    for turn in sorted(turns, key=lambda each: each.start_ms):
        yield turn.text.strip()


def _told_to(
    evidence: Evidence, placed: Placed, change: ServiceLevelChanged, answered: Answered
) -> Iterator[Sequence[str]]:
    """What each model that may have given the answer had been told."""
    ended_s, spoke_s = answered
    if change.level == 2:
        yield from (each.words for each in evidence.chats if ended_s - _CLOCKS_S < each.at_s < spoke_s + _CLOCKS_S)
    else:
        for epoch in evidence.told.of(placed.call_id, EpochChanged):
            session = evidence.sessions.get(epoch.realtime_session_id)
            is_then = epoch.epoch >= change.epoch and placed.call.first_frame_s + epoch.at_ms / 1000 <= spoke_s
            if is_then and session is not None:
                yield [item.text.strip() for item in session.items]


def _knows(words: Sequence[str], said: Sequence[str]) -> bool:
    """True if all that was said is there, in order."""
    told = iter(words)
    return all(any(turn == word for word in told) for turn in said)
