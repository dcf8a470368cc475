"""Whose move it is on the line, as far as the edge learns it from facts."""

from common.messages.facts import AnyFact, TurnEnded, TurnStarted
from edge.core.clock import LegClock


class TurnTaking:
    """Fed with the beginnings and ends of turns; times are monotonic seconds."""

    def __init__(self) -> None:
        self._is_caller_speaking = False
        self._awaited_since: float | None = None

    @property
    def is_free(self) -> bool:
        """True if the caller neither speaks nor waits for an answer."""
        return not self._is_caller_speaking and self._awaited_since is None

    @property
    def awaited_since(self) -> float | None:
        """Since when the caller waits for an answer, if so."""
        return self._awaited_since

    def follow(self, fact: AnyFact, clock: LegClock, now: float) -> bool:
        """Take a fact of the call. True if it says whose move it is now."""
        match fact:
            case TurnStarted(speaker="caller"):
                self.caller_began()
            case TurnEnded(end_ms=end_ms):
                self.caller_ended(clock.moment(end_ms, now))
            case TurnStarted(speaker="agent"):
                self.agent_began()
            case _:
                return False
        return True

    def caller_began(self) -> None:
        """The caller speaks."""
        self._is_caller_speaking, self._awaited_since = True, None

    def caller_ended(self, now: float) -> None:
        """The caller has finished; an answer is due."""
        self._is_caller_speaking, self._awaited_since = False, now

    def agent_began(self) -> None:
        """The answer comes."""
        self._awaited_since = None

    def agent_broke_off(self, now: float) -> None:
        """The agent's turn will not be completed by its talker: the rest is due."""
        if self.is_free:
            self._awaited_since = now

    def talker_changed(self) -> None:
        """The new talker hears the open turn from its beginning, and tells of it anew."""
        self._is_caller_speaking = False
