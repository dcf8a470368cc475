"""What an attempt at a provider says about the provider."""

from enum import Enum, auto
from typing import Final

from common.errors import CapacityError, DeadlineExceeded, UpstreamRejected, UpstreamThrottled, UpstreamUnavailable
from common.messages.outcome import Outcome


class Verdict(Enum):
    """Whether the provider is to blame."""

    WORKED = auto()
    FAILED = auto()
    NEITHER = auto()
    """It limits our rate, or we did something wrong: that is no outage."""


_BY_CODE: Final = {
    UpstreamUnavailable.code: Verdict.FAILED,
    DeadlineExceeded.code: Verdict.FAILED,
    UpstreamThrottled.code: Verdict.NEITHER,
    UpstreamRejected.code: Verdict.NEITHER,
    CapacityError.code: Verdict.NEITHER,
}


def verdict(outcome: Outcome) -> Verdict:
    """Of one outcome. A code nobody knows is no evidence against anybody."""
    return Verdict.WORKED if outcome.is_ok else _BY_CODE.get(outcome.error_code, Verdict.NEITHER)
