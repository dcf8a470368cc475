"""Read attributes and text of TwiML elements, refusing what Twilio's schema refuses."""

from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, urljoin, urlsplit
from xml.etree.ElementTree import Element

from simulators.twilio.notices import TwilioError

Method = Literal["GET", "POST"]


@dataclass(frozen=True, slots=True)
class Target:
    """An absolute URL to fetch and how."""

    url: str
    method: Method = "POST"


def known(element: Element, *attributes: str) -> None:
    """Refuse any attribute but these."""
    unknown = set(element.keys()) - set(attributes)
    if unknown:
        raise TwilioError(12200, f"{element.tag!r} has no attribute {', '.join(sorted(unknown))}")


def content(element: Element) -> str:
    """The text, which must be there."""
    text = "".join(element.itertext()).strip()
    if not text:
        raise TwilioError(12200, f"{element.tag!r} is empty")
    return text


def number(element: Element, attribute: str, default: int) -> int:
    """A whole number."""
    text = element.get(attribute, str(default))
    if not text.isascii() or not text.isdigit():
        raise TwilioError(12200, f"{attribute!r} of {element.tag!r} is not a whole number: {text!r}")
    return int(text)


def optional_target(element: Element, base_url: str, url: str, method: str) -> Target | None:
    """What a pair of attributes, address and method, names."""
    text = element.get(url)
    if text is None:
        return None
    return target(text, element.get(method, "POST"), base_url)


def target(url: str, method: str, base_url: str) -> Target:
    """A URL to fetch, resolved against that of the document."""
    absolute = urljoin(base_url, url)
    parts = split(absolute, 11100)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise TwilioError(11100, f"not an HTTP URL: {url!r}")
    if method not in {"GET", "POST"}:
        raise TwilioError(12200, f"{method!r} is not GET or POST")
    return Target(absolute, "GET" if method == "GET" else "POST")


def split(url: str, code: int) -> SplitResult:
    """A URL in its parts; `code` if it has none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for a port that is none
    except ValueError as error:
        raise TwilioError(code, f"malformed URL: {url!r}") from error
    return parts
