"""What goes into a session and what comes out of it."""

from dataclasses import dataclass
from typing import TypeAlias

from simulators.openai.faults.book import Entry
from simulators.openai.realtime.refusals import Json


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; the session's `next_deadline` says when one is wanted."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a server event."""

    event: Json


@dataclass(frozen=True, slots=True)
class SendRaw:
    """Send something that is no event: text or binary."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Close:
    """Close the socket; 1006: cut it."""

    code: int
    reason: str


Incoming: TypeAlias = str | bytes | Tick | Entry
"""A text message, a binary message, time, or a fault set while the session runs."""
Command: TypeAlias = Send | SendRaw | Close
