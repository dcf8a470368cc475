"""What was said, as lines of the call log: one for each turn, found by the caller's number and the moment."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from common.messages.facts import AgentSaid, CallerSaid, CallStarted
from orchestrator.core.phone_numbers import e164

ANONYMOUS: Final = "anonymous"
"""In the number's place: the caller has none, or withholds it."""
UNKNOWN: Final = "unknown"
"""In the number's place: nobody remembers how the call began."""
_TEXT_BYTES_AT_MOST: Final = 300_000
"""An item of DynamoDB has 400 KB at most."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the lines of one call have in common."""

    phone_number: str = UNKNOWN
    started_at: datetime | None = None
    """None: it is not known."""


@dataclass(frozen=True, slots=True)
class Line:
    """One turn."""

    phone_number: str
    at: datetime
    field: Literal["user_text", "assistant_text"]
    text: str
    call_sid: str
    fact_id: str

    @property
    def ts(self) -> str:
        """ISO 8601 UTC with microseconds: sorts as text."""
        return self.at.isoformat(timespec="microseconds")

    def later(self) -> "Line":
        """The same turn a microsecond later, because another has its moment."""
        return Line(
            self.phone_number,
            self.at + timedelta(microseconds=1),
            self.field,
            self.text,
            self.call_sid,
            self.fact_id,
        )


def beginning(started: CallStarted, country: str) -> Beginning:
    """`country`: the profile's, where numbers without `+` were dialled."""
    return Beginning(e164(started.caller_number, country) or ANONYMOUS, _moment(started.started_at))


def line(fact: CallerSaid | AgentSaid, call: Beginning, stored_at: datetime) -> Line:
    """The same for the same fact, however often it is told.

    `stored_at`: when the stream got the fact, for calls that say nothing usable about when they began.
    """
    field: Literal["user_text", "assistant_text"] = "user_text" if isinstance(fact, CallerSaid) else "assistant_text"
    at = _after(call.started_at, fact.start_ms) or stored_at.astimezone(UTC)
    return Line(call.phone_number, at, field, _bounded(fact.text), fact.call_id, fact.fact_id)


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _after(started_at: datetime | None, start_ms: int) -> datetime | None:
    try:
        return None if started_at is None else started_at + timedelta(milliseconds=start_ms)
    except OverflowError:
        return None


def _bounded(text: str) -> str:
    return text.encode()[:_TEXT_BYTES_AT_MOST].decode(errors="ignore")
