"""One media stream as Twilio keeps it: sequence numbers, timestamps, the playback buffer, receipts; no sockets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import assert_never

from simulators.people.pcmu import BYTES_PER_MS, FRAME_MS
from simulators.twilio import wire
from simulators.twilio.notices import Notice
from simulators.twilio.playback import CarrierBuffer, Chunk


@dataclass(frozen=True, slots=True)
class StreamIds:
    """Who is who on a media socket."""

    account_sid: str
    call_sid: str
    stream_sid: str


@dataclass(frozen=True, slots=True)
class Send:
    """Text to send to the server now."""

    text: str


@dataclass(frozen=True, slots=True)
class MarkReturned:
    """A receipt, and whether it was a clear that released it."""

    name: str
    by_clear: bool


@dataclass(frozen=True, slots=True)
class PlaybackCleared:
    """The server cleared the buffer of this much audio."""

    dropped_ms: float


Reaction = Send | MarkReturned | PlaybackCleared | Notice
Heard = tuple[bytes, tuple[Reaction, ...]]


@dataclass(slots=True)
class MediaStream:
    """Fed with the server's messages and a 20 ms tick, answers with what to send and what to report."""

    ids: StreamIds
    parameters: Mapping[str, str]
    chunk_log: list[Chunk] | None = None
    frames_sent: int = 0
    frames_dropped: int = 0
    received_bytes: int = 0
    _sequence: int = 1
    _is_full_reported: bool = False
    _is_drop_reported: bool = False
    _buffer: CarrierBuffer = field(init=False)

    def __post_init__(self) -> None:
        self._buffer = CarrierBuffer(self.chunk_log)

    def opening(self) -> tuple[str, str]:
        """`connected` and `start`, the first two messages."""
        ids = self.ids
        return wire.CONNECTED, wire.start(ids.stream_sid, ids.account_sid, ids.call_sid, dict(self.parameters))

    def next_frame(self, now: float) -> Heard:
        """What the caller hears from `now` on, and the receipts that fall due."""
        played = self._buffer.next_frame(now)
        return played.frame, (self._return(played.marks, by_clear=False) if played.marks else ())

    def caller_frame(self, payload: str) -> str:
        """20 ms of caller audio (base64) as the next `media` message."""
        timestamp = (self.frames_sent + self.frames_dropped) * FRAME_MS
        self.frames_sent += 1
        return wire.media(self.ids.stream_sid, self._next_sequence(), self.frames_sent, timestamp, payload)

    def drop_caller_frame(self) -> tuple[Reaction, ...]:
        """The socket is congested: time goes on, the audio is lost; reported once per stream."""
        self.frames_dropped += 1
        if self._is_drop_reported:
            return ()
        self._is_drop_reported = True
        return (Notice(31930, "the socket's send buffer is full"),)

    def digit(self, digit: str) -> str:
        """The caller pressed a key."""
        return wire.dtmf(self.ids.stream_sid, self._next_sequence(), digit)

    def stop(self) -> str:
        """The stream ends from Twilio's side."""
        ids = self.ids
        return wire.stop(ids.stream_sid, self._next_sequence(), ids.account_sid, ids.call_sid)

    def receive_text(self, text: bytes, now: float) -> tuple[Reaction, ...]:
        """React to one text frame of the server."""
        message = wire.read(text)
        if isinstance(message, wire.Unusable):
            return (Notice(message.code, message.detail),)
        if message.stream_sid != self.ids.stream_sid:
            return (Notice(31924, f"message for another stream, {message.stream_sid[:40]!r}: ignored"),)
        match message:
            case wire.Media(audio=audio):
                return self._receive(audio, now)
            case wire.Mark(name=name):
                return self._return(self._buffer.mark(name), by_clear=False)
            case wire.Clear():
                return self._clear()
        assert_never(message)

    def receive_binary(self) -> tuple[Reaction, ...]:
        """React to a binary frame, which Media Streams does not know."""
        return (Notice(31950, "a binary frame"),)

    def _receive(self, audio: bytes, now: float) -> tuple[Reaction, ...]:
        self.received_bytes += len(audio)
        discarded = self._buffer.receive(audio, now)
        if not discarded or self._is_full_reported:
            return ()
        self._is_full_reported = True
        return (Notice(31931, f"{discarded} bytes discarded"),)

    def _clear(self) -> tuple[Reaction, ...]:
        cleared = self._buffer.clear()
        report = PlaybackCleared(cleared.dropped_bytes / BYTES_PER_MS)
        return (report, *self._return(cleared.marks, by_clear=True))

    def _return(self, marks: tuple[str, ...], by_clear: bool) -> tuple[Reaction, ...]:
        reactions: list[Reaction] = []
        for name in marks:
            reactions.append(Send(wire.mark(self.ids.stream_sid, self._next_sequence(), name)))
            reactions.append(MarkReturned(name, by_clear))
        return tuple(reactions)

    def _next_sequence(self) -> int:
        self._sequence += 1
        return self._sequence
