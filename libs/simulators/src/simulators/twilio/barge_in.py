"""Measure interruptions: what the caller heard of the agent after beginning to speak."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from simulators.twilio.audibility import Interval

# Pauses inside an agent's sentence; a longer one is an end.
PAUSE_S = 0.4


@dataclass(frozen=True, slots=True)
class BargeIn:
    """A caller who spoke while the agent was audible; `cleared_s` is when the first clear after it arrived."""

    onset_s: float
    silent_s: float
    cleared_s: float | None


def barge_ins(onsets_s: Iterable[float], agent: Sequence[Interval], clears_s: Sequence[float]) -> list[BargeIn]:
    """The onsets of caller speech that met agent speech, in order, with how each ended."""
    utterances = _join(agent, clears_s)
    onsets = sorted(onsets_s)
    found = []
    for index, onset in enumerate(onsets):
        utterance = next((one for one in utterances if one.start_s <= onset < one.end_s), None)
        if utterance is not None:
            limit = onsets[index + 1] if index + 1 < len(onsets) else float("inf")
            cleared = next((clear for clear in clears_s if onset <= clear < limit), None)
            found.append(BargeIn(onset, utterance.end_s, cleared))
    return found


def _join(agent: Sequence[Interval], clears_s: Sequence[float]) -> list[Interval]:
    """Utterances: intervals joined over short pauses, but never over a clear (what follows it is a new answer)."""
    joined: list[Interval] = []
    for interval in agent:
        last = joined[-1] if joined else None
        if (
            last is not None
            and interval.start_s - last.end_s < PAUSE_S
            and not any(last.start_s < clear <= interval.start_s for clear in clears_s)
        ):
            last.end_s = interval.end_s
        else:
            joined.append(Interval(interval.start_s, interval.end_s))
    return joined
