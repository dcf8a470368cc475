"""The TwiML we answer with, read back as XML."""

from xml.etree import ElementTree

from pydantic import SecretStr

from common.profile import Sentences
from edge.legs.twilio import twiml
from edge.settings import EdgeSettings

SETTINGS = EdgeSettings(
    public_base_url="https://voice.example.com/base",
    twilio_account_sid="AC" + "0" * 32,
    twilio_auth_token=SecretStr("an-auth-token-of-twilio"),
)


def parsed(document: str) -> ElementTree.Element:
    root = ElementTree.fromstring(document)
    assert root.tag == "Response"
    return root


def test_a_call_is_connected_to_the_media_socket_and_comes_back_to_us_whatever_happens() -> None:
    connect, redirect = parsed(twiml.attach(SETTINGS, "abc.def"))
    assert connect.tag == "Connect"
    assert connect.attrib == {"action": "https://voice.example.com/base/twilio/resume", "method": "POST"}
    (stream,) = connect
    assert stream.tag == "Stream"
    assert stream.attrib == {
        "url": "wss://voice.example.com/base/twilio/media",
        "statusCallback": "https://voice.example.com/base/twilio/stream-status",
        "statusCallbackMethod": "POST",
    }
    (parameter,) = stream
    assert (parameter.tag, parameter.attrib) == ("Parameter", {"name": "token", "value": "abc.def"})
    assert (redirect.tag, redirect.attrib) == ("Redirect", {"method": "POST"})
    assert redirect.text == "https://voice.example.com/base/twilio/resume"


def test_a_sentence_is_spoken_in_its_language_before_hanging_up() -> None:
    sentences = Sentences(unavailable="申し訳ございません。<&>", say_language="ja-JP")
    say, hang_up = parsed(twiml.say_and_hang_up(sentences.unavailable, sentences))
    assert (say.tag, say.attrib, say.text) == ("Say", {"language": "ja-JP"}, "申し訳ございません。<&>")
    assert (hang_up.tag, len(hang_up), hang_up.attrib) == ("Hangup", 0, {})


def test_a_call_that_is_over_is_hung_up() -> None:
    assert [verb.tag for verb in parsed(twiml.hang_up())] == ["Hangup"]
