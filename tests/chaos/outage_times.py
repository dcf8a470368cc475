"""How long the callers of an outage waited: to be told something, to be answered, to be back where they belong."""

from collections.abc import Sequence
from typing import Final

from chaos.evidence import Evidence, Placed, Struck
from chaos.silences import ModelPace, silences
from chaos.told import Told
from common.messages.facts import ServiceLevelChanged, TurnEnded, TurnStarted

_MENU: Final = 3


def spoken_to_ms(told: Told, placed: Placed, struck: Struck) -> float | None:
    """As `answered_ms`, but a prompt counts: the caller was told something."""
    return _first_voice_ms(told, placed, struck, [fact.at_ms for fact in voices(told, placed.call_id)])


def answered_ms(told: Told, placed: Placed, struck: Struck) -> float | None:
    """From the end of the first turn that nobody had answered when it struck to the agent's voice. None: no such turn.

    A prompt that asks for patience is no answer. Of a caller who spoke again meanwhile, the longest wait in between.
    """
    answers = [fact.at_ms for fact in voices(told, placed.call_id) if is_answer(fact)]
    return _first_voice_ms(told, placed, struck, answers)


def spoke_ms(placed: Placed) -> float | None:
    """From the stream to the first sound of ours."""
    if not placed.call.streams:
        return None
    attached_s = placed.call.streams[0].start_s
    first_s = min((span.start_s for span in placed.call.audible if span.start_s >= attached_s), default=None)
    return None if first_s is None else (first_s - attached_s) * 1000


def back_ms(told: Told, placed: Placed, struck: Struck) -> float | None:
    """From the end of the outage to the call's last change of level. None: it had none after it."""
    changes = level_changes(told, placed.call_id)
    since_ms = placed.call.first_frame_s * 1000 + changes[-1].at_ms - struck.ended_s * 1000 if changes else -1.0
    return since_ms if since_ms >= 0 else None


def gap_ms(evidence: Evidence, placed: Placed, pace: ModelPace) -> float:
    """The longest silence while speech was due, until the first sound; only what lay after the outage had begun.

    In the menu none is due: it has said what can be pressed, and waits.
    """
    speeches = {session.number: session.speeches for session in evidence.sessions.values()}
    began_s = evidence.struck.began_s
    found = (
        each
        for each in silences(placed.call, speeches, pace)
        if _level_at(evidence.told, placed, each.covered_s) != _MENU
    )
    return 1000 * max([0.0, *(each.covered_s - max(each.start_s, began_s) for each in found)])


def _level_at(told: Told, placed: Placed, at_s: float) -> int:
    at_ms = (at_s - placed.call.first_frame_s) * 1000
    changes = [each for each in level_changes(told, placed.call_id) if each.at_ms <= at_ms]
    return changes[-1].level if changes else 0


def level_changes(told: Told, call_id: str) -> list[ServiceLevelChanged]:
    """In their order: a talker that is replaced may still tell of a change when the next has told of its own."""
    return sorted(told.of(call_id, ServiceLevelChanged), key=lambda each: (each.epoch, each.at_ms))


def voices(told: Told, call_id: str) -> list[TurnStarted]:
    """Each time an agent began to speak."""
    return [fact for fact in told.of(call_id, TurnStarted) if fact.speaker == "agent"]


def is_answer(fact: TurnStarted) -> bool:
    """A model spoke, not a prompt."""
    return not fact.item_id.startswith("prompt")


def _first_voice_ms(told: Told, placed: Placed, struck: Struck, spoke_ms: Sequence[int]) -> float | None:
    struck_ms = (struck.began_s - placed.call.first_frame_s) * 1000
    for ended in _ends(told, placed):
        voice = next((at_ms for at_ms in spoke_ms if at_ms >= ended), None)
        if voice is None:
            return None
        if voice > struck_ms:
            return _longest_wait_ms(told, placed, max(ended, struck_ms), voice)
    return None


def _longest_wait_ms(told: Told, placed: Placed, since_ms: float, voice_ms: int) -> float:
    """Without speaking, between the two."""
    began = [fact.at_ms for fact in told.of(placed.call_id, TurnStarted) if fact.speaker == "caller"]
    waits = []
    for ended in (since_ms, *(end for end in _ends(told, placed) if since_ms < end <= voice_ms)):
        spoke_again = min((at_ms for at_ms in began if at_ms > ended), default=voice_ms)
        waits.append(min(voice_ms, spoke_again) - ended)
    return max(waits)


def _ends(told: Told, placed: Placed) -> list[int]:
    return sorted(fact.end_ms for fact in told.of(placed.call_id, TurnEnded))
