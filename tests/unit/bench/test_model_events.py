"""The events of the lean model have the shapes of the real one, as the SDK's models know them."""

import json
from base64 import b64decode
from typing import Any

import pytest
from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter

from bench.model_events import DELTA_BYTES, EventWriter, ResponseWriter
from bench.stamps import Stamp, read_stamps

_ORACLE: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


@pytest.fixture
def events() -> EventWriter:
    return EventWriter("b1")


def all_events(events: EventWriter) -> list[bytes]:
    first, second = ResponseWriter(events, 1), ResponseWriter(events, 2)
    return [
        events.session_event("session.created", {}),
        events.session_event("session.updated", {"instructions": "Be brief."}),
        events.speech_started("item_u1", 20),
        *events.caller_turn("item_u1", 500),
        *first.begun(),
        first.stamped_audio(3, 1.5),
        first.audio(),
        first.words(),
        *first.completed(),
        *second.begun(),
        *second.cancelled(),
    ]


def test_every_event_is_one_the_sdk_knows_in_a_valid_shape(events: EventWriter) -> None:
    for written in all_events(events):
        event = json.loads(written)
        assert _ORACLE.validate_python(event).type == event["type"]


def test_every_event_has_its_own_id(events: EventWriter) -> None:
    ids = [json.loads(written)["event_id"] for written in all_events(events)]
    assert len(set(ids)) == len(ids)


def test_a_stamped_delta_says_call_and_response(events: EventWriter) -> None:
    delta = json.loads(ResponseWriter(events, 6).stamped_audio(3, 1.5))["delta"]
    assert list(read_stamps(delta)) == [Stamp(3, 6, 1.5)]
    assert len(b64decode(delta)) == DELTA_BYTES


def test_an_update_shows_in_the_session(events: EventWriter) -> None:
    updated = json.loads(events.session_event("session.updated", {"instructions": "Be brief."}))
    assert updated["session"]["instructions"] == "Be brief."


def test_a_cut_response_says_that_the_callers_turn_cut_it(events: EventWriter) -> None:
    done = json.loads(ResponseWriter(events, 1).cancelled()[-1])
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"]["reason"] == "turn_detected"
