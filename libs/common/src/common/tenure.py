"""Whether a lease is ours: we hold it, and have proven so lately."""

from typing import Final

RENEW_EVERY_S: Final = 0.5
MARGIN_S: Final = 0.5
"""The holder stops deciding so long before its lease can be another's: renewals take time, clocks drift."""


class Tenure:
    """Fed with what came of each attempt at the lease; times are monotonic seconds of when the attempt began."""

    def __init__(self, lease_s: float) -> None:
        """`lease_s`: how long a lease lasts unless it is renewed."""
        self._lease_s = lease_s
        self._until = float("-inf")

    def won(self, asked_at: float) -> None:
        """The lease is ours, or ours again."""
        self._until = asked_at + self._lease_s - MARGIN_S

    def lost(self) -> None:
        """Somebody else has it."""
        self._until = float("-inf")

    def holds(self, now: float) -> bool:
        """True while nobody else can have it. Not knowing how an attempt ended changes nothing until it runs out."""
        return now < self._until
