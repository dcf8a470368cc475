"""What a call leaves behind: plain records, with times in ms since the first stream's start.

Every `*_monotonic_s` is host CLOCK_MONOTONIC, so that other processes' times can be compared with them.
"""

from dataclasses import dataclass, field
from typing import Any

import msgspec

from simulators.twilio.steps import EndedBy


@dataclass(frozen=True, slots=True)
class StreamResult:
    """One media stream; `ended_how` is server_closed, broken or stopped (by Twilio)."""

    stream_sid: str
    url: str
    attached_ms: float
    attached_monotonic_s: float
    ended_ms: float
    ended_monotonic_s: float
    ended_how: str
    close_code: int | None
    close_reason: str
    frames_sent: int
    frames_dropped: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class TurnResult:
    """One recording the caller spoke; `speech_*` is where speech can be heard in it."""

    recording: str
    text: str
    start_ms: float
    end_ms: float
    speech_start_ms: float
    speech_end_ms: float
    start_monotonic_s: float
    end_monotonic_s: float
    speech_start_monotonic_s: float
    speech_end_monotonic_s: float


@dataclass(frozen=True, slots=True)
class AudibleResult:
    """A stretch in which the agent (or a `<Say>`) was audible."""

    start_ms: float
    end_ms: float
    start_monotonic_s: float
    end_monotonic_s: float


@dataclass(frozen=True, slots=True)
class BargeInResult:
    """The caller spoke over the agent: after how many ms the agent was silent, and the first clear came."""

    onset_ms: float
    silent_after_ms: float
    cleared_after_ms: float | None
    onset_monotonic_s: float


@dataclass(frozen=True, slots=True)
class MarkResult:
    """A receipt given."""

    name: str
    by_clear: bool
    stream_sid: str
    returned_ms: float
    returned_monotonic_s: float


@dataclass(frozen=True, slots=True)
class ClearResult:
    """A clear received and how much audio it removed."""

    stream_sid: str
    dropped_ms: float
    received_ms: float
    received_monotonic_s: float


@dataclass(frozen=True, slots=True)
class ChunkResult:
    """One `media` message of the server: when it came, which part was heard when, what a clear removed."""

    stream_sid: str
    arrived_ms: float
    arrived_monotonic_s: float
    size_bytes: int
    played_bytes: int
    played_from_ms: float | None
    played_to_ms: float | None
    cleared_bytes: int


@dataclass(frozen=True, slots=True)
class NoticeResult:
    """An entry of Twilio's debugger."""

    code: int
    level: str
    meaning: str
    detail: str
    at_ms: float
    at_monotonic_s: float


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """One TwiML document fetched."""

    url: str
    status: int
    verbs: tuple[str, ...]
    fetched_ms: float
    fetched_monotonic_s: float
    took_ms: float


@dataclass(frozen=True, slots=True)
class SaidResult:
    """A sentence spoken by `<Say>` or Twilio itself."""

    text: str
    start_ms: float
    start_monotonic_s: float


@dataclass(frozen=True, slots=True)
class DialResult:
    """A `<Dial>` carried out; `heard` is what the human was told alone, before the caller was there."""

    destinations: tuple[str, ...]
    status: str
    heard: tuple[str, ...]
    is_bridged: bool
    at_ms: float
    at_monotonic_s: float


@dataclass(frozen=True, slots=True)
class SideSocketResult:
    """What became of a second socket: refused at the upgrade (`refused` holds the notice), closed, or left open."""

    call_sid: str
    stream_sid: str
    token: str
    signature: str
    refused: str | None
    ended_how: str | None
    close_code: int | None
    close_reason: str
    open_for_ms: float
    messages_received: int
    at_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """One call from dialling to hang-up. `is_ok`: it went as scripted and the server kept the protocol."""

    call_sid: str
    script: str
    is_ok: bool
    failure: str | None
    ended_by: EndedBy
    duration_ms: float
    zero_monotonic_s: float
    first_frame_monotonic_s: float
    answered_ms: float
    answered_monotonic_s: float
    ended_monotonic_s: float
    streams: tuple[StreamResult, ...]
    caller_turns: tuple[TurnResult, ...]
    agent_audible: tuple[AudibleResult, ...]
    barge_ins: tuple[BargeInResult, ...]
    marks: tuple[MarkResult, ...]
    clears: tuple[ClearResult, ...]
    notices: tuple[NoticeResult, ...]
    twilio_documents: tuple[DocumentResult, ...]
    said: tuple[SaidResult, ...]
    dials: tuple[DialResult, ...]
    side_sockets: tuple[SideSocketResult, ...]
    digits_sent: str
    frames_sent: int
    late_frames: int
    max_lateness_ms: float
    chunks: tuple[ChunkResult, ...] = ()
    caller_pcmu: bytes = field(default=b"", repr=False)
    heard_pcmu: bytes = field(default=b"", repr=False)

    def as_json(self, *, with_audio: bool = False) -> dict[str, Any]:
        """Plain data for JSON; audio, if wanted, in base64."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        if not with_audio:
            del data["caller_pcmu"], data["heard_pcmu"]
        return data
