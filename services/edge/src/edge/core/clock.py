"""The leg's media clock: milliseconds of caller audio since the call began, for any moment of ours."""

from dataclasses import dataclass


@dataclass
class LegClock:
    """Fed with the carrier's timestamps; between two of them it runs with our monotonic clock."""

    _base_ms: int = 0
    _latest_ms: int = 0
    _arrived_at: float | None = None

    def feed(self, timestamp_ms: int, now: float) -> int:
        """Take a frame's timestamp of the current stream. Returns it on the call's clock."""
        self._latest_ms = self._base_ms + timestamp_ms
        self._arrived_at = now
        return self._latest_ms

    def rebase(self, now: float) -> None:
        """A new stream of the same call begins: its timestamps start again at 0, the call's clock goes on."""
        self._base_ms = self.at(now)
        self._arrived_at = None

    def at(self, now: float) -> int:
        """The leg's clock at `now` (monotonic seconds), which may lie a little in the past."""
        if self._arrived_at is None:
            return self._base_ms
        return max(0, self._latest_ms + round((now - self._arrived_at) * 1000))
