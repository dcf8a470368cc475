"""What OpenAI's error codes, close codes and HTTP statuses mean for a call."""

from collections.abc import Mapping
from typing import Final

from talker.port import ProviderError, Severity

_H, _R, _T, _U, _X = (
    Severity.HARMLESS,
    Severity.REFUSED,
    Severity.THROTTLED,
    Severity.UNAVAILABLE,
    Severity.REJECTED,
)

SEVERITIES: Final[Mapping[str, Severity]] = {
    "conversation_already_has_active_response": _H,
    "response_cancel_not_active": _H,
    "item_create_duplicate_item_id": _H,
    "input_audio_buffer_commit_empty": _H,
    "item_truncate_invalid_item_id": _R,
    "item_delete_invalid_item_id": _R,
    "item_retrieve_invalid_item_id": _R,
    "item_create_invalid_previous_item_id": _R,
    "unsupported_content_type": _R,
    "cannot_update_voice": _R,
    "invalid_value": _R,
    "invalid_type": _R,
    "invalid_event": _R,
    "invalid_json": _R,
    "unknown_parameter": _R,
    "missing_required_parameter": _R,
    "invalid_request_error": _R,
    "rate_limit_exceeded": _T,
    "inference_rate_limit_exceeded": _T,
    "rate_limit_error": _T,
    "server_error": _U,
    "internal_error": _U,
    "session_expired": _U,
    "insufficient_quota": _X,
    "credit_balance_exhausted": _X,
    "billing_hard_limit_reached": _X,
    "account_deactivated": _X,
    "invalid_api_key": _X,
    "authentication_error": _X,
    "permission_error": _X,
    "model_not_found": _X,
    "beta_api_shape_disabled": _X,
}
"""By code or type: OpenAI has changed one and kept the other. Every key is a legal metric label."""

_ENDS_SESSION: Final = frozenset({"session_expired"})

_CLOSE_CODES: Final[Mapping[int, str]] = {3000: "invalid_api_key", 1001: "session_expired"}
"""3000 comes after a successful upgrade when the key is bad; 1001 at the 60-minute cap."""

OTHER: Final = "other"


def of_error(code: str, kind: str) -> ProviderError:
    """An error event, or the error of a failed response. A code we do not know counts as `other`."""
    for word in (code, kind):
        if word in SEVERITIES:
            severity = SEVERITIES[word]
            return ProviderError(word, severity, word in _ENDS_SESSION or severity is Severity.REJECTED)
    return ProviderError(OTHER, Severity.UNAVAILABLE)


def of_close(close_code: int) -> ProviderError:
    """A socket closed by the provider or lost."""
    word = _CLOSE_CODES.get(close_code, "socket_closed")
    return ProviderError(word, SEVERITIES.get(word, Severity.UNAVAILABLE), ends_session=True)


def of_http_status(status: int) -> ProviderError:
    """An upgrade that was answered with anything but 101."""
    severity = Severity.UNAVAILABLE
    if status == 429:
        severity = Severity.THROTTLED
    elif 400 <= status < 500:
        severity = Severity.REJECTED
    return ProviderError(f"http_{status // 100}xx" if 300 <= status < 600 else OTHER, severity, ends_session=True)
