"""The TwiML documents we answer with."""

from twilio.twiml.voice_response import Connect, Stream, VoiceResponse

from common.profile import Sentences
from edge.settings import EdgeSettings


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
