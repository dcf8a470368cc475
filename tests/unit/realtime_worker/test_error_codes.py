"""What codes mean for a call."""

import pytest

from realtime_worker.backends.realtime.error_codes import of_close, of_error, of_http_status
from talker.port import Severity


@pytest.mark.parametrize(
    ("status", "severity"),
    [(401, Severity.REJECTED), (403, Severity.REJECTED), (404, Severity.REJECTED), (429, Severity.THROTTLED)]
    + [(status, Severity.UNAVAILABLE) for status in (302, 500, 502, 503, 599, 700)],
)
def test_an_answer_to_the_upgrade_is_classed(status: int, severity: Severity) -> None:
    assert of_http_status(status).severity is severity


@pytest.mark.parametrize(
    ("close_code", "severity"),
    [(3000, Severity.REJECTED)] + [(code, Severity.UNAVAILABLE) for code in (1000, 1001, 1006, 1011, 4999)],
)
def test_a_closed_socket_is_classed_and_always_ends_the_session(close_code: int, severity: Severity) -> None:
    error = of_close(close_code)
    assert error.severity is severity
    assert error.ends_session


def test_labels_stay_bounded_whatever_the_provider_invents() -> None:
    assert {of_error(f"code_{number}", f"type_{number}").code for number in range(100)} == {"other"}


def test_losing_a_race_is_harmless() -> None:
    for code in ("conversation_already_has_active_response", "response_cancel_not_active"):
        error = of_error(code, "invalid_request_error")
        assert error.severity is Severity.HARMLESS
        assert not error.ends_session
