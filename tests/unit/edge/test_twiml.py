"""The TwiML we answer with, read back as XML."""

from xml.etree import ElementTree

from pydantic import SecretStr

from common.profile import Sentences, TransferTarget, TransferToHuman
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


def test_a_caller_who_has_to_wait_hears_a_sentence_and_is_asked_for_again() -> None:
    sentences = Sentences(one_moment="Moment.", say_language="en-GB")
    say, pause, redirect = parsed(twiml.hold("https://voice.example.com/again?waits=1", "Moment.", sentences))
    assert (say.tag, say.attrib, say.text) == ("Say", {"language": "en-GB"}, "Moment.")
    assert (pause.tag, pause.attrib) == ("Pause", {"length": "2"})
    assert (redirect.tag, redirect.text) == ("Redirect", "https://voice.example.com/again?waits=1")


def test_a_caller_who_waits_on_hears_nothing_new() -> None:
    assert [verb.tag for verb in parsed(twiml.hold("https://voice.example.com", "", Sentences()))] == [
        "Pause",
        "Redirect",
    ]


def test_a_transfer_says_so_dials_and_tells_us_how_it_went() -> None:
    to = TransferToHuman(number="+15550100300", ring_s=20)
    say, dial = parsed(twiml.transfer(SETTINGS, to, Sentences(transferring="Wait.")))
    assert (say.tag, say.text) == ("Say", "Wait.")
    assert dial.attrib == {
        "action": "https://voice.example.com/base/twilio/transferred?agent=none",
        "method": "POST",
        "timeout": "20",
    }
    assert [(each.tag, each.text) for each in dial] == [("Number", "+15550100300")]


STATUS = {
    "statusCallback": "https://voice.example.com/base/twilio/transfer-status",
    "statusCallbackEvent": "answered",
    "statusCallbackMethod": "POST",
}


def test_a_human_the_agent_has_named_is_dialled_and_told_what_it_is_about() -> None:
    (dial,) = parsed(twiml.dial(SETTINGS, TransferTarget(number="+15550100300", ring_s=25), has_summary=True))
    assert (dial.tag, dial.attrib["timeout"]) == ("Dial", "25")
    assert dial.attrib["action"] == "https://voice.example.com/base/twilio/transferred"
    (number,) = dial
    assert (number.tag, number.text) == ("Number", "+15550100300")
    whisper = {"url": "https://voice.example.com/base/twilio/whisper", "method": "POST"}
    assert number.attrib == {**whisper, **STATUS}


def test_a_human_nobody_has_anything_to_tell_is_connected_at_once() -> None:
    (dial,) = parsed(twiml.dial(SETTINGS, TransferTarget(number="+15550100300"), has_summary=False))
    assert dial[0].attrib == STATUS


def test_a_summary_is_words_whatever_is_in_it() -> None:
    sentences = Sentences(say_language="ja-JP")
    words = 'A "refund" of <Dial>+15550100666</Dial> & more ]]> こちら 😀'
    (say,) = parsed(twiml.whisper(words, sentences))
    assert (say.tag, say.attrib, say.text, len(say)) == ("Say", {"language": "ja-JP"}, words, 0)


def test_a_summary_with_characters_no_document_may_hold_does_not_spoil_it() -> None:
    (say,) = parsed(twiml.whisper("A\x00 \x1b[31mred\ufffe one\ud800", Sentences()))
    assert (say.text or "").split() == ["A", "[31mred", "one"]


def test_without_a_summary_nothing_is_said_before_the_caller_is_there() -> None:
    assert [len(parsed(twiml.whisper(nothing, Sentences()))) for nothing in ("", "  ", "\x00")] == [0, 0, 0]
