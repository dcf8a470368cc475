"""What a provider did in the last seconds: attempts, failures, and how long sessions took to be ready."""

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

BUCKET_S: Final = 1.0
SAMPLES_AT_MOST: Final = 200
"""Of one bucket: more would tell nothing new."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """The window as numbers, for a decision and for whoever wants to know why."""

    attempts: int = 0
    failures: int = 0
    connects_failed_in_a_row: int = 0
    sessions: int = 0
    """How many ready sessions `ready_p95_s` is made of."""
    ready_p95_s: float = 0.0

    @property
    def failed_share(self) -> float:
        """0.0 to 1.0; 0 without attempts."""
        return self.failures / self.attempts if self.attempts else 0.0


@dataclass(slots=True)
class _Bucket:
    begins_at: float
    attempts: int = 0
    failures: int = 0
    ready_s: list[float] = field(default_factory=list)


class Window:
    """Fed with attempts and the time (monotonic seconds, never going back); slides in steps of a second."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._buckets: deque[_Bucket] = deque()
        self._connects_failed_in_a_row = 0

    def clear(self) -> None:
        """Forget everything: what comes next is judged by itself."""
        self._buckets.clear()
        self._connects_failed_in_a_row = 0

    def connected(self, ready_s: float | None, now: float) -> None:
        """An attempt at a session ended: ready after so long, or None if it failed."""
        bucket = self._bucket(now)
        self._count(bucket, is_failed=ready_s is None)
        if ready_s is None:
            self._connects_failed_in_a_row += 1
            return
        self._connects_failed_in_a_row = 0
        if len(bucket.ready_s) < SAMPLES_AT_MOST:
            bucket.ready_s.append(ready_s)

    def responded(self, *, is_failed: bool, now: float) -> None:
        """A response ended."""
        self._count(self._bucket(now), is_failed=is_failed)

    def numbers(self, now: float) -> Numbers:
        """Of what lies within the window now."""
        self._slide(now)
        ready_s = sorted(sample for bucket in self._buckets for sample in bucket.ready_s)
        return Numbers(
            attempts=sum(bucket.attempts for bucket in self._buckets),
            failures=sum(bucket.failures for bucket in self._buckets),
            connects_failed_in_a_row=self._connects_failed_in_a_row,
            sessions=len(ready_s),
            ready_p95_s=ready_s[math.ceil(0.95 * len(ready_s)) - 1] if ready_s else 0.0,
        )

    def _bucket(self, now: float) -> _Bucket:
        self._slide(now)
        if not self._buckets or now >= self._buckets[-1].begins_at + BUCKET_S:
            self._buckets.append(_Bucket(now))
        return self._buckets[-1]

    def _count(self, bucket: _Bucket, *, is_failed: bool) -> None:
        bucket.attempts += 1
        bucket.failures += is_failed

    def _slide(self, now: float) -> None:
        while self._buckets and self._buckets[0].begins_at <= now - self._length_s:
            self._buckets.popleft()
