"""The input audio buffer: what the caller has said so far, and where the turns in it begin and end."""

from typing import Final

from simulators.openai.realtime.refusals import Json, commit_empty
from simulators.openai.realtime.vad import Edge, SpeechStarted, Vad, VadSettings
from simulators.people.pcmu import BYTES_PER_MS

MIN_COMMIT_MS: Final = 100
KEEP_S: Final = 900.0
"""Caller audio kept for commits and for the record: 7 MB of the newest quarter of an hour."""


class Tape:
    """All audio appended, by absolute position; only the newest part of it is kept."""

    def __init__(self, keep_s: float = KEEP_S) -> None:
        self._keep_bytes = int(keep_s * 1000) * BYTES_PER_MS
        self._kept = bytearray()
        self.first_byte = 0
        """Position of the oldest kept byte."""

    @property
    def position(self) -> int:
        """Bytes appended since the session began."""
        return self.first_byte + len(self._kept)

    def append(self, pcmu: bytes) -> None:
        """Add audio at the end."""
        self._kept += pcmu
        if len(self._kept) > 2 * self._keep_bytes:
            drop = len(self._kept) - self._keep_bytes
            del self._kept[:drop]
            self.first_byte += drop

    def cut(self, start: int, end: int) -> bytes:
        """The audio between two positions, as far as it is kept."""
        return bytes(self._kept[max(0, start - self.first_byte) : max(0, end - self.first_byte)])

    def all(self) -> bytes:
        """Everything kept."""
        return bytes(self._kept)


class Hearing:
    """Audio goes in by `append`; turns come out by `take_turn` (voice activity) or `take_buffer` (manual commit)."""

    def __init__(self, turn_detection: Json | None) -> None:
        self.tape = Tape()
        self._buffer_start = 0
        self._turn_start = 0
        self._vad: Vad | None = None
        self.item_id: str | None = None
        """The item that the running turn is going to be."""
        self.configure(turn_detection)

    @property
    def position_ms(self) -> int:
        """The sample clock: milliseconds appended."""
        return self.tape.position // BYTES_PER_MS

    @property
    def is_caller_speaking(self) -> bool:
        """Voice activity was found and has not ended."""
        return self._vad is not None and self._vad.is_speaking

    def configure(self, turn_detection: Json | None) -> None:
        """Use new settings; a running turn goes on."""
        if turn_detection is None:
            self._vad = self.item_id = None
        elif self._vad is None:
            self._vad = Vad(VadSettings.of(turn_detection), self.tape.position)
        else:
            self._vad.settings = VadSettings.of(turn_detection)

    def append(self, pcmu: bytes) -> list[Edge]:
        """Add audio; the edges of speech found in it."""
        self.tape.append(pcmu)
        return self._vad.feed(pcmu) if self._vad is not None else []

    def begin_turn(self, edge: SpeechStarted, item_id: str) -> None:
        """Remember where the turn begins and what it will be called."""
        self._turn_start, self.item_id = edge.audio_start_ms * BYTES_PER_MS, item_id

    def take_turn(self, end_ms: int) -> bytes:
        """The audio of the turn that ends here; the buffer goes on after it."""
        end = end_ms * BYTES_PER_MS
        turn = self.tape.cut(self._turn_start, end)
        self._buffer_start, self.item_id = end, None
        return turn

    def take_buffer(self) -> bytes:
        """Everything since the last commit. Raises `Refusal` if that is too little."""
        start = self._turn_start if self.is_caller_speaking else self._buffer_start
        buffered = self.tape.cut(start, self.tape.position)
        if len(buffered) < MIN_COMMIT_MS * BYTES_PER_MS:
            raise commit_empty(len(buffered) / BYTES_PER_MS)
        self.clear()
        return buffered

    def clear(self) -> None:
        """Empty the buffer; a running turn is forgotten."""
        self._buffer_start, self.item_id = self.tape.position, None
        if self._vad is not None:
            self._vad.end_turn()
