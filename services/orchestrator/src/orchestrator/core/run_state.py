"""How far a request for a tool has come."""

from enum import StrEnum


class RunState(StrEnum):
    """As it is kept; everything but `RUNNING` is final for who asked."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It failed, or nobody knows whether it was carried out."""
    ASKED = "asked"
    """The caller has to say yes first: answered so, and not run."""
    CONFIRMED = "confirmed"
    """As `ASKED`, and the caller's yes has been used up by another request."""
