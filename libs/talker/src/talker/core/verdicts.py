"""What a provider's error is called on our side, for the edge and the breaker."""

from typing import Final

from common.errors import UpstreamRejected, UpstreamThrottled, UpstreamUnavailable
from talker.port import ProviderError, Severity

ERROR_CODES: Final = {
    Severity.HARMLESS: UpstreamUnavailable.code,
    Severity.REFUSED: UpstreamUnavailable.code,
    Severity.THROTTLED: UpstreamThrottled.code,
    Severity.UNAVAILABLE: UpstreamUnavailable.code,
    Severity.REJECTED: UpstreamRejected.code,
}
"""Codes of `common.errors`."""

NO_VOICE: Final = ProviderError("incomplete", Severity.UNAVAILABLE)
"""The model stopped (token limit, content filter) before it had said anything."""
