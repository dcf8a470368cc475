"""Twilio's playback buffer for one media stream: audio and marks in order, clear, the ten-minute cap.

Fed with what the server sends, asked for one 20 ms frame at a time. `now` is monotonic seconds; for frames it is the
moment the frame begins to sound. A mark comes back when the last byte before it has *sounded*, so one that ends in
the frame just taken is returned with the next one (twilio.com/docs/voice/media-streams/websocket-messages).
"""

from collections import deque
from dataclasses import dataclass

from simulators.people.pcmu import BYTES_PER_MS, FRAME_BYTES, SILENCE, SILENT_FRAME

CAP_BYTES = 10 * 60 * 1000 * BYTES_PER_MS
_SECONDS_PER_BYTE = 1 / (BYTES_PER_MS * 1000)


@dataclass(slots=True)
class Chunk:
    """What became of one `media` message: the bytes that were played (from, to) and those a clear threw away."""

    arrived_s: float
    size: int
    played_bytes: int = 0
    played_from_s: float | None = None
    played_to_s: float | None = None
    cleared_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """One frame for the caller's ear and the marks that fell due when it began."""

    frame: bytes
    marks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a clear removed: bytes not yet sounding, and the marks it returns."""

    dropped_bytes: int
    marks: tuple[str, ...]


class CarrierBuffer:
    """The queue between what the server sent and what the caller hears."""

    def __init__(self, log: list[Chunk] | None = None) -> None:
        """Start empty; `log`, if given, receives a `Chunk` per accepted message."""
        self._log = log
        self._queue: deque[tuple[bytes, Chunk]] = deque()
        self._offset = 0  # bytes of the first chunk already taken
        self._accepted = self._taken = self._settled = 0  # positions in bytes: queued up to, handed out, sounded
        self._marks: deque[tuple[int, str]] = deque()

    @property
    def buffered_bytes(self) -> int:
        """Audio waiting behind the frame that sounds now."""
        return self._accepted - self._taken

    def receive(self, audio: bytes, now: float) -> int:
        """Queue audio of any length; return how many bytes did not fit under the cap and were discarded."""
        fitting = audio[: max(0, CAP_BYTES - self.buffered_bytes)]
        if fitting:
            chunk = Chunk(now, len(fitting))
            self._queue.append((fitting, chunk))
            self._accepted += len(fitting)
            if self._log is not None:
                self._log.append(chunk)
        return len(audio) - len(fitting)

    def mark(self, name: str) -> tuple[str, ...]:
        """Queue a mark; return it at once if everything before it has sounded."""
        self._marks.append((self._accepted, name))
        return self._due_marks()

    def clear(self) -> Cleared:
        """Throw away what does not sound yet; every pending mark is returned, in order."""
        dropped = self.buffered_bytes
        for position, (audio, chunk) in enumerate(self._queue):
            chunk.cleared_bytes = len(audio) - (self._offset if position == 0 else 0)
        self._queue.clear()
        self._offset = 0
        self._accepted = self._taken
        marks = tuple(name for _, name in self._marks)
        self._marks.clear()
        return Cleared(dropped, marks)

    def next_frame(self, now: float) -> Played:
        """The 160 bytes that sound from `now` on, filled up with silence."""
        self._settled = self._taken
        marks = self._due_marks() if self._marks else ()
        if not self._queue:
            return Played(SILENT_FRAME, marks)
        pieces: list[bytes] = []
        room = FRAME_BYTES
        while room and self._queue:
            piece = self._take(room, now + (FRAME_BYTES - room) * _SECONDS_PER_BYTE)
            pieces.append(piece)
            room -= len(piece)
        return Played(b"".join(pieces).ljust(FRAME_BYTES, bytes([SILENCE])), marks)

    def _take(self, room: int, now: float) -> bytes:
        audio, chunk = self._queue[0]
        piece = audio[self._offset : self._offset + room]
        self._offset += len(piece)
        self._taken += len(piece)
        if chunk.played_from_s is None:
            chunk.played_from_s = now
        chunk.played_bytes += len(piece)
        chunk.played_to_s = now + len(piece) * _SECONDS_PER_BYTE
        if self._offset == len(audio):
            self._queue.popleft()
            self._offset = 0
        return piece

    def _due_marks(self) -> tuple[str, ...]:
        due: list[str] = []
        while self._marks and self._marks[0][0] <= self._settled:
            due.append(self._marks.popleft()[1])
        return tuple(due)
