"""Lines of the call log: the same for the same fact, sorted by time, under the caller's number or a word for none."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from common.messages.facts import AgentSaid, CallerSaid, CallStarted
from orchestrator.core.call_log import Beginning, Line, beginning, line

STORED = datetime(2026, 11, 20, 13, 0, 0, 5, tzinfo=UTC)
CALL = Beginning("+14155550100", datetime(2026, 11, 20, 12, 30, tzinfo=UTC))
CALLER = CallerSaid(call_id="CA1", fact_id="fact-1", item_id="item-1", text="Hello.", start_ms=1_250, end_ms=2_000)
AGENT = AgentSaid(
    call_id="CA1", fact_id="fact-2", item_id="item-2", text="Hi.", start_ms=0, end_ms=9, heard_ms=9, audio_ms=9
)


def started(number: str = "+14155550100", at: str = "2026-11-20T12:30:00.000+00:00") -> CallStarted:
    return CallStarted(
        call_id="CA1", leg="twilio", edge_id="edge-1", profile="desk", caller_number=number, started_at=at
    )


def test_a_turn_of_the_caller_and_one_of_the_agent_stand_in_different_fields() -> None:
    assert line(CALLER, CALL, STORED) == Line(
        "+14155550100", datetime(2026, 11, 20, 12, 30, 1, 250_000, tzinfo=UTC), "user_text", "Hello.", "CA1", "fact-1"
    )
    agents = line(AGENT, CALL, STORED)
    assert (agents.field, agents.text) == ("assistant_text", "Hi.")


def test_the_moment_is_written_with_microseconds_in_utc_so_that_it_sorts() -> None:
    first = line(AGENT, CALL, STORED)
    assert first.ts == "2026-11-20T12:30:00.000000+00:00"
    assert first.later().ts == "2026-11-20T12:30:00.000001+00:00"
    assert first.later().later().fact_id == "fact-2"


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+14155550100", "+14155550100"),
        ("090-1234-5678", "+819012345678"),
        ("anonymous", "anonymous"),
        ("+266696687", "anonymous"),
        ("", "anonymous"),
        ("client:alice", "anonymous"),
    ],
)
def test_the_callers_number_is_kept_in_one_form(number: str, expected: str) -> None:
    assert beginning(started(number), "JP").phone_number == expected


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-20T12:30:00.000+00:00", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("2026-11-20T21:30:00+09:00", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("2026-11-20T12:30:00", datetime(2026, 11, 20, 12, 30, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_when_a_call_began_is_understood_or_not_known(at: str, expected: datetime | None) -> None:
    assert beginning(started(at=at), "US").started_at == expected


@pytest.mark.parametrize("start_ms", [10**15, 10**20])
def test_a_time_beyond_all_times_is_that_of_the_stream(start_ms: int) -> None:
    assert line(CALLER.model_copy(update={"start_ms": start_ms}), CALL, STORED).at == STORED


def test_a_call_nobody_knows_the_beginning_of_is_kept_with_the_streams_time() -> None:
    found = line(CALLER, Beginning(), STORED.astimezone(timezone(timedelta(hours=9))))
    assert (found.phone_number, found.ts) == ("unknown", "2026-11-20T13:00:00.000005+00:00")


def test_no_text_is_longer_than_an_item_can_be() -> None:
    assert len(line(CALLER.model_copy(update={"text": "語" * 200_000}), CALL, STORED).text.encode()) == 300_000
