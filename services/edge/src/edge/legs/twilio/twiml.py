"""The TwiML documents we answer with."""

import re
from typing import Final

from twilio.twiml.voice_response import Connect, Dial, Stream, VoiceResponse

from common.profile import Sentences, TransferTarget, TransferToHuman
from edge.settings import EdgeSettings

HOLD_S: Final = 2
"""One wait of a caller whose call cannot go on at this moment."""
_NOT_IN_XML: Final = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters no XML 1.0 document may hold, escaped or not; Twilio would refuse the whole document."""


def attach(settings: EdgeSettings, token: str) -> str:
    """Connect the call to the media socket; whatever ends the stream brings Twilio back to us for what comes next."""
    resume = settings.url("/twilio/resume")
    stream = Stream(
        url=settings.media_url,
        status_callback=settings.url("/twilio/stream-status"),
        status_callback_method="POST",
    )
    stream.parameter(name="token", value=token)
    connect = Connect(action=resume, method="POST")
    connect.append(stream)
    response = VoiceResponse()
    response.append(connect)
    response.redirect(resume, method="POST")
    return str(response)


def hold(url: str, sentence: str, sentences: Sentences) -> str:
    """Keep the caller for a moment, with a sentence if there is one, then ask again at `url`."""
    response = VoiceResponse()
    if sentence:
        response.say(sentence, language=sentences.say_language)
    response.pause(length=HOLD_S)
    response.redirect(url, method="POST")
    return str(response)


def ask_again(url: str) -> str:
    """Ask at once again at `url`: behind the same address somebody else will answer."""
    response = VoiceResponse()
    response.redirect(url, method="POST")
    return str(response)


def transfer(settings: EdgeSettings, to: TransferToHuman, sentences: Sentences) -> str:
    """Tell the caller, then dial a human; how that went is told to `/twilio/transferred`.

    No agent waits for this caller, which the address says: nobody else might know.
    """
    response = VoiceResponse()
    response.say(sentences.transferring, language=sentences.say_language)
    dialled = _dial(settings, to, "?agent=none")
    dialled.number(to.number)
    response.append(dialled)
    return str(response)


def dial(settings: EdgeSettings, to: TransferTarget, *, has_summary: bool) -> str:
    """Dial a human for a caller whom the agent has told so; how that went is told to `/twilio/transferred`.

    That the human picked up is told to `/twilio/transfer-status`; what they hear before the caller is there is asked
    of `/twilio/whisper`, if there is a summary (twilio.com/docs/voice/twiml/number).
    """
    response = VoiceResponse()
    dialled = _dial(settings, to)
    dialled.number(
        to.number,
        url=settings.url("/twilio/whisper") if has_summary else None,
        method="POST" if has_summary else None,
        status_callback=settings.url("/twilio/transfer-status"),
        status_callback_event="answered",
        status_callback_method="POST",
    )
    response.append(dialled)
    return str(response)


def whisper(summary: str, sentences: Sentences) -> str:
    """Say this to the human who picked up; after it the caller is there."""
    response = VoiceResponse()
    if text := _NOT_IN_XML.sub(" ", summary).strip():
        response.say(text, language=sentences.say_language)
    return str(response)


def _dial(settings: EdgeSettings, to: TransferToHuman | TransferTarget, query: str = "") -> Dial:
    return Dial(action=f"{settings.url('/twilio/transferred')}{query}", method="POST", timeout=to.ring_s)


def say_and_hang_up(sentence: str, sentences: Sentences) -> str:
    """The carrier's own voice tells the caller, then the call ends."""
    response = VoiceResponse()
    response.say(sentence, language=sentences.say_language)
    response.hangup()
    return str(response)


def hang_up() -> str:
    """The call is over."""
    response = VoiceResponse()
    response.hangup()
    return str(response)
