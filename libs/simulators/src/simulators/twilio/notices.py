"""Twilio's error and warning codes, as the debugger of a real account would list them."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]

# twilio.com/docs/api/errors/<code>; 31920 to 31950 also in reference/telephony.md §3.7.
MEANINGS: dict[int, tuple[Level, str]] = {
    11100: ("error", "invalid URL format"),
    11200: ("error", "HTTP retrieval failure"),
    11205: ("error", "HTTP connection failure"),
    11750: ("error", "TwiML response body too large"),
    12100: ("error", "document parse failure"),
    12200: ("error", "schema validation"),
    12300: ("error", "invalid Content-Type"),
    13201: ("error", "Dial: cannot dial out from a dialled call's leg"),
    13212: ("error", "Dial: invalid timeout value"),
    13223: ("error", "Dial: invalid phone number format"),
    31901: ("error", "stream: connection timeout"),
    31902: ("error", "stream: connection refused"),
    31903: ("error", "stream: broken pipe"),
    31910: ("error", "stream: TLS error"),
    31920: ("error", "stream: WebSocket handshake error"),
    31921: ("warning", "stream: WebSocket closed by the server"),
    31922: ("error", "stream: scheme not supported"),
    31923: ("error", "stream: malformed URL"),
    31924: ("error", "stream: protocol error"),
    31930: ("warning", "stream: caller audio dropped, the server reads too slowly"),
    31931: ("warning", "stream: more than ten minutes buffered, audio discarded"),
    31941: ("error", "stream: invalid track"),
    31950: ("warning", "stream: undecodable message"),
}

# The server spoke the protocol wrongly. A call with one of these is not a good call, unless its script tolerates it.
VIOLATIONS = frozenset({11100, 11750, 12100, 12200, 12300, 13201, 13212, 13223, 31922, 31923, 31924, 31941, 31950})


@dataclass(frozen=True, slots=True)
class Notice:
    """One entry of the debugger."""

    code: int
    detail: str

    @property
    def level(self) -> Level:
        """Whether Twilio calls it an error or a warning."""
        return MEANINGS[self.code][0]

    @property
    def meaning(self) -> str:
        """What the code stands for."""
        return MEANINGS[self.code][1]

    def __str__(self) -> str:
        return f"{self.code} {self.meaning}: {self.detail}"


class TwilioError(Exception):
    """Something that Twilio would put into the debugger; it ends the document in which it happens."""

    def __init__(self, code: int, detail: str) -> None:
        self.notice = Notice(code, detail)
        super().__init__(str(self.notice))
