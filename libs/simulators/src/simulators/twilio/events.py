"""The timeline of a call: what happened when, as a flat list that can be shown or stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

EventName = Literal[
    "call_placed",
    "twiml_received",
    "stream_started",
    "stream_refused",
    "stream_ended",
    "caller_speaks",
    "caller_stops",
    "agent_audible",
    "agent_silent",
    "mark",
    "clear",
    "dtmf",
    "said",
    "dialled",
    "human_heard",
    "redirect",
    "misbehaved",
    "side_socket",
    "notice",
    "hang_up",
]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a call; `at_s` is host CLOCK_MONOTONIC, `t_ms` since the first stream's start."""

    name: EventName
    call_sid: str
    at_s: float
    t_ms: float | None
    fields: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """Flat, for one JSON line."""
        return {
            "event": self.name,
            "call_sid": self.call_sid,
            "t_ms": self.t_ms,
            "monotonic_s": round(self.at_s, 6),
            **self.fields,
        }
