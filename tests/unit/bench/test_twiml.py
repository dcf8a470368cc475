"""The stream is found in any TwiML that connects the call to one, and only there."""

import pytest

from bench.twiml import NoStreamError, Stream, pick_stream

CONNECTED = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Connect action="http://a/ended"><Stream url="ws://a/media"><Parameter name="token" value="a&amp;b"/>
<Parameter name="call" value="1"/></Stream></Connect><Redirect method="POST">http://a/resume</Redirect></Response>"""


def test_url_and_parameters_are_picked() -> None:
    assert pick_stream(CONNECTED.encode()) == Stream("ws://a/media", {"token": "a&b", "call": "1"})


def test_a_stream_without_parameters_has_none() -> None:
    twiml = '<Response><Connect><Stream url="ws://a/media"/></Connect></Response>'
    assert pick_stream(twiml) == Stream("ws://a/media", {})


@pytest.mark.parametrize(
    "document",
    ["<Response><Say>Nobody is here.</Say></Response>", "<Response><Connect><Stream/></Connect></Response>", "oops"],
)
def test_any_other_answer_is_refused_and_quoted(document: str) -> None:
    with pytest.raises(NoStreamError):
        pick_stream(document)
