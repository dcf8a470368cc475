"""How long it is worth asking for a tool, and when the caller should hear a word meanwhile."""

from typing import Final

UNANSWERED_S: Final = 20.0
"""Given up if nobody has ever answered for so long."""
SILENT_S: Final = 60.0
"""Given up so long after the last answer: whoever had it was lost, and nobody goes on with it."""
AT_MOST_S: Final = 600.0
"""Given up in any case."""
WORD_AFTER_S: Final = 3.0
"""Nobody has answered for so long: the caller should hear a word."""


class ToolPatience:
    """Of one tool call; times are monotonic seconds."""

    def __init__(self, now: float, unanswered_s: float = UNANSWERED_S) -> None:
        self._began_at = now
        self._unanswered_s = unanswered_s
        self._answered_at: float | None = None

    def answered(self, now: float) -> None:
        """Somebody works on it."""
        self._answered_at = now

    def is_over(self, now: float) -> bool:
        """True if nothing will come of it any more."""
        silent_until = self._began_at + self._unanswered_s
        if self._answered_at is not None:
            silent_until = self._answered_at + SILENT_S
        return now >= min(silent_until, self._began_at + AT_MOST_S)

    def is_word_due(self, now: float) -> bool:
        """True once nobody has answered for a while."""
        return self._answered_at is None and now >= self._began_at + WORD_AFTER_S
