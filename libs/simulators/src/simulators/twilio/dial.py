"""Parse `<Dial>`: who is called for the caller, and what happens on their leg (twilio.com/docs/voice/twiml/number)."""

import re
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from simulators.twilio.notices import TwilioError
from simulators.twilio.twiml_fields import Target, content, known, number, optional_target

_DIAL_ATTRIBUTES = (
    "action",
    "method",
    "timeout",
    "callerId",
    "timeLimit",
    "hangupOnStar",
    "answerOnBridge",
    "ringTone",
    "record",
    "recordingStatusCallback",
    "recordingStatusCallbackMethod",
    "sequential",
)
_DIAL_NOUNS = frozenset({"Number", "Sip", "Client"})
_NOUN_ATTRIBUTES = ("url", "method", "statusCallback", "statusCallbackMethod", "statusCallbackEvent")
_CALL_EVENTS = frozenset({"initiated", "ringing", "answered", "completed"})
_MAX_PARTIES = 10
_MAX_TIMEOUT_S = 600
_NUMBER = re.compile(r"\+?[\d\s().-]{3,24}")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody to call: `whisper` is run on their leg before the caller is there, `events` are told of it."""

    address: str
    whisper: Target | None = None
    status_callback: Target | None = None
    events: frozenset[str] = frozenset({"completed"})


@dataclass(frozen=True, slots=True)
class Dial:
    """Bridge the caller to one of these numbers or addresses."""

    parties: tuple[Party, ...]
    action: Target | None
    timeout_s: int

    @property
    def destinations(self) -> tuple[str, ...]:
        """Whom."""
        return tuple(party.address for party in self.parties)


def read_dial(element: Element, base_url: str) -> Dial:
    """The verb. Raise TwilioError."""
    known(element, *_DIAL_ATTRIBUTES)
    plain = (element.text or "").strip()
    parties = (*((Party(_phone_number(plain)),) if plain else ()), *(_party(child, base_url) for child in element))
    if not 0 < len(parties) <= _MAX_PARTIES:
        raise TwilioError(12200, f"'Dial' names {len(parties)} to call, not one to {_MAX_PARTIES}")
    action = optional_target(element, base_url, "action", "method")
    timeout_s = number(element, "timeout", 30)
    if not 0 < timeout_s <= _MAX_TIMEOUT_S:
        raise TwilioError(13212, f"{timeout_s} s")
    return Dial(parties, action, timeout_s)


def _party(element: Element, base_url: str) -> Party:
    if element.tag not in _DIAL_NOUNS:
        raise TwilioError(12200, f"'Dial' cannot hold {element.tag!r}")
    known(element, *_NOUN_ATTRIBUTES)
    events = frozenset(element.get("statusCallbackEvent", "completed").split())
    if not events or not events <= _CALL_EVENTS:
        raise TwilioError(12200, f"'statusCallbackEvent' is not some of {', '.join(sorted(_CALL_EVENTS))}")
    address = content(element)
    return Party(
        address=_phone_number(address) if element.tag == "Number" else address,
        whisper=optional_target(element, base_url, "url", "method"),
        status_callback=optional_target(element, base_url, "statusCallback", "statusCallbackMethod"),
        events=events,
    )


def _phone_number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise TwilioError(13223, f"not a telephone number ({len(text)} characters)")
    return text
