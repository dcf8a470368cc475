"""TwiML: what is understood, and what is refused with which code."""

import pytest
from twilio.twiml.voice_response import Connect as TwilioConnect
from twilio.twiml.voice_response import Dial as TwilioDial
from twilio.twiml.voice_response import VoiceResponse

from simulators.twilio.dial import Dial, Party
from simulators.twilio.notices import MEANINGS, VIOLATIONS, TwilioError
from simulators.twilio.twiml import (
    Connect,
    Document,
    Hangup,
    Pause,
    Play,
    Redirect,
    Reject,
    Say,
    Stream,
    parse,
    parse_whisper,
)
from simulators.twilio.twiml_fields import Target

BASE = "https://edge.example/twilio/voice"


def read(body: str, content_type: str = "text/xml; charset=utf-8") -> Document:
    return parse(body.encode(), content_type, BASE)


def test_the_document_of_a_call_built_by_the_library_is_understood() -> None:
    response = VoiceResponse()
    connect = TwilioConnect(action="/twilio/ended")
    stream = connect.stream(url="wss://edge.example/media", status_callback="https://edge.example/status")
    stream.parameter(name="token", value="äöü <&>")
    response.append(connect)
    response.redirect("/twilio/resume", method="POST")
    assert read(str(response)).verbs == (
        Connect(
            Stream(
                "wss://edge.example/media",
                "",
                (("token", "äöü <&>"),),
                Target("https://edge.example/status"),
            ),
            Target("https://edge.example/twilio/ended"),
        ),
        Redirect(Target("https://edge.example/twilio/resume")),
    )


def test_the_other_verbs_are_understood() -> None:
    response = VoiceResponse()
    response.say("Hello", language="en-GB", voice="alice")
    response.play("hold.wav", loop=2)
    response.play(digits="12#")
    response.pause(length=3)
    dial = TwilioDial(action="/done", method="GET", timeout=9)
    dial.number("+15550100")
    dial.sip("sip:desk@example.com")
    response.append(dial)
    response.hangup()
    assert read(str(response)).verbs == (
        Say("Hello", "en-GB", 1),
        Play("https://edge.example/twilio/hold.wav", "", 2),
        Play(None, "12#", 1),
        Pause(3),
        Dial((Party("+15550100"), Party("sip:desk@example.com")), Target("https://edge.example/done", "GET"), 9),
        Hangup(),
    )
    assert read("<Response><Dial>+1555</Dial></Response>").verbs == (Dial((Party("+1555"),), None, 30),)
    assert read('<Response><Reject reason="busy"/></Response>').verbs == (Reject("busy"),)
    assert read("<Response/>").verbs == ()


STREAM = '<Response><Connect><Stream url="{}">{}</Stream></Connect></Response>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 12100),
        ("<Response>", 12100),
        ("<Answer/>", 12100),
        ('<!DOCTYPE Response [<!ENTITY a "b">]><Response>&a;</Response>', 12100),
        ("<Response><Gather/></Response>", 12200),
        ("<Response><Say/></Response>", 12200),
        ("<Response><Redirect/></Response>", 12200),
        ('<Response><Redirect method="PUT">/x</Redirect></Response>', 12200),
        ("<Response><Redirect>ftp://x/y</Redirect></Response>", 11100),
        ("<Response><Redirect>http://x:port/</Redirect></Response>", 11100),
        ('<Response><Pause length="long"/></Response>', 12200),
        ('<Response><Hangup now="yes"/></Response>', 12200),
        ('<Response><Play digits="1">x.wav</Play></Response>', 12200),
        ("<Response><Dial/></Response>", 12200),
        ("<Response><Dial><Queue>x</Queue></Dial></Response>", 12200),
        ("<Response><Dial><Number/></Dial></Response>", 12200),
        ("<Response><Dial><Number>the front desk</Number></Dial></Response>", 13223),
        ("<Response><Dial>desk</Dial></Response>", 13223),
        ('<Response><Dial timeout="0">+15550100</Dial></Response>', 13212),
        ('<Response><Dial timeout="601">+15550100</Dial></Response>', 13212),
        (f"<Response><Dial>{'<Number>+15550100</Number>' * 11}</Dial></Response>", 12200),
        ('<Response><Dial><Number whisper="/w">+15550100</Number></Dial></Response>', 12200),
        ('<Response><Dial><Number url="ftp://x/y">+15550100</Number></Dial></Response>', 11100),
        ('<Response><Dial><Number url="/w" method="PUT">+15550100</Number></Dial></Response>', 12200),
        ('<Response><Dial><Number statusCallbackEvent="picked-up">+15550100</Number></Dial></Response>', 12200),
        ('<Response><Dial><Number statusCallbackEvent="answered,completed">+1555</Number></Dial></Response>', 12200),
        ('<Response><Dial><Number statusCallbackEvent=" ">+15550100</Number></Dial></Response>', 12200),
        ('<Response><Reject reason="tired"/></Response>', 12200),
        ("<Response><Connect/></Response>", 12200),
        ("<Response><Connect><Room>x</Room></Connect></Response>", 12200),
        (STREAM.format("https://x/y", ""), 31922),
        (STREAM.format("/media", ""), 31923),
        (STREAM.format("", ""), 31923),
        (STREAM.format("wss://x/y ", ""), 31923),
        (STREAM.format("wss://x:y/z", ""), 31923),
        (STREAM.format("wss://x/y?token=1", ""), 31920),
        (STREAM.format("wss://x/y", '<Parameter name="a"/>'), 12200),
        (STREAM.format("wss://x/y", '<Argument name="a" value="b"/>'), 12200),
        (STREAM.format("wss://x/y", f'<Parameter name="a" value="{"b" * 499}"/>'), 12200),
        ('<Response><Connect><Stream url="wss://x/y" track="both_tracks"/></Connect></Response>', 31941),
        (f"<Response><Say>{'a' * 70_000}</Say></Response>", 11750),
    ],
)
def test_a_document_twilio_would_refuse_is_refused_with_its_code(body: str, code: int) -> None:
    with pytest.raises(TwilioError) as caught:
        read(body)
    assert caught.value.notice.code == code
    assert caught.value.notice.detail


def test_parameters_just_under_the_limit_are_accepted() -> None:
    document = read(STREAM.format("wss://x/y", f'<Parameter name="a" value="{"b" * 498}"/>'))
    (connect,) = document.verbs
    assert isinstance(connect, Connect)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_wrong_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(TwilioError) as caught:
        read("<Response/>", content_type)
    assert caught.value.notice.code == 12300


def test_every_violation_has_a_meaning() -> None:
    assert set(MEANINGS) >= VIOLATIONS


def test_what_happens_on_the_leg_of_somebody_who_is_dialled_is_understood() -> None:
    dial = TwilioDial(action="/done")
    dial.number(
        "+15550100",
        url="/whisper",
        status_callback="/status",
        status_callback_event="initiated answered",
        status_callback_method="GET",
    )
    response = VoiceResponse()
    response.append(dial)
    (verb,) = read(str(response)).verbs
    assert isinstance(verb, Dial)
    assert verb.parties == (
        Party(
            "+15550100",
            Target("https://edge.example/whisper"),
            Target("https://edge.example/status", "GET"),
            frozenset({"initiated", "answered"}),
        ),
    )


def test_without_a_choice_of_events_the_end_of_a_dialled_call_is_told() -> None:
    (verb,) = read('<Response><Dial><Number statusCallback="/s">+15550100</Number></Dial></Response>').verbs
    assert isinstance(verb, Dial)
    assert verb.parties[0].events == {"completed"}


@pytest.mark.parametrize(
    ("verb", "code"),
    [
        ("<Dial>+15550100</Dial>", 13201),
        (STREAM.format("wss://x/y", "").removeprefix("<Response>").removesuffix("</Response>"), 12200),
        ("<Reject/>", 12200),
    ],
)
def test_on_the_leg_of_somebody_who_was_dialled_less_is_allowed(verb: str, code: int) -> None:
    with pytest.raises(TwilioError) as caught:
        parse_whisper(f"<Response>{verb}</Response>".encode(), "text/xml", BASE)
    assert caught.value.notice.code == code
    assert parse_whisper(b"<Response><Say>Hello</Say></Response>", "text/xml", BASE).verbs == (
        Say("Hello", "en-US", 1),
    )
