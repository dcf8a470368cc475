"""The state of a provider's breaker: what the fallback service tells the fleet and is told by operators."""

from enum import StrEnum

from pydantic import Field

from common.messages.base import Message


class BreakerState(StrEnum):
    """Where a breaker stands by itself."""

    CLOSED = "closed"
    """The provider works: it gets every call."""
    OPEN = "open"
    """It does not: it gets none."""
    HALF_OPEN = "half_open"
    """It is tried out, without callers."""
    RAMPING = "ramping"
    """It is given a growing share of the new calls."""


class BreakerMode(StrEnum):
    """Who decides."""

    AUTO = "auto"
    OPEN = "open"
    """An operator keeps calls away from the provider."""
    CLOSED = "closed"
    """An operator trusts it, whatever happens."""


class TripReason(StrEnum):
    """Why a breaker opened."""

    FAILURES = "failures"
    CONNECTS = "connects"
    SLOW = "slow"
    PROBE = "probe"


class BreakerStanding(Message):
    """One breaker as it is now: said by the active replica every second, and kept in the bucket `control`."""

    provider: str
    model: str
    state: BreakerState
    mode: BreakerMode
    share: float = Field(ge=0, le=1)
    """Of the new calls, the provider may be given this one."""
    reason: TripReason | None = None
    attempts: int = Field(0, ge=0)
    failures: int = Field(0, ge=0)
    connects_failed_in_a_row: int = Field(0, ge=0)
    ready_p95_ms: int = Field(0, ge=0)
    changed_at: str = ""
    """Wall clock of the last change, ISO 8601 UTC; for people only."""
