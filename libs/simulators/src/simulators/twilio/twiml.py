"""Parse TwiML into a closed union of verbs, refusing what Twilio's schema refuses.

`parse` gives a `Document`; `call.py` carries it out. Only the verbs of a voice call that Trunkline uses are known
here: any other is an error, so that nothing is silently not simulated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element, ParseError

import defusedxml
from defusedxml import ElementTree

from simulators.twilio.dial import Dial, read_dial
from simulators.twilio.notices import TwilioError
from simulators.twilio.twiml_fields import Target, content, known, number, optional_target, split, target

MAX_DOCUMENT_BYTES = 64 * 1024
MAX_PARAMETER_CHARACTERS = 500
CONTENT_TYPES = frozenset({"text/xml", "application/xml", "text/html"})


@dataclass(frozen=True, slots=True)
class Stream:
    """Where the media socket goes, exactly as written."""

    url: str
    name: str
    parameters: tuple[tuple[str, str], ...]
    status_callback: Target | None


@dataclass(frozen=True, slots=True)
class Connect:
    """A bidirectional stream; when it ends, `action` replaces the document."""

    stream: Stream
    action: Target | None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Fetch another document."""

    target: Target


@dataclass(frozen=True, slots=True)
class Say:
    """Speak a sentence."""

    text: str
    language: str
    loop: int


@dataclass(frozen=True, slots=True)
class Play:
    """Play a file, or send digits when there is no URL."""

    url: str | None
    digits: str
    loop: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait in silence."""

    length_s: int


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse the call; only meaningful before anything answered it."""

    reason: Literal["rejected", "busy"]


Verb = Connect | Redirect | Say | Play | Pause | Dial | Hangup | Reject


@dataclass(frozen=True, slots=True)
class Document:
    """What one webhook answered: the verbs in order."""

    verbs: tuple[Verb, ...]


def parse(body: bytes, content_type: str, base_url: str) -> Document:
    """Parse the answer of a webhook; relative URLs are resolved against `base_url`. Raise TwilioError."""
    if len(body) > MAX_DOCUMENT_BYTES:
        raise TwilioError(11750, f"{len(body)} bytes, at most {MAX_DOCUMENT_BYTES}")
    if content_type.partition(";")[0].strip().lower() not in CONTENT_TYPES:
        raise TwilioError(12300, f"{content_type or 'none'!r} is not a type of TwiML")
    root = _root(body)
    if root.tag != "Response":
        raise TwilioError(12100, f"the root element is {root.tag!r}, not 'Response'")
    known(root)
    return Document(tuple(_verb(element, base_url) for element in root))


def _root(body: bytes) -> Element:
    try:
        root: Element = ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, defusedxml.DefusedXmlException, ValueError) as error:
        raise TwilioError(12100, f"not a safe XML document: {error}") from error
    return root


def _verb(element: Element, base_url: str) -> Verb:
    reader = _READERS.get(element.tag)
    if reader is None:
        raise TwilioError(12200, f"unknown or not simulated verb {element.tag!r}")
    return reader(element, base_url)


def _connect(element: Element, base_url: str) -> Connect:
    known(element, "action", "method")
    if [child.tag for child in element] != ["Stream"]:
        raise TwilioError(12200, "'Connect' must hold exactly one 'Stream'")
    return Connect(_stream(element[0], base_url), optional_target(element, base_url, "action", "method"))


def _stream(element: Element, base_url: str) -> Stream:
    known(element, "name", "url", "track", "statusCallback", "statusCallbackMethod")
    if element.get("track", "inbound_track") != "inbound_track":
        raise TwilioError(31941, f"'Connect' streams the inbound track only, not {element.get('track')!r}")
    parameters = tuple(_parameter(child) for child in element)
    return Stream(
        url=_stream_url(element.get("url", "")),
        name=element.get("name", ""),
        parameters=parameters,
        status_callback=optional_target(element, base_url, "statusCallback", "statusCallbackMethod"),
    )


def _stream_url(url: str) -> str:
    parts = split(url, 31923)
    if parts.scheme and parts.scheme not in {"ws", "wss"}:
        raise TwilioError(31922, f"a stream needs wss, not {parts.scheme!r}")
    if not parts.scheme or not parts.hostname or parts.fragment or url != url.strip():
        raise TwilioError(31923, f"not an absolute WebSocket URL: {url!r}")
    if "?" in url:
        raise TwilioError(31920, "a stream URL takes no query string; use <Parameter>")
    return url


def _parameter(element: Element) -> tuple[str, str]:
    if element.tag != "Parameter":
        raise TwilioError(12200, f"'Stream' cannot hold {element.tag!r}")
    known(element, "name", "value")
    name, value = element.get("name"), element.get("value")
    if not name or value is None:
        raise TwilioError(12200, "'Parameter' needs a name and a value")
    if len(name) + len(value) >= MAX_PARAMETER_CHARACTERS:
        raise TwilioError(12200, f"parameter {name!r}: name and value must stay under 500 characters")
    return name, value


def _redirect(element: Element, base_url: str) -> Redirect:
    known(element, "method")
    return Redirect(target(content(element), element.get("method", "POST"), base_url))


def _say(element: Element, base_url: str) -> Say:
    known(element, "voice", "language", "loop")
    return Say(content(element), element.get("language", "en-US"), number(element, "loop", 1))


def _play(element: Element, base_url: str) -> Play:
    known(element, "loop", "digits")
    digits, url = element.get("digits", ""), (element.text or "").strip()
    if bool(digits) == bool(url):
        raise TwilioError(12200, "'Play' needs either a URL or digits")
    return Play(target(url, "GET", base_url).url if url else None, digits, number(element, "loop", 1))


def _pause(element: Element, base_url: str) -> Pause:
    known(element, "length")
    return Pause(number(element, "length", 1))


def parse_whisper(body: bytes, content_type: str, base_url: str) -> Document:
    """Parse what is run on the leg of somebody who was dialled, where less is allowed. Raise TwilioError."""
    document = parse(body, content_type, base_url)
    for verb in document.verbs:
        if isinstance(verb, Dial):
            raise TwilioError(13201, "on the leg of somebody who was dialled")
        if isinstance(verb, (Connect, Reject)):
            raise TwilioError(12200, f"'{type(verb).__name__}' on the leg of somebody who was dialled")
    return document


def _hangup(element: Element, base_url: str) -> Hangup:
    known(element)
    return Hangup()


def _reject(element: Element, base_url: str) -> Reject:
    known(element, "reason")
    reason = element.get("reason", "rejected")
    if reason not in {"rejected", "busy"}:
        raise TwilioError(12200, f"'Reject' knows no reason {reason!r}")
    return Reject("busy" if reason == "busy" else "rejected")


_READERS: Mapping[str, Callable[[Element, str], Verb]] = {
    "Connect": _connect,
    "Redirect": _redirect,
    "Say": _say,
    "Play": _play,
    "Pause": _pause,
    "Dial": read_dial,
    "Hangup": _hangup,
    "Reject": _reject,
}
