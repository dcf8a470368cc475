"""Twilio's audio buffer as its playout clock sees it: what is still to be heard, which marks are due."""

from collections import deque
from typing import Final

BYTES_PER_S: Final = 8000


class Playout:
    """Plays in order and in real time; a mark comes back when everything before it was heard, or at a clear."""

    __slots__ = ("_ends_at", "_marks")

    def __init__(self) -> None:
        self._ends_at = 0.0
        self._marks: deque[tuple[float, str]] = deque()

    def is_playing(self, now: float) -> bool:
        """Whether the caller hears something now."""
        return self._ends_at > now

    def play(self, audio_bytes: int, now: float) -> None:
        """Audio arrived and joins the end of the buffer."""
        self._ends_at = max(self._ends_at, now) + audio_bytes / BYTES_PER_S

    def mark(self, name: str, now: float) -> None:
        """A mark arrived; `due` returns it once the audio before it was heard."""
        self._marks.append((max(self._ends_at, now), name))

    def due(self, now: float) -> list[str]:
        """Takes the marks that were reached by now."""
        reached: list[str] = []
        while self._marks and self._marks[0][0] <= now:
            reached.append(self._marks.popleft()[1])
        return reached

    def clear(self, now: float) -> list[str]:
        """Empties the buffer; takes all marks, which Twilio returns at once."""
        self._ends_at = now
        names = [name for _, name in self._marks]
        self._marks.clear()
        return names
