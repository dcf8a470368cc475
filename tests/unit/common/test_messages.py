"""Reading messages: what newer writers add is ignored, what is malformed is refused without quoting it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.commands import Clear, CutOver, Digits, EdgeCommand, Heard, TalkerCommand
from common.messages.facts import CallerSaid, Fact
from common.messages.heartbeat import Heartbeat
from common.messages.offers import HandoverReason, Offer, OfferAnswer
from common.profile import AgentProfile

HEARTBEAT = Heartbeat(kind="edge", process_id="edge-1", calls=3, capacity=200)
PROFILE = AgentProfile(name="support", greeting="Hello?", instructions="Help.")
OFFER = Offer(call_id="CA1", edge_id="edge-1", epoch=1, reason=HandoverReason.START, profile=PROFILE)
WORDS = "my card number is 4111"
UNIONS: list[TypeAdapter[Any]] = [EdgeCommand, TalkerCommand, OfferAnswer, Fact]


def test_a_message_comes_back_as_it_went_out() -> None:
    assert Heartbeat.decode(HEARTBEAT.encode()) == HEARTBEAT
    assert Offer.decode(OFFER.encode()) == OFFER


def test_a_message_of_a_union_comes_back_as_its_own_kind() -> None:
    clear = Clear(call_id="CA1", epoch=2, through_sequence=10, onset_ms=500)
    assert decode_as(EdgeCommand, clear.encode()) == clear


def test_a_message_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        HEARTBEAT.calls = 4  # type: ignore[misc]


def test_fields_of_a_newer_writer_are_ignored_wherever_they_stand() -> None:
    body = json.loads(OFFER.encode())
    body["newer"] = body["profile"]["newer"] = body["profile"]["limits"]["newer"] = {"any": ["thing"]}
    assert Offer.decode(json.dumps(body).encode()) == OFFER
    said = CallerSaid(call_id="CA1", fact_id="fact-1", item_id="item_1", text=WORDS, start_ms=0, end_ms=1)
    assert decode_as(Fact, json.dumps({**json.loads(said.encode()), "newer": 1}).encode()) == said


def test_people_who_write_profiles_are_still_told_of_a_misspelt_field() -> None:
    with pytest.raises(ValidationError):
        AgentProfile.model_validate({**PROFILE.model_dump(), "greting": "Hello?"})


def test_another_version_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match=r"^malformed message: version$"):
        CutOver.decode(b'{"version": 2, "is_granted": true}')


def test_a_refusal_names_the_fields() -> None:
    with pytest.raises(RemoteProtocolError, match=r"^malformed message: calls, capacity$"):
        Heartbeat.decode(b'{"kind": "edge", "process_id": "edge-1", "calls": -1}')
    with pytest.raises(RemoteProtocolError, match=r"^malformed message: digits\.digits$"):
        decode_as(TalkerCommand, b'{"type": "digits", "call_id": "CA1", "epoch": 1, "digits": "not digits"}')


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'"\\ud800"', b'{"type": "unknown"}', b"[" * 100_000]
)
@pytest.mark.parametrize("union", UNIONS)
def test_what_is_no_message_at_all_is_refused_as_the_peers_fault(union: TypeAdapter[Any], data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        decode_as(union, data)
    with pytest.raises(RemoteProtocolError):
        Heartbeat.decode(data)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_as_the_peers_fault(data: bytes) -> None:
    for union in UNIONS:
        with pytest.raises(RemoteProtocolError):
            decode_as(union, data)


@pytest.mark.parametrize(
    "data",
    [
        {"type": "caller_said", "call_id": WORDS, "item_id": 1, "text": [WORDS], "start_ms": WORDS, "end_ms": -1},
        {"type": WORDS},
        {"type": "digits_pressed", "call_id": "CA1", "digits": {WORDS: WORDS}},
        WORDS,
    ],
)
def test_a_refusal_never_quotes_the_content(data: object) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        decode_as(Fact, json.dumps(data).encode())
    assert "4111" not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_refusal_stays_short() -> None:
    body = {"is_granted": True, "conversation": [{}] * 1_000}
    with pytest.raises(RemoteProtocolError) as refused:
        CutOver.decode(json.dumps(body).encode())
    assert len(str(refused.value)) < 250


def test_nothing_heard_is_an_answer_without_an_item() -> None:
    assert Heard.decode(Heard().encode()) == Heard(item_id=None, heard_ms=0)


@pytest.mark.parametrize("digits", ["", "12a", "1" * 65, "1\n", "E"])
def test_digits_are_keys_of_a_telephone(digits: str) -> None:
    with pytest.raises(ValidationError):
        Digits(call_id="CA1", epoch=1, digits=digits)


def test_epochs_of_commands_begin_at_one() -> None:
    with pytest.raises(ValidationError):
        Digits(call_id="CA1", epoch=0, digits="1")


def test_facts_are_told_apart_even_when_they_say_the_same() -> None:
    same = {"call_id": "CA1", "item_id": "item_1", "text": "Yes.", "start_ms": 0, "end_ms": 1}
    assert CallerSaid.model_validate(same).fact_id != CallerSaid.model_validate(same).fact_id
