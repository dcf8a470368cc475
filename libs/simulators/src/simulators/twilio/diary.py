"""Everything that happened to one call, collected while it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.twilio.clock import Lateness
from simulators.twilio.events import Event, EventName
from simulators.twilio.media_socket import Ending
from simulators.twilio.media_stream import MarkReturned, MediaStream, PlaybackCleared
from simulators.twilio.notices import Notice

OnEvent = Callable[[Event], None]


@dataclass(slots=True)
class StreamEntry:
    """One media stream of the call, from attaching to its end (monotonic seconds)."""

    url: str
    stream: MediaStream
    attached_s: float
    ended_s: float | None = None
    ending: Ending | None = None


@dataclass(slots=True)
class Diary:
    """The call's memory; all times are monotonic seconds, `zero_s` is the first stream's start."""

    call_sid: str
    placed_s: float
    on_event: OnEvent | None = None
    zero_s: float | None = None
    answered_s: float | None = None
    streams: list[StreamEntry] = field(default_factory=list)
    marks: list[tuple[float, str, MarkReturned]] = field(default_factory=list)
    clears: list[tuple[float, str, PlaybackCleared]] = field(default_factory=list)
    notices: list[tuple[float, Notice]] = field(default_factory=list)
    documents: list[tuple[float, str, int, tuple[str, ...], float]] = field(default_factory=list)
    said: list[tuple[float, str]] = field(default_factory=list)
    dials: list[tuple[float, tuple[str, ...], str, tuple[str, ...], bool]] = field(default_factory=list)
    side_sockets: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    digits: str = ""
    lateness: Lateness = field(default_factory=Lateness)

    def tell(self, event: EventName, at_s: float, /, **fields: object) -> None:
        """Something happened: pass it on to whoever listens."""
        if self.on_event is not None:
            t_ms = None if self.zero_s is None else round((at_s - self.zero_s) * 1000, 2)
            self.on_event(Event(event, self.call_sid, at_s, t_ms, fields))

    def note(self, notice: Notice) -> None:
        """An entry for Twilio's debugger."""
        now = time.monotonic()
        self.notices.append((now, notice))
        self.tell("notice", now, code=notice.code, level=notice.level, text=f"{notice.meaning}: {notice.detail}")

    def attached(self, entry: StreamEntry) -> None:
        """A media stream began; the first one is time zero."""
        if self.zero_s is None:
            self.zero_s = entry.attached_s
        self.streams.append(entry)
        self.tell("stream_started", entry.attached_s, stream_sid=entry.stream.ids.stream_sid, url=entry.url)

    def detached(self, entry: StreamEntry) -> None:
        """A media stream ended."""
        now = entry.ended_s = time.monotonic()
        if entry.ending is not None:
            sid, ending = entry.stream.ids.stream_sid, entry.ending
            self.tell("stream_ended", now, stream_sid=sid, how=ending.how, code=ending.code, reason=ending.reason)

    def fetched(self, url: str, status: int, verbs: tuple[str, ...], took_s: float) -> None:
        """A document was fetched."""
        now = time.monotonic()
        self.documents.append((now, url, status, verbs, took_s))
        self.tell("twiml_received", now, url=url, verbs=verbs, took_ms=round(took_s * 1000, 2))

    def spoke(self, text: str) -> None:
        """A sentence of `<Say>` begins."""
        now = time.monotonic()
        self.said.append((now, text))
        self.tell("said", now, text=text)

    def dialled(self, destinations: tuple[str, ...], status: str, heard: tuple[str, ...], *, is_bridged: bool) -> None:
        """Somebody was called by `<Dial>`, and heard this before they were bridged, if they were."""
        now = time.monotonic()
        self.dials.append((now, destinations, status, heard, is_bridged))
        self.tell("dialled", now, destinations=destinations, status=status, bridged=is_bridged)
