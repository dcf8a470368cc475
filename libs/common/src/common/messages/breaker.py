"""The state of a provider's breaker: what the fallback service tells the fleet and is told by operators."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

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


class BreakerStandings(Message):
    """Every breaker of the fleet, said by the replica that decides; also its answer to an order or a question."""

    replica_id: str
    standings: tuple[BreakerStanding, ...] = ()


class BreakerOrder(Message):
    """An operator's word on one breaker."""

    kind: Literal["order"] = "order"
    provider: str
    model: str
    mode: BreakerMode


class BreakersAsked(Message):
    """How do the breakers stand?"""

    kind: Literal["question"] = "question"


BreakerCommand = TypeAdapter[BreakerOrder | BreakersAsked](
    Annotated[BreakerOrder | BreakersAsked, Field(discriminator="kind")]
)


class ProbeSession(Message):
    """Open a speech session of this provider and model without a caller, and close it again."""

    provider: str = Field(min_length=1, max_length=200)
    model: str = Field(min_length=1, max_length=200)


class SessionProbed(Message):
    """How that went. `error_code` is empty when it worked."""

    talker_id: str
    error_code: str = ""
    latency_ms: int = Field(0, ge=0)
