"""Faults: each happens when and to whom the script says, and not more often."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from simulators.openai.faults.book import FaultBook, Subject, meets_running
from simulators.openai.faults.kinds import FaultList
from simulators.openai.realtime.commands import Close
from unit.simulators.openai.rig import Rig

LONG = {"when": {"instructions": "long"}, "say": "Yes.", "length_ms": 9000}
SCRIPT = {"replies": [LONG, {"when": "default", "say": "Yes."}]}


def rig_with(*faults: dict[str, Any]) -> Rig:
    rig = Rig(SCRIPT, faults={"faults": list(faults)})
    if rig.session.is_dark or rig.closed:
        return rig
    rig.phone()
    return rig


def respond(rig: Rig) -> dict[str, Any]:
    """The end of the next response."""
    events = rig.send("response.create") + rig.run(10)
    response: dict[str, Any] = rig.of(events, "response.done")[0]["response"]
    return response


def test_a_session_closes_with_the_code_at_the_time() -> None:
    rig = rig_with({"kind": "close", "code": 1011, "reason": "boom", "at": {"after_s": 5}})
    rig.run(4.99)
    assert rig.closed is None
    rig.run(0.02)
    assert rig.closed == Close(1011, "boom")
    assert rig.session.next_deadline() is None
    assert rig.text('{"type":"response.create"}') == []


def test_a_session_closes_after_the_nth_response() -> None:
    rig = rig_with({"kind": "close", "code": 4000, "at": {"after_responses": 2}})
    respond(rig)
    assert rig.closed is None
    respond(rig)
    assert rig.closed is not None


def test_a_live_fault_counts_from_when_it_was_set() -> None:
    rig = rig_with()
    respond(rig)
    rig.set_fault({"kind": "close", "at": {"after_responses": 1}}, running=True)
    assert rig.closed is None
    respond(rig)
    assert rig.closed is not None


def test_a_black_hole_from_the_start_says_not_even_hello() -> None:
    rig = rig_with({"kind": "black_hole"})
    assert rig.events == []
    assert rig.text("{") == []
    assert rig.session.ledger.unanswered == 1
    assert rig.run(7200) == []
    assert rig.closed is None


def test_a_black_hole_in_mid_session_stops_a_running_response() -> None:
    rig = rig_with({"kind": "black_hole", "at": {"after_s": 0.35}})
    rig.send("response.create", response={"instructions": "long"})
    rig.run(10)
    assert not rig.of(rig.events, "response.done")
    assert rig.text('{"type":"response.cancel"}') == []


def test_the_first_audio_can_be_slow() -> None:
    rig = rig_with({"kind": "slow_first_audio", "ms": 6000, "times": 1})
    rig.send("response.create")
    assert not rig.of(rig.run(5.9), "response.output_audio.delta")
    assert rig.of(rig.run(0.5), "response.output_audio.delta")
    rig.run(5)
    rig.send("response.create")
    assert rig.of(rig.run(0.5), "response.output_audio.delta")


def test_responses_can_fail_and_the_socket_stays() -> None:
    rig = rig_with({"kind": "failed_response", "code": "inference_rate_limit_exceeded", "times": 2})
    for _ in range(2):
        response = respond(rig)
        assert response["status"] == "failed"
        assert response["status_details"]["error"]["code"] == "inference_rate_limit_exceeded"
        assert response["output"] == []
    assert respond(rig)["status"] == "completed"


def test_a_rate_limit_is_told_and_fails_the_response() -> None:
    rig = rig_with({"kind": "rate_limit", "reset_seconds": 7})
    assert respond(rig)["status_details"]["error"]["code"] == "rate_limit_exceeded"
    (limits,) = rig.of(rig.events, "rate_limits.updated")
    assert limits["rate_limits"][0]["remaining"] == 0
    assert limits["rate_limits"][0]["reset_seconds"] == 7


@pytest.mark.parametrize("what", ["invalid_json", "unknown_type", "missing_fields", "binary", "huge"])
def test_garbage_comes_between_healthy_events(what: str) -> None:
    rig = rig_with({"kind": "garbage_event", "what": what, "at": {"after_s": 1}})
    rig.run(2)
    (garbage,) = rig.raw
    if what == "binary":
        assert isinstance(garbage, bytes)
    elif what == "invalid_json":
        with pytest.raises(json.JSONDecodeError):
            json.loads(garbage)
    else:
        assert json.loads(garbage)["type"].startswith("response.")
    assert len(garbage) > (10_000_000 if what == "huge" else 0)
    assert respond(rig)["status"] == "completed"


def test_a_session_ends_by_age_as_the_api_ends_it() -> None:
    rig = rig_with({"kind": "session_cap", "seconds": 20})
    rig.run(19.9)
    assert rig.closed is None
    events = rig.run(0.2)
    assert events[0]["error"]["code"] == "session_expired"
    assert rig.closed == Close(1001, "Your session hit the maximum duration of 60 minutes.")


def test_without_a_fault_the_cap_is_an_hour() -> None:
    rig = rig_with()
    rig.run(3599)
    assert rig.closed is None
    rig.run(2)
    assert rig.closed is not None


def test_turns_can_stay_unanswered() -> None:
    rig = rig_with({"kind": "no_response", "times": 1})
    events = rig.say("caller-2") + rig.run(20)
    assert rig.of(events, "input_audio_buffer.committed")
    assert not rig.of(events, "response.created")
    assert rig.session.speaking.withheld == 1
    assert rig.of(rig.say("caller-5") + rig.run(20), "response.done")


def test_clearing_ends_faults_also_in_running_sessions() -> None:
    rig = rig_with({"kind": "failed_response"}, {"kind": "close", "at": {"after_s": 30}})
    assert respond(rig)["status"] == "failed"
    rig.book.clear()
    assert respond(rig)["status"] == "completed"
    rig.run(60)
    assert rig.closed is None


def test_times_are_counted_over_all_sessions() -> None:
    book = FaultBook(FaultList.model_validate({"kind": "failed_response", "times": 3}).faults)
    (entry,) = book
    assert [entry.use() for _ in range(5)] == [True, True, True, False, False]
    assert book.of_new_session(Subject(1, "s", "k", "m")) == []


@pytest.mark.parametrize(
    ("target", "new", "running"),
    [
        ({}, True, True),
        ({"sessions": "new"}, True, False),
        ({"sessions": "running"}, False, True),
        ({"numbers": [2]}, False, False),
        ({"numbers": [1, 3]}, True, True),
        ({"key": "other"}, False, False),
        ({"key": "sk", "model": "m"}, True, True),
        ({"session_id": "sess_x"}, False, False),
    ],
)
def test_a_fault_meets_the_sessions_it_names(target: dict[str, object], new: bool, running: bool) -> None:
    subject = Subject(1, "sess_1", "sk", "m")
    book = FaultBook(FaultList.model_validate({"kind": "no_response", "target": target}).faults)
    (entry,) = book
    assert bool(book.of_new_session(subject)) == new
    assert meets_running(entry.fault, subject) == running


def test_handshake_faults_do_not_reach_the_session() -> None:
    subject = Subject(1, "sess_1", "sk", "m")
    kinds = [
        {"kind": "refuse_upgrade", "status": 403},
        {"kind": "connect_delay", "ms": 5},
        {"kind": "black_hole", "stage": "handshake"},
    ]
    book = FaultBook(FaultList.model_validate({"faults": kinds}).faults)
    assert len(book.handshake(subject)) == 3
    assert book.of_new_session(subject) == []
    assert not any(meets_running(entry.fault, subject) for entry in book)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "close", "code": 99},
        {"kind": "close", "code": 1005},
        {"kind": "close", "reason": "あ" * 42},
        {"kind": "explode"},
        {"kind": "close", "when": 5},
        {"kind": "session_cap"},
        {"kind": "close", "at": {"after_s": -1}},
        {},
    ],
)
def test_a_wrong_fault_is_refused(fault: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FaultList.model_validate(fault)
