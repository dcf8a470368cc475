"""The verdict on one call and on a round, from the peers' recordings alone."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from chaos.memory import Memory, played_cells, recall
from chaos.recorded import CELLS_PER_FRAME, Call, Recordings, Session
from chaos.silences import ModelPace, Silence, dues, silences
from chaos.voices import double_talk_frames, foreign_frames, order_heard, repeated_frames

PUNCTUAL_S: Final = 0.3
"""An answer that came so much before it was reckoned to be due is the one that was due."""


SEAM_S: Final = 0.001
"""Two voices that follow each other without a gap are no further apart than this: seconds are no exact numbers."""


@dataclass(frozen=True, slots=True)
class Strike:
    """When the fault struck, and until when its effects are looked for (the call's end, if None)."""

    at_s: float
    until_s: float | None = None


@dataclass(frozen=True, slots=True)
class Takeover:
    """A session that took a call over after the fault. Seconds since the fault."""

    session: int
    asked_s: float
    """The first the model heard of it: the upgrade request, or the configuration of a session opened ahead."""
    ready_s: float
    """Configured and told the conversation, as far as it ever was before its first answer."""
    speaking_s: float | None
    """The caller heard it: so long after the fault, or after the moment from which on it was owed. None: never."""


@dataclass(frozen=True, slots=True)
class CallVerdict:
    """One call. Times are seconds since the fault; None: it did not happen."""

    number: int
    lost_because: str | None
    sessions: tuple[int, ...]
    takeovers: tuple[Takeover, ...]
    noticed_s: float | None
    """The first sign at any peer that somebody noticed: a new session, the local clip, the carrier asking again."""
    reattached_s: tuple[float, ...]
    """From the carrier's asking how to go on to the new stream."""
    silences: tuple[Silence, ...]
    """Those that began after the fault, or lasted into it."""
    double_talk_frames: int
    foreign_frames: int
    repeated_frames: int
    memory: Memory
    caller_frames_lost: int
    """Frames of the caller's, between the first and the last that a session was given, that none was ever given."""
    tools_asked: int
    tools_twice: int

    @property
    def is_affected(self) -> bool:
        """The fault met this call: another session or another stream came."""
        return bool(self.takeovers or self.reattached_s)


def judge(recordings: Recordings, strike: Strike, pace: ModelPace) -> list[CallVerdict]:
    """Every call, in the order of their numbers."""
    by_number = {session.number: session for session in recordings.sessions}
    return [_judge(call, by_number, strike, pace) for call in sorted(recordings.calls, key=lambda each: each.number)]


def _judge(call: Call, all_sessions: Mapping[int, Session], strike: Strike, pace: ModelPace) -> CallVerdict:
    sessions = sessions_of(call, all_sessions.values())
    speeches = {session.number: session.speeches for session in all_sessions.values()}
    takeovers = tuple(_takeovers(call, sessions, strike, dues(call, speeches, pace)))
    return CallVerdict(
        number=call.number,
        lost_because=_lost_because(call, strike),
        sessions=tuple(session.number for session in sessions),
        takeovers=takeovers,
        noticed_s=_noticed(call, takeovers, strike),
        reattached_s=tuple(_reattachments(call, strike)),
        silences=tuple(_after(silences(call, speeches, pace), strike)),
        double_talk_frames=double_talk_frames(call.heard),
        foreign_frames=foreign_frames(call.heard, call.number, all_sessions),
        repeated_frames=repeated_frames(call.heard),
        memory=recall(call, sessions),
        caller_frames_lost=_caller_frames_lost(call, sessions),
        tools_asked=sum(len(session.tools_asked) for session in sessions),
        tools_twice=sum(_repeats(session.tools_returned) for session in sessions),
    )


def sessions_of(call: Call, sessions: Iterable[Session]) -> list[Session]:
    """The sessions that listened to this caller, in the order in which they began to, or to speak."""
    heard_s = {number: min(r.start_s for r in call.heard if r.session == number) for number in order_heard(call.heard)}
    own = [each for each in sessions if each.caller == call.number]
    return sorted(own, key=lambda each: heard_s.get(each.number, each.first_audio_s or each.opened_s))


def _lost_because(call: Call, strike: Strike) -> str | None:
    """None if the caller ended it by script, and an agent answered the caller again after the fault."""
    if call.failure is not None:
        return call.failure
    asked = [turn.speech.end_s for turn in call.turns if turn.speech.end_s > strike.at_s]
    if not asked:
        return "the caller said nothing after the fault"
    if not any(run.start_s > asked[0] for run in call.heard):
        return "no agent answered after the fault"
    return None


def _takeovers(call: Call, sessions: Sequence[Session], strike: Strike, due_s: Sequence[float]) -> Iterator[Takeover]:
    for session in sessions[1:]:
        asked_s = _asked(session, strike)
        if asked_s < strike.at_s or (strike.until_s is not None and asked_s > strike.until_s):
            continue
        heard_s = next((run.start_s for run in call.heard if run.session == session.number), None)
        yield Takeover(
            session=session.number,
            asked_s=asked_s - strike.at_s,
            ready_s=_ready(session) - strike.at_s,
            speaking_s=_late(heard_s, call, strike, due_s) if heard_s is not None else None,
        )


def _late(heard_s: float, call: Call, strike: Strike, due_s: Sequence[float]) -> float:
    """How long speech was owed: since the fault, or since it was due, or since what was buffered had been played."""
    since = [at_s for at_s in due_s if at_s <= heard_s + PUNCTUAL_S]
    since += [run.end_s for run in call.heard if run.start_s < heard_s and run.end_s <= heard_s + SEAM_S]
    return max(0.0, heard_s - max(strike.at_s, *since))


def _asked(session: Session, strike: Strike) -> float:
    """Opened for this call, or ahead of need: then it heard of the call by its configuration."""
    if session.opened_s >= strike.at_s or not session.updated_s:
        return session.opened_s
    return next((at_s for at_s in session.updated_s if at_s >= strike.at_s), session.updated_s[0])


def _ready(session: Session) -> float:
    """The last configuration before its first answer (or at all): it follows what the session is told of the past.

    A seeded item may come later, when it turns out how much of an answer was heard.
    """
    answered_s = min((speech.started_s for speech in session.speeches), default=float("inf"))
    return max((at_s for at_s in session.updated_s if at_s <= answered_s), default=session.opened_s)


def _noticed(call: Call, takeovers: Sequence[Takeover], strike: Strike) -> float | None:
    signs = [takeover.asked_s for takeover in takeovers]
    signs += [at_s - strike.at_s for at_s in call.asked_again_s if at_s >= strike.at_s]
    signs += [at_s - strike.at_s for at_s in _clips(call) if at_s >= strike.at_s]
    return min(signs, default=None)


def _clips(call: Call) -> Iterator[float]:
    """When something of ours was heard that no model said: the local clip (or the carrier's own voice)."""
    for span in call.audible:
        overlap = any(run.start_s < span.end_s and run.end_s > span.start_s for run in call.heard)
        if not overlap:
            yield span.start_s


def _reattachments(call: Call, strike: Strike) -> Iterator[float]:
    for stream in call.streams[1:]:
        asked = [at_s for at_s in call.asked_again_s if at_s <= stream.start_s]
        if asked and stream.start_s >= strike.at_s:
            yield stream.start_s - asked[-1]


def _after(found: Sequence[Silence], strike: Strike) -> Iterator[Silence]:
    """Of a silence that had begun before the fault, only what lay after it."""
    for silence in found:
        is_over = silence.spoken_s is not None and silence.spoken_s <= strike.at_s
        if not is_over and (strike.until_s is None or silence.start_s <= strike.until_s):
            start_s = max(silence.start_s, strike.at_s)
            yield replace(silence, start_s=start_s, covered_s=max(silence.covered_s, start_s))


def _caller_frames_lost(call: Call, sessions: Sequence[Session]) -> int:
    if not sessions:
        return 0
    given = set().union(*(played_cells(call.number, session.caller_runs) for session in sessions))
    if not given:
        return 0
    spoken = range(min(given), max(given))
    return (len(spoken) - len(given.intersection(spoken))) // CELLS_PER_FRAME


def _repeats(names: Sequence[str]) -> int:
    return sum(count - 1 for count in Counter(names).values())
