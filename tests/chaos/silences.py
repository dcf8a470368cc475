"""How long a caller waited in silence for speech that was due.

Due is: the rest of an answer that broke off without the caller speaking over it, from its last sound on; and the answer
to a turn of the caller's, from when a healthy model would have given it on. Anything audible of our side covers it, the
local clip too; so does the caller, by speaking.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from chaos.recorded import Call, HeardRun, Span, Speech

Speeches: TypeAlias = Mapping[int, Sequence[Speech]]
"""The answers of each session."""

BREATH_S: Final = 0.04
"""Pauses shorter than this are none: the mark of a cell that was cut in two is not read."""
COMPLETE_WITHIN_CELLS: Final = 5
"""An answer whose last cells are missing by no more than this was heard to its end."""
BARGE_IN_LEAD_S: Final = 0.1
"""Speech that stops while the caller speaks, or this much before, was cleared by barge-in or covered by the caller."""


@dataclass(frozen=True, slots=True)
class ModelPace:
    """How long a healthy model takes to answer: to notice that the caller has finished, and to its first audio."""

    turn_detection_s: float
    first_audio_s: float

    @property
    def answer_s(self) -> float:
        """From the caller's last sound to the agent's first."""
        return self.turn_detection_s + self.first_audio_s


@dataclass(frozen=True, slots=True)
class Silence:
    """Speech was due from `start_s` on; the first sound came at `covered_s`, an agent's at `spoken_s`.

    None: not before the call ended. `longest_s` is the longest stretch without any sound until an agent spoke.
    """

    start_s: float
    covered_s: float
    spoken_s: float | None
    longest_s: float

    @property
    def gap_s(self) -> float:
        """Until the first sound."""
        return self.covered_s - self.start_s


def silences(call: Call, speeches: Speeches, pace: ModelPace) -> list[Silence]:
    """Every time the caller waited in silence, in order."""
    sounds = _sounds(call)
    found = (_silence(due, call, sounds) for due in dues(call, speeches, pace))
    return [silence for silence in found if silence is not None and silence.longest_s > BREATH_S]


def dues(call: Call, speeches: Speeches, pace: ModelPace) -> list[float]:
    """Every moment from which on the agent owed the caller speech, in order."""
    return sorted({*_broken_off(call, speeches), *_unanswered(call, pace)})


def _sounds(call: Call) -> list[Span]:
    """Everything that covers a silence, merged: our side, and the caller's own speech."""
    spans = [
        *call.audible,
        *(Span(run.start_s, run.end_s) for run in call.heard),
        *(turn.speech for turn in call.turns),
    ]
    merged: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start_s):
        if merged and span.start_s <= merged[-1].end_s + BREATH_S:
            merged[-1] = Span(merged[-1].start_s, max(merged[-1].end_s, span.end_s))
        else:
            merged.append(span)
    return merged


def _broken_off(call: Call, speeches: Speeches) -> Iterator[float]:
    """When an answer stopped before its end though nobody spoke over it."""
    for index, run in enumerate(call.heard):
        following = call.heard[index + 1] if index + 1 < len(call.heard) else None
        if following is not None and following.start_s - run.end_s <= BREATH_S:
            continue
        speech = _speech_of(run, speeches.get(run.session, ()))
        is_whole = speech is None or run.end_cell >= speech.end_cell - COMPLETE_WITHIN_CELLS
        if not is_whole and not _is_barged_in(call, run.end_s):
            yield run.end_s


def _unanswered(call: Call, pace: ModelPace) -> Iterator[float]:
    """When the answer to each turn was due, unless the caller went on before or put the phone down."""
    ends = [turn.speech.end_s for turn in call.turns]
    nexts = [*(turn.speech.start_s for turn in call.turns[1:]), call.ended_s]
    for end_s, next_s in zip(ends, nexts, strict=False):
        if end_s + pace.answer_s < next_s:
            yield end_s + pace.answer_s


def _silence(due_s: float, call: Call, sounds: Sequence[Span]) -> Silence | None:
    """What came when from `due_s` on; None if something sounded right then."""
    spoken_s = _first_speech(due_s, call)
    until_s = min(spoken_s if spoken_s is not None else call.ended_s, _caller_speaks(due_s, call))
    stretches = list(_quiet(due_s, until_s, sounds))
    if not stretches:
        return None
    longest_s = max(span.end_s - span.start_s for span in stretches)
    covered_s = stretches[0].end_s if stretches[0].start_s == due_s else due_s
    return Silence(due_s, covered_s, spoken_s, longest_s)


def _quiet(start_s: float, until_s: float, sounds: Sequence[Span]) -> Iterator[Span]:
    at_s = start_s
    for span in sounds:
        if span.end_s <= at_s:
            continue
        if span.start_s >= until_s:
            break
        if span.start_s > at_s:
            yield Span(at_s, span.start_s)
        at_s = span.end_s
    if at_s < until_s:
        yield Span(at_s, until_s)


def _first_speech(due_s: float, call: Call) -> float | None:
    """When an agent spoke next; `due_s` if one was speaking then."""
    ends = [run.end_s for run in call.heard]
    at = bisect_left(ends, due_s + 1e-9)
    return max(due_s, call.heard[at].start_s) if at < len(call.heard) else None


def _caller_speaks(due_s: float, call: Call) -> float:
    return next((turn.speech.start_s for turn in call.turns if turn.speech.start_s >= due_s), call.ended_s)


def _speech_of(run: HeardRun, speeches: Sequence[Speech]) -> Speech | None:
    """The answer that the last cell of the run belongs to."""
    last = run.end_cell - 1
    return next((each for each in speeches if each.first_cell <= last < each.end_cell), None)


def _is_barged_in(call: Call, at_s: float) -> bool:
    return any(turn.speech.start_s - BARGE_IN_LEAD_S <= at_s <= turn.speech.end_s for turn in call.turns)
