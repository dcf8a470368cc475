"""How long the carrier's word on a transfer is waited for."""

from common.messages.facts import TransferBegun
from common.profile import TransferTarget
from edge.core.giving import Giving

BEGUN = TransferBegun(call_id="CA1", to="desk")


def giving(summary: str) -> Giving:
    return Giving(BEGUN, TransferTarget(number="+15550100300", ring_s=20), summary)


def test_the_carrier_has_the_time_of_the_ringing_and_half_a_minute() -> None:
    assert giving("").within_s == 50


def test_a_human_who_is_told_nothing_has_the_caller_at_once() -> None:
    assert giving("").whisper_within_s == 0


def test_a_human_may_put_the_phone_down_as_long_as_a_summary_takes_to_say() -> None:
    assert giving("A refund.").whisper_within_s < giving("A refund. " * 20).whisper_within_s
    assert giving("x" * 1_000).whisper_within_s > 120
