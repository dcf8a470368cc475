"""The leg's media clock: milliseconds of caller audio since the call began, for any moment of ours."""


class LegClock:
    """Fed with the carrier's timestamps; between two of them it runs with our monotonic clock."""

    def __init__(self, base_ms: int = 0) -> None:
        """`base_ms`: where the call's clock stands as this stream begins; its timestamps start at 0."""
        self._base_ms = base_ms
        self._latest_ms = base_ms
        self._arrived_at: float | None = None

    def feed(self, timestamp_ms: int, now: float) -> int:
        """Take a frame's timestamp. Returns it on the call's clock."""
        self._latest_ms = self._base_ms + timestamp_ms
        self._arrived_at = now
        return self._latest_ms

    def moment(self, ms: int, now: float) -> float:
        """When the call's clock stood at `ms` (monotonic seconds); `now` at the latest."""
        return now - max(0, self.at(now) - ms) / 1000

    @property
    def base_ms(self) -> int:
        """The call's clock where this stream began."""
        return self._base_ms

    def begin_at(self, ms: int) -> int:
        """This stream began at `ms` at the earliest. Returns by how much the clock was put forward for that."""
        shift_ms = max(0, ms - self._base_ms)
        self._base_ms += shift_ms
        self._latest_ms += shift_ms
        return shift_ms

    def at(self, now: float) -> int:
        """The call's clock at `now` (monotonic seconds), which may lie a little in the past."""
        if self._arrived_at is None:
            return self._base_ms
        return max(0, self._latest_ms + round((now - self._arrived_at) * 1000))
