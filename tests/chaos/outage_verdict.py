"""The verdict on the calls of an outage: what went otherwise than the outage allows, line by line."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise

from chaos.evidence import Evidence, Placed
from chaos.outage_memory import forgotten
from chaos.outage_times import is_answer, level_changes, voices
from chaos.outages import Outage
from chaos.told import Said, Told
from chaos.voices import double_talk_frames
from common.messages.breaker import BreakerState
from common.messages.facts import (
    FLEET,
    AgentSaid,
    BreakerChanged,
    CallStarted,
    EpochChanged,
    ServiceLevelChanged,
    TurnEnded,
)
from common.messages.offers import HandoverReason

_STILL_AWAY = frozenset({BreakerState.OPEN, BreakerState.HALF_OPEN})


def levels(told: Told, call_id: str) -> tuple[int, ...]:
    """The levels a call was served at, in order; a level nobody ever talked at does not count."""
    changes = level_changes(told, call_id)
    talkers = told.of(call_id, EpochChanged)
    is_first = bool(changes and talkers) and changes[0].epoch == talkers[0].epoch
    first = [] if is_first else [0]
    return tuple(level for level, _ in groupby([*first, *(change.level for change in changes)]))


def has_tripped(told: Told) -> bool:
    """Whether a breaker opened."""
    return any(change.standing.state is BreakerState.OPEN for change in told.of(FLEET, BreakerChanged))


def lost(evidence: Evidence) -> list[str]:
    """Calls that were not placed, did not go as scripted, or in which nobody answered any more."""
    failed = [f"call {each.call.number}: {each.call.failure}" for each in evidence.calls if each.call.failure]
    mute = [
        f"call {each.call.number}: nobody answered any more"
        for each in evidence.before
        if not each.call.failure and not _is_answered_after(evidence, each)
    ]
    return [*evidence.unplaced, *failed, *mute]


def wrongs(outage: Outage, evidence: Evidence) -> list[str]:
    """All of it, but for what only a prompt's words can tell (`unsaid`)."""
    return [
        *lost(evidence),
        *_levels(outage, evidence),
        *(line for each in evidence.before for line in _talkers(outage, evidence.told, each)),
        *(_one_dead_talker(evidence) if outage.one_talker_dies else ()),
        *(line for each in evidence.calls for line in _voices(evidence.told, each)),
        *_foreign_voices(evidence.calls),
        *(line for each in evidence.before for line in forgotten(evidence, each)),
        *_breakers(outage, evidence.told),
        *(_trusted_too_soon(evidence) if outage.stays_open else ()),
    ]


def unsaid(outage: Outage, evidence: Evidence, text: str) -> list[str]:
    """The calls that came to the menu for the outage's cause and were not told so."""
    told = evidence.told
    came = [
        each
        for each in evidence.calls
        if any(
            change.level == 3 and change.cause is outage.cause for change in told.of(each.call_id, ServiceLevelChanged)
        )
    ]
    heard = {each.call.number: " ".join(fact.text for fact in told.of(each.call_id, AgentSaid)) for each in came}
    missing = [f"call {number}: was not told {text!r}" for number, words in heard.items() if text not in words]
    return missing if came else ["no call came to the menu"]


# --- levels and talkers -----------------------------------------------------------------------------------------------


def _is_answered_after(evidence: Evidence, placed: Placed) -> bool:
    """Whether a model still spoke after the end, to what a caller of before asked then, if anything."""
    end_ms = (evidence.struck.ended_s - placed.call.first_frame_s) * 1000
    asked = [fact.end_ms for fact in evidence.told.of(placed.call_id, TurnEnded) if fact.end_ms > end_ms]
    answers = [voice for voice in voices(evidence.told, placed.call_id) if is_answer(voice)]
    if asked:
        return any(voice.at_ms >= min(asked) for voice in answers)
    items = {voice.item_id for voice in answers}
    said = evidence.told.of(placed.call_id, AgentSaid)
    return any(fact.end_ms > end_ms for fact in said if fact.item_id in items)


def _levels(outage: Outage, evidence: Evidence) -> Iterator[str]:
    went = {each.call_id: levels(evidence.told, each.call_id) for each in evidence.calls}
    groups = (
        (evidence.before, outage.levels),
        (evidence.during, outage.levels_during),
        (evidence.after, outage.levels_after),
    )
    for calls, allowed in groups:
        for each in calls:
            if went[each.call_id] not in allowed:
                yield f"call {each.call.number}: went through the levels {went[each.call_id]}"
    for each in evidence.before:
        if outage.is_home_again and went[each.call_id][-1] != outage.starts_at:
            yield f"call {each.call.number}: did not come back"
    if not any(outage.reaches in went[each.call_id] for each in evidence.before):
        yield f"no call came to level {outage.reaches}"


def _talkers(outage: Outage, told: Told, placed: Placed) -> Iterator[str]:
    epochs = told.of(placed.call_id, EpochChanged)
    if len(told.of(placed.call_id, CallStarted)) != 1:
        yield f"call {placed.call.number}: began more or less often than once"
    if not outage.moves_talkers and [each.reason for each in epochs] != [HandoverReason.START]:
        yield f"call {placed.call.number}: did not keep its talker and its epoch"


def _one_dead_talker(evidence: Evidence) -> Iterator[str]:
    """All calls of one talker move, once each, and no other call does."""
    talkers = {each: evidence.told.of(each.call_id, EpochChanged) for each in evidence.before}
    moved = {each: epochs for each, epochs in talkers.items() if len(epochs) > 1}
    dead = {epochs[0].talker_id for epochs in moved.values()}
    if len(dead) != 1:
        yield f"calls of {len(dead)} talkers moved"
    for each, epochs in talkers.items():
        if epochs and epochs[0].talker_id in dead and each not in moved:
            yield f"call {each.call.number}: was not taken over"
        if [epoch.reason for epoch in epochs[1:]] not in ([], [HandoverReason.TALKER_LOST]):
            yield f"call {each.call.number}: was moved for {', '.join(epoch.reason for epoch in epochs[1:])}"
        if any(epoch.talker_id in dead for epoch in epochs[1:]):
            yield f"call {each.call.number}: was given to a talker that is dead"


# --- voices -----------------------------------------------------------------------------------------------------------


def _voices(told: Told, placed: Placed) -> Iterator[str]:
    """By the marks in what the caller heard: sessions' marks arrive whole, of spoken sentences' enough to tell."""
    if frames := double_talk_frames(placed.call.heard):
        yield f"call {placed.call.number}: {frames} frames of a voice that another had followed"
    epochs = [each.epoch for each in told.of(placed.call_id, EpochChanged)]
    if any(later <= earlier for earlier, later in pairwise(epochs)):
        yield f"call {placed.call.number}: epochs went down"


def _foreign_voices(calls: Sequence[Placed]) -> Iterator[str]:
    """No voice is heard in two calls."""
    whose: dict[int, Placed] = {}
    for each in calls:
        for number in {run.session for run in each.call.heard}:
            if whose.setdefault(number, each) is not each:
                yield f"call {each.call.number}: heard a voice of call {whose[number].call.number}"


# --- breakers ---------------------------------------------------------------------------------------------------------


def openings(told: Told) -> Mapping[tuple[str, str], int]:
    """How often each breaker opened while it gave calls to its provider; a probe that fails is no opening."""
    counts: dict[tuple[str, str], int] = {}
    before: dict[tuple[str, str], BreakerState] = {}
    for change in told.of(FLEET, BreakerChanged):
        key, state = (change.standing.provider, change.standing.model), change.standing.state
        if state is BreakerState.OPEN and before.get(key) not in _STILL_AWAY:
            counts[key] = counts.get(key, 0) + 1
        before[key] = state
    return counts


def _breakers(outage: Outage, told: Told) -> Iterator[str]:
    counts = openings(told)
    if counts and not outage.may_trip:
        yield "a breaker opened"
    for (_, model), count in counts.items():
        if count > outage.opens_at_most:
            yield f"the breaker of {model} opened {count} times"


def _trusted_too_soon(evidence: Evidence) -> Iterator[str]:
    """Once open, every breaker is said to be so until the end, by more than one replica."""
    said = [each for each in evidence.told.standings if each.at_s < evidence.struck.ended_s]
    once_open = [each for each in said if _open(each)]
    if not once_open:
        yield "no replica said that a breaker is open"
        return
    later = [each for each in said if each.at_s >= once_open[0].at_s]
    if any(_open(once_open[0]) - _open(each) for each in later):
        yield "a breaker was said to be closed again before the end"
    if len({each.said.replica_id for each in later}) < 2:
        yield "only one replica ever decided"


def silence_between_replicas_s(told: Told) -> float | None:
    """The longest time from one replica's last word on the breakers to the next one's first."""
    pairs = [(one.at_s, other.at_s) for one, other in pairwise(told.standings) if _replica(one) != _replica(other)]
    return max((later_s - earlier_s for earlier_s, later_s in pairs), default=None)


def _replica(each: Said) -> str:
    return each.said.replica_id


def _open(each: Said) -> set[tuple[str, str]]:
    return {(one.provider, one.model) for one in each.said.standings if one.state in _STILL_AWAY}
