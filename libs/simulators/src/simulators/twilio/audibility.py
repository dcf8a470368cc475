"""Decide from the sound alone when somebody is speaking, and keep the intervals."""

from dataclasses import dataclass

from simulators.people.pcmu import FRAME_MS, is_audible

HANGOVER_S = 0.2
_FRAME_S = FRAME_MS / 1000


@dataclass(slots=True)
class Interval:
    """A stretch of speech in monotonic seconds: first loud frame's begin to last loud frame's end."""

    start_s: float
    end_s: float


class Ear:
    """Hears 20 ms frames; pauses shorter than the hangover do not end an interval and are not part of its end."""

    def __init__(self) -> None:
        self.intervals: list[Interval] = []
        self.is_hearing_speech = False
        self._last_loud_end_s: float | None = None

    def hear(self, frame: bytes, now: float) -> bool:
        """Feed the frame that begins to sound at `now`; return whether speech has just begun or ended."""
        if is_audible(frame):
            return self._hear_speech(now)
        if self.is_hearing_speech and now + _FRAME_S - self.intervals[-1].end_s >= HANGOVER_S:
            self.is_hearing_speech = False
            return True
        return False

    def silent_for_s(self, now: float, since: float) -> float:
        """How long nothing has been heard at `now`, counted from `since` if nothing ever was."""
        return now - max(since, self._last_loud_end_s or since)

    def _hear_speech(self, now: float) -> bool:
        end = self._last_loud_end_s = now + _FRAME_S
        if self.is_hearing_speech:
            self.intervals[-1].end_s = end
            return False
        self.intervals.append(Interval(now, end))
        self.is_hearing_speech = True
        return True
