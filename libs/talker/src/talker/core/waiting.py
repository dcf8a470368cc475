"""Whether the caller waits for the agent's voice, for how long, and when to ask again."""

from typing import Final

from common.fsm import Machine
from talker.core.floor import FLOOR, WAITING, Floor, Moment
from talker.core.subject import Patience

NEVER: Final = float("inf")


class Waiting:
    """The floor with its two timers: the answer's deadline, which retries do not extend, and the next try."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._machine = Machine(FLOOR, Floor.QUIET)
        self._answer_due = NEVER
        self._retry_at = NEVER
        self._failures = 0
        self._has_given_up = False

    @property
    def floor(self) -> Floor:
        """Whose move it is."""
        return self._machine.state

    @property
    def is_waiting(self) -> bool:
        """True while the caller waits for the agent's voice."""
        return self.floor in WAITING

    @property
    def has_given_up(self) -> bool:
        """True if another talker was asked for and the agent's voice has not come since."""
        return self._has_given_up

    def move(self, moment: Moment, now: float) -> None:
        """Move the floor, and start or stop the clock of the caller's patience."""
        was_waiting = self.is_waiting
        floor = self._machine.move(moment)
        self._retry_at = NEVER
        if floor is Floor.AGENT:
            self._has_given_up = False
        if floor in (Floor.QUIET, Floor.CALLER):
            self._failures = 0
        if not self.is_waiting or self._has_given_up:
            self._answer_due = NEVER
        elif not was_waiting or moment is Moment.CALLER_ENDED:
            self._answer_due = now + self._patience.answer_s

    def retry_later(self, now: float) -> bool:
        """Plan another try; False if there were enough of them."""
        if self._failures >= self._patience.retries:
            return False
        self._retry_at = now + self._patience.retry_first_s * 2**self._failures
        self._failures += 1
        return True

    def give_up(self) -> bool:
        """Stop waiting until the agent's voice comes after all. False if that was decided before."""
        self._answer_due = self._retry_at = NEVER
        was_decided, self._has_given_up = self._has_given_up, True
        return not was_decided

    def is_overdue(self, now: float) -> bool:
        """True if the caller has waited too long."""
        return now >= self._answer_due

    def is_retry_due(self, now: float) -> bool:
        """True if the next try is due."""
        return now >= self._retry_at

    def next_deadline(self) -> float:
        """When either comes."""
        return min(self._answer_due, self._retry_at)
