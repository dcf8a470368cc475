"""Picks the media stream out of the TwiML that answers a call."""

from dataclasses import dataclass
from xml.etree import ElementTree


class NoStreamError(Exception):
    """The document does not connect the call to a media stream."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Where to open the socket, and what to repeat in `start.customParameters`."""

    url: str
    parameters: dict[str, str]


def pick_stream(document: bytes | str) -> Stream:
    """The first `<Connect><Stream>`; raises `NoStreamError` when there is none or the document is no XML."""
    try:
        found = ElementTree.fromstring(document).find("Connect/Stream")
    except ElementTree.ParseError as broken:
        raise NoStreamError(f"not TwiML: {broken}") from broken
    if found is None or not found.get("url"):
        text = document.decode(errors="replace") if isinstance(document, bytes) else document
        raise NoStreamError(f"no <Connect><Stream url> in {text[:300]}")
    parameters = {each.get("name", ""): each.get("value", "") for each in found.iter("Parameter")}
    return Stream(url=found.get("url", ""), parameters=parameters)
