"""Whether anybody still listens to us: without caller audio we ask, and leave when nobody answers."""

from typing import Final, Literal

ASK_AFTER_S: Final = 3.0

Due = Literal["ask", "leave"] | None


class Attendance:
    """`check` it when `next_check` comes. Twilio sends audio all the time, also when the caller is silent."""

    def __init__(self, orphan_s: float, now: float) -> None:
        self._orphan_s = orphan_s
        self._confirmed_at = now
        self._asked_at = now - ASK_AFTER_S
        self.next_check = now + min(ASK_AFTER_S, orphan_s)

    def confirm(self, now: float) -> None:
        """The edge says that we are its talker all the same, or nobody can know at the moment."""
        self._confirmed_at = max(self._confirmed_at, now)

    def check(self, heard_at: float, now: float) -> Due:
        """What to do at `now`, if the last caller audio came at `heard_at`."""
        known_at = max(heard_at, self._confirmed_at)
        if now - known_at >= self._orphan_s:
            self.next_check = now + ASK_AFTER_S
            return "leave"
        ask_at = max(heard_at, self._asked_at) + ASK_AFTER_S
        if now >= ask_at:
            self._asked_at = now
        self.next_check = min(max(heard_at, self._asked_at) + ASK_AFTER_S, known_at + self._orphan_s)
        return "ask" if now >= ask_at else None
