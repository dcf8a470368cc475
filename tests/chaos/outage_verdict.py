"""The verdict on the calls of an outage: their levels, how soon they were answered, what was forgotten."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from chaos.outages import Outage
from chaos.told import Told
from common.messages.breaker import BreakerState
from common.messages.facts import (
    FLEET,
    AgentSaid,
    BreakerChanged,
    CallerSaid,
    CallStarted,
    EpochChanged,
    ServiceLevelChanged,
    TurnEnded,
    TurnStarted,
)
from common.messages.offers import HandoverReason

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """One call as the carrier saw it."""

    call_id: str
    failure: str | None
    first_frame_s: float
    attached_s: float
    audible_s: tuple[float, ...]
    """When something of our side began to be heard."""


@dataclass(frozen=True, slots=True)
class Struck:
    """When the outage began and ended (monotonic seconds)."""

    began_s: float
    ended_s: float


def read_placed(result: Json) -> Placed:
    """From the carrier's result (`CallResult.as_json`)."""
    return Placed(
        call_id=result["call_sid"],
        failure=result["failure"],
        first_frame_s=result["first_frame_monotonic_s"],
        attached_s=result["streams"][0]["attached_monotonic_s"] if result["streams"] else 0.0,
        audible_s=tuple(each["start_monotonic_s"] for each in result["agent_audible"]),
    )


def levels(told: Told, call_id: str) -> tuple[int, ...]:
    """The levels a call was served at, in order; a level nobody ever talked at does not count."""
    changes = told.of(call_id, ServiceLevelChanged)
    talkers = told.of(call_id, EpochChanged)
    is_first = bool(changes and talkers) and changes[0].epoch == talkers[0].epoch
    first = [] if is_first else [0]
    return tuple(level for level, _ in groupby([*first, *(change.level for change in changes)]))


def spoken_to_ms(told: Told, call: Placed, struck: Struck) -> float | None:
    """As `answered_ms`, but a prompt counts: the caller was told something."""
    return _first_voice_ms(told, call, struck, [fact.at_ms for fact in _voices(told, call)])


def answered_ms(told: Told, call: Placed, struck: Struck) -> float | None:
    """From the end of the first turn that nobody had answered when it struck to the agent's voice. None: no such turn.

    A prompt that asks for patience is no answer.
    """
    return _first_voice_ms(told, call, struck, [fact.at_ms for fact in _voices(told, call) if _is_answer(fact)])


def _first_voice_ms(told: Told, call: Placed, struck: Struck, voices: Sequence[int]) -> float | None:
    struck_ms = (struck.began_s - call.first_frame_s) * 1000
    for ended in sorted(fact.end_ms for fact in told.of(call.call_id, TurnEnded)):
        answer = next((at_ms for at_ms in voices if at_ms >= ended), None)
        if answer is None or answer > struck_ms:
            return None if answer is None else answer - max(ended, struck_ms)
    return None


def _voices(told: Told, call: Placed) -> list[TurnStarted]:
    return [fact for fact in told.of(call.call_id, TurnStarted) if fact.speaker == "agent"]


def _is_answer(fact: TurnStarted) -> bool:
    return not fact.item_id.startswith("prompt")


def spoke_ms(call: Placed) -> float | None:
    """From the stream to the first sound of ours."""
    first = min((at_s for at_s in call.audible_s if at_s >= call.attached_s), default=None)
    return None if first is None else (first - call.attached_s) * 1000


def back_ms(told: Told, call: Placed, struck: Struck) -> float | None:
    """From the end of the outage to the call's last change of level."""
    changes = told.of(call.call_id, ServiceLevelChanged)
    return call.first_frame_s * 1000 + changes[-1].at_ms - struck.ended_s * 1000 if changes else None


def has_moved(told: Told, call: Placed) -> bool:
    """Whether another talker took it over."""
    return any(change.reason is not HandoverReason.START for change in told.of(call.call_id, EpochChanged))


def has_tripped(told: Told) -> bool:
    """Whether a breaker opened."""
    return any(change.standing.state is BreakerState.OPEN for change in told.of(FLEET, BreakerChanged))


# --- what was forgotten -----------------------------------------------------------------------------------------------


def forgotten(told: Told, call: Placed, sessions: Sequence[Json], chats: Sequence[Json]) -> list[str]:
    """The levels at which somebody answered without having been told what had been said until then."""
    return [
        f"call {call.call_id}: at level {change.level} nobody knew {len(said)} turns"
        for change in told.of(call.call_id, ServiceLevelChanged)
        if change.level in (0, 2) and _has_answered(told, call, change)
        if (said := list(_said_before(told, call.call_id, change)))
        if not any(_knows(words, said) for words in _told_to(change.level, sessions, chats))
    ]


def _has_answered(told: Told, call: Placed, change: ServiceLevelChanged) -> bool:
    """Whether a model answered at this level, before the next."""
    later = [each.at_ms for each in told.of(call.call_id, ServiceLevelChanged) if each.at_ms > change.at_ms]
    until_ms = min(later, default=1 << 60)
    asked = [fact.end_ms for fact in told.of(call.call_id, TurnEnded) if change.at_ms < fact.end_ms < until_ms]
    return any(
        _is_answer(voice) and asked and min(asked) < voice.at_ms < until_ms
        for voice in _voices(told, call)
        if voice.epoch >= change.epoch
    )


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


def _told_to(level: int, sessions: Sequence[Json], chats: Sequence[Json]) -> Iterable[list[str]]:
    if level == 2:
        return ([str(each["content"] or "").strip() for each in chat["asked"]["messages"]] for chat in chats)
    return ([str(item["text"]).strip() for item in session["items"]] for session in sessions)


def _knows(words: Sequence[str], said: Sequence[str]) -> bool:
    """True if all that was said is there, in order."""
    told = iter(words)
    return all(any(turn == word for word in told) for turn in said)


def wrongs(outage: Outage, told: Told, before: Sequence[Placed], during: Sequence[Placed]) -> list[str]:
    """What went otherwise than the outage allows, but for what was forgotten."""
    calls = [*before, *during]
    allowed = {call.call_id: outage.levels for call in before} | {call.call_id: outage.levels_during for call in during}
    found = [f"call {call.call_id} failed: {call.failure}" for call in calls if call.failure]
    for call in calls:
        went = levels(told, call.call_id)
        if went not in allowed[call.call_id]:
            found.append(f"call {call.call_id} went through the levels {went}")
        if call in before and outage.is_home_again and went[-1] != outage.starts_at:
            found.append(f"call {call.call_id} did not come back")
        if call in before and not outage.moves_talkers and has_moved(told, call):
            found.append(f"call {call.call_id} was moved")
        if len(told.of(call.call_id, CallStarted)) != 1:
            found.append(f"call {call.call_id} began more than once")
    if not any(levels(told, call.call_id) == outage.levels[0] for call in calls):
        found.append(f"no call went through the levels {outage.levels[0]}")
    if has_tripped(told) and not outage.may_trip:
        found.append("a breaker opened")
    return found


def unsaid(outage: Outage, told: Told, calls: Sequence[Placed], text: str) -> list[str]:
    """The calls that came to the menu for the outage's cause and were not told so."""
    came = [
        call
        for call in calls
        if any(
            change.level == 3 and change.cause is outage.cause for change in told.of(call.call_id, ServiceLevelChanged)
        )
    ]
    heard = {call.call_id: " ".join(fact.text for fact in told.of(call.call_id, AgentSaid)) for call in came}
    missing = [f"call {call_id} was not told {text!r}" for call_id, words in heard.items() if text not in words]
    return missing if came else ["no call came to the menu"]
