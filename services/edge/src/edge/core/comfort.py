"""When a local clip has to cover silence that is ours: nobody can be heard, a turn falters, an answer is overdue."""

import math
from dataclasses import dataclass
from typing import Final

from edge.core.loudness import is_loud

COVER_AFTER_S: Final = 0.2
"""Of silence that a lost talker has to do with; the caller should notice a living line within 0.35 s."""
COVER_TURN_AFTER_S: Final = 0.3
"""Of silence in the middle of a turn: its talker may be frozen, which takes longer to find out."""
CLIPS_A_TURN: Final = 3
"""By then another talker is sought, or the turn's end was lost on the way."""
COVER_LATE_ANSWER_AFTER_S: Final = 2.0
"""Nobody is left in silence without reason for longer."""
REPEAT_EVERY_S: Final = 2.0
ANSWER_AFTER_S: Final = 1.0
"""Of the caller's silence: about when a talker would have answered."""
NOISE_AFTER_S: Final = 12.0
"""Who is loud for longer without such a pause does not speak: the caller is in a noisy place."""
LISTEN_ON_FOR_S: Final = 1.5
"""The next talker, or the one that is back, needs so long to hear what was said meanwhile."""


@dataclass(frozen=True, slots=True)
class Line:
    """What the caller's line is like now."""

    is_silent: bool
    """The carrier has played everything."""
    is_talker_reachable: bool
    """Somebody talks, and could be heard."""
    missed_since: float | None = None
    """The last sign of life of the talker, or of the one that was lost, if it left a question unanswered since."""
    awaited_since: float | None = None
    """Since when the caller waits for an answer (monotonic seconds)."""
    is_mid_turn: bool = False
    """The agent has begun to speak, and more is to come."""


class Comfort:
    """Fed with the line after every change; `is_due` says when to play the clip.

    While its talker is lost or misses questions, the line is disturbed. What the caller is owed then is covered sooner,
    also when the next talker has come and has yet to answer; and with nobody else to listen, we hear for ourselves
    whether the caller speaks (`hear`): the clip waits for that, as an answer would.
    """

    def __init__(self, now: float, *, has_begun: bool = False) -> None:
        """`has_begun`: the caller has been talked to before; else time is given for the greeting."""
        self._line = Line(is_silent=True, is_talker_reachable=False)
        self._silent_since: float | None = now
        self._disturbed_since = now
        self._disturbed_until = math.inf
        self._spoke_at = -math.inf
        """When the caller was last heard in this disturbance."""
        self._has_begun = has_begun
        self._played_at = -math.inf
        self._clips_in_turn = 0

    def feed(self, line: Line, now: float) -> None:
        """Take the line as it is now."""
        self._silent_since = None if not line.is_silent else now if self._silent_since is None else self._silent_since
        self._note_disturbance(line, now)
        if not line.is_mid_turn:
            self._clips_in_turn = 0
        self._line = line

    def _note_disturbance(self, line: Line, now: float) -> None:
        is_disturbed = not line.is_talker_reachable or line.missed_since is not None
        if is_disturbed and self._disturbed_until < math.inf:
            self._disturbed_since = now if line.missed_since is None else line.missed_since
            self._disturbed_until, self._spoke_at = math.inf, -math.inf
        elif not is_disturbed and self._disturbed_until == math.inf:
            self._disturbed_until = now if self._has_begun else -math.inf
        self._has_begun = self._has_begun or line.is_talker_reachable

    def listens(self, now: float) -> bool:
        """True while what the caller says is to be given to `hear`."""
        return now < self._disturbed_until + LISTEN_ON_FOR_S

    def hear(self, frame: bytes, now: float) -> None:
        """Take what the caller says, or said at `now`."""
        if is_loud(frame):
            self._spoke_at = max(self._spoke_at, now)

    def next_deadline(self) -> float:
        """When the clip is due if nothing changes; infinity if it is not."""
        if self._silent_since is None:
            return math.inf
        due = self._due_after_silence(self._silent_since)
        if self._spoke_at > self._played_at:
            is_noise_at = max(self._played_at, self._disturbed_since) + NOISE_AFTER_S
            return max(due, min(self._spoke_at + ANSWER_AFTER_S, is_noise_at))
        return max(due, self._played_at + REPEAT_EVERY_S)

    def _due_after_silence(self, silent_since: float) -> float:
        line = self._line
        if not line.is_talker_reachable:
            patience = COVER_AFTER_S if self._has_begun else COVER_LATE_ANSWER_AFTER_S
            return max(silent_since, self._disturbed_since) + patience
        if line.is_mid_turn and self._clips_in_turn < CLIPS_A_TURN:
            return silent_since + COVER_TURN_AFTER_S
        if line.awaited_since is None:
            return self._due_after_speech(silent_since)
        owed_since = max(silent_since, line.awaited_since)
        if line.awaited_since <= self._disturbed_until:
            return max(owed_since, self._disturbed_since) + COVER_AFTER_S
        return owed_since + COVER_LATE_ANSWER_AFTER_S

    def _due_after_speech(self, silent_since: float) -> float:
        """Nobody has told us that the caller waits, but we have heard it, and nothing from our side since."""
        due = self._spoke_at + ANSWER_AFTER_S
        is_owed = self._spoke_at > max(silent_since, self._played_at) and due < self._disturbed_until + LISTEN_ON_FOR_S
        return due if is_owed else math.inf

    def is_due(self, now: float) -> bool:
        """True if the clip is to be played now; then it counts as played."""
        if now < self.next_deadline():
            return False
        self._played_at = now
        self._clips_in_turn += self._line.is_mid_turn
        return True
