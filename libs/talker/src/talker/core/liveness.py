"""Whether the speech session still lives: one that says nothing is asked, and one that does not answer is given up."""

from typing import Final, Literal

QUIET_AFTER_S: Final = 1.5
"""A session without any event for so long is asked; providers are silent while nobody speaks."""
ANSWER_WITHIN_S: Final = 2.0
"""A socket can be healthy with nobody behind it: sessions were seen to swallow everything and answer nothing."""


class Liveness:
    """Fed with every sign of life; times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._heard_at = now
        self._asked_at: float | None = None

    def heard(self, now: float) -> None:
        """Any event of the session."""
        self._heard_at, self._asked_at = now, None

    @property
    def next_check(self) -> float:
        """When to call `check`."""
        return self._heard_at + QUIET_AFTER_S if self._asked_at is None else self._asked_at + ANSWER_WITHIN_S

    def check(self, now: float) -> Literal["ask", "dead"] | None:
        """What to do now; once dead, it is said once in a while until something is heard."""
        if now < self.next_check:
            return None
        was_asked, self._asked_at = self._asked_at is not None, now
        return "dead" if was_asked else "ask"
