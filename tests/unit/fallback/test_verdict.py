"""Whose fault a failed attempt is."""

import pytest

from common import errors
from common.messages.outcome import Outcome
from fallback.core.verdict import Verdict, verdict


def outcome(error_code: str) -> Outcome:
    return Outcome(
        talker_id="w", model="m", attempt="connect", is_ok=not error_code, error_code=error_code, latency_ms=1
    )


@pytest.mark.parametrize(
    ("error_code", "expected"),
    [
        ("", Verdict.WORKED),
        ("unavailable", Verdict.FAILED),
        ("deadline", Verdict.FAILED),
        ("throttled", Verdict.NEITHER),
        ("rejected", Verdict.NEITHER),
        ("capacity", Verdict.NEITHER),
        ("a code of the future", Verdict.NEITHER),
    ],
)
def test_only_what_the_provider_did_counts_against_it(error_code: str, expected: Verdict) -> None:
    assert verdict(outcome(error_code)) is expected


def test_every_error_of_a_provider_that_a_retry_may_help_is_judged() -> None:
    upstream = [each for name, each in vars(errors).items() if name.startswith("Upstream")]
    assert len(upstream) == 3
    for error in upstream:
        is_outage = error.retryable and error is not errors.UpstreamThrottled
        assert verdict(outcome(error.code)) is (Verdict.FAILED if is_outage else Verdict.NEITHER)
