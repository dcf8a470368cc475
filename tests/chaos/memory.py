"""Whether a session that took a call over knew what had been said: its items, and the caller audio it was given.

For the caller's turns: the words stand in its items in order, or the audio was played to it whole. For the agent's:
what the caller heard of each answer of the sessions before stands there as text, as far as it was heard.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chaos.recorded import CELL_S, Call, CallerTurn, HeardRun, Item, Session, Span, Speech
from simulators.people.watermark import Run

WORD_TOLERANCE: Final = 2
TIME_TOLERANCE_MS: Final = 600
"""What was heard of an answer is known to the system by estimates: so many words, so much audio may be amiss."""
LOST_CELLS_TOLERATED: Final = 4
"""A turn counts as played to a session whole if no more of its cells are missing: 40 ms, less than a phoneme."""
SETTLING_S: Final = 1.5
"""What was said so shortly before a session ended, or the call, is the business of the next one."""
IN_FLIGHT_S: Final = 0.3
"""Audio sent so shortly before a stream broke may have been lost with the edge: no system can know it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the sessions of one call did not know, one line each, without a word of what was said."""

    expected: int
    missing: tuple[str, ...]
    unheard: tuple[str, ...]
    """Answers that a session remembers beyond what the caller can have heard of them."""


def recall(call: Call, sessions: Sequence[Session]) -> Memory:
    """Judge every session of the call that had audio of it, in the order they came."""
    expected, missing, unheard = 0, [], []
    for index, session in enumerate(sessions):
        turns = list(_turns_before(_ends_s(index, sessions, call), call))
        missing += [f"session {session.number}: caller turn {n}" for n in _forgotten_turns(call, session, turns)]
        answers = [answer for before in sessions[:index] for answer in _heard_answers(call, before)]
        result = _forgotten_answers(session, answers)
        missing += [f"session {session.number}: {answers[n].name}" for n in result.missing]
        unheard += [f"session {session.number}: {answers[n].name}" for n in result.unheard]
        expected += len(turns) + len(answers)
    return Memory(expected, tuple(missing), tuple(unheard))


def _ends_s(index: int, sessions: Sequence[Session], call: Call) -> float:
    """Until when the session was the call's."""
    following = sessions[index + 1].first_audio_s if index + 1 < len(sessions) else None
    ends = (call.ended_s, following, sessions[index].closed_s, sessions[index].dark_s)
    return min(each for each in ends if each is not None) - SETTLING_S


# --- the caller's turns ---------------------------------------------------------------------------------------------


def _turns_before(until_s: float, call: Call) -> Iterator[tuple[int, CallerTurn]]:
    return ((n, turn) for n, turn in enumerate(call.turns, 1) if turn.speech.end_s < until_s)


def _forgotten_turns(call: Call, session: Session, turns: Sequence[tuple[int, CallerTurn]]) -> Iterator[int]:
    known = [word for item in session.items if item.role == "user" for word in item.text.split()]
    at = 0
    for number, turn in turns:
        found = _find(turn.text.split(), known, at)
        if found is not None:
            at = found
        elif not was_played(call, turn, session.caller_runs):
            yield number


def _find(words: Sequence[str], known: Sequence[str], start: int) -> int | None:
    """The position after `words` in `known`, as one piece from `start` on."""
    for at in range(start, len(known) - len(words) + 1):
        if known[at : at + len(words)] == words:
            return at + len(words)
    return None


def was_played(call: Call, turn: CallerTurn, runs: Sequence[Run]) -> bool:
    """Whether the speech of a turn is in the audio, but for what the carrier had no stream for."""
    spoken = set(range(call.cell_at(turn.speech.start_s), call.cell_at(turn.speech.end_s)))
    carried = {cell for cell in spoken if _is_carried(call, cell)}
    return len(carried - played_cells(call.number, runs)) <= LOST_CELLS_TOLERATED


def played_cells(caller: int, runs: Sequence[Run]) -> set[int]:
    """The cells of this caller's audio among the runs."""
    return {cell for run in runs if run.number == caller for cell in range(run.first_cell, run.end_cell)}


def _is_carried(call: Call, cell: int) -> bool:
    at_s = call.first_frame_s + cell * CELL_S
    return any(stream.start_s <= at_s < _certain_end_s(stream, call) for stream in call.streams)


def _certain_end_s(stream: Span, call: Call) -> float:
    return stream.end_s if stream.end_s >= call.ended_s - 0.1 else stream.end_s - IN_FLIGHT_S


# --- the agent's answers --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of a session and how much of it the caller heard."""

    name: str
    speech: Speech
    heard_ms: float

    @property
    def certain_words(self) -> int:
        """Words of it that were heard for certain."""
        return max(0, self._words(self.heard_ms - TIME_TOLERANCE_MS) - WORD_TOLERANCE)

    @property
    def possible_words(self) -> int:
        """No more than so many can have been heard."""
        return self._words(self.heard_ms + TIME_TOLERANCE_MS) + WORD_TOLERANCE

    def _words(self, ms: float) -> int:
        words = len(self.speech.text.split())
        return min(words, max(0, int(ms / self.speech.audio_ms * words))) if self.speech.audio_ms else words


def _heard_answers(call: Call, session: Session) -> list[_Answer]:
    runs = [run for run in call.heard if run.session == session.number]
    answers = (
        _Answer(f"answer {n} of session {session.number}", speech, _heard_ms(speech, runs))
        for n, speech in enumerate(session.speeches, 1)
    )
    return [answer for answer in answers if answer.certain_words > 0]


def _heard_ms(speech: Speech, runs: Sequence[HeardRun]) -> float:
    """Up to where the answer was heard."""
    ends = [min(run.end_cell, speech.end_cell) for run in runs if run.first_cell < speech.end_cell]
    heard = max((end - speech.first_cell for end in ends if end > speech.first_cell), default=0)
    return heard * CELL_S * 1000


@dataclass(frozen=True, slots=True)
class _Result:
    missing: tuple[int, ...]
    unheard: tuple[int, ...]


def _forgotten_answers(session: Session, answers: Sequence[_Answer]) -> _Result:
    """Which of the answers do not stand in the session, in order, and which do beyond what was heard."""
    known = [item for item in session.items if item.role == "assistant" and item.is_seeded]
    missing: list[int] = []
    unheard: list[int] = []
    at = 0
    for number, answer in enumerate(answers):
        found = next((i for i in range(at, len(known)) if _tells(known[i], answer)), None)
        if found is None:
            missing.append(number)
            continue
        at = found + 1
        if len(known[found].text.split()) > answer.possible_words:
            unheard.append(number)
    return _Result(tuple(missing), tuple(unheard))


def _tells(item: Item, answer: _Answer) -> bool:
    """The item holds the beginning of the answer, as far as it was heard for certain."""
    said, told = answer.speech.text.split(), item.text.split()
    common = 0
    for one, other in zip(said, told, strict=False):
        if one.strip("….-—") != other.strip("….-—"):
            break
        common += 1
    return common >= answer.certain_words and common >= len(told) - 1
