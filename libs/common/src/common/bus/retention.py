"""What was published lately and what could not be published yet, in order, bounded by age and size."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple


class Kept(NamedTuple):
    """One batch as it travels."""

    at: float
    """When it was published, or while it waits: could have been (monotonic)."""
    subject: str
    payload: bytes
    records: int


class Retention:
    """Batches of all subjects in the order they were published. Waiting ones stay until sent, whatever their age.

    The waiting ones are always the newest: once one has to wait, all that follow wait behind it.
    """

    def __init__(self, keep_s: float, keep_bytes: int) -> None:
        self._keep_s = keep_s
        self._keep_bytes = keep_bytes
        self._sent: deque[Kept] = deque()
        self._waiting: deque[Kept] = deque()
        self._bytes = 0

    @property
    def has_waiting(self) -> bool:
        """True while something is still to be sent."""
        return bool(self._waiting)

    @property
    def size_bytes(self) -> int:
        """What is kept in all."""
        return self._bytes

    def add(self, kept: Kept, *, is_waiting: bool) -> int:
        """Keep the newest batch. Returns how many records were given up unsent to make room."""
        (self._waiting if is_waiting else self._sent).append(kept)
        self._bytes += len(kept.payload)
        while self._sent and self._sent[0].at < kept.at - self._keep_s:
            self._bytes -= len(self._sent.popleft().payload)
        return self._make_room() if self._bytes > self._keep_bytes else 0

    def _make_room(self) -> int:
        given_up = 0
        while self._bytes > self._keep_bytes and (self._sent or self._waiting):
            if self._sent:
                oldest = self._sent.popleft()
            else:
                oldest = self._waiting.popleft()
                given_up += oldest.records
            self._bytes -= len(oldest.payload)
        return given_up

    def reopen(self, since: float) -> None:
        """What was sent from `since` on may be lost: it waits again, before everything that waits already."""
        while self._sent and self._sent[-1].at >= since:
            self._waiting.appendleft(self._sent.pop())

    def next_waiting(self) -> Kept | None:
        """The oldest that waits; `sent` when it was."""
        return self._waiting[0] if self._waiting else None

    def sent(self, kept: Kept, now: float) -> None:
        """`kept`, the oldest that waited, was published."""
        if self._waiting and self._waiting[0] is kept:
            self._sent.append(self._waiting.popleft()._replace(at=now))

    def published_since(self, since: float, subject: str) -> Iterator[Kept]:
        """What was published to `subject` from `since` on, in order."""
        return iter([kept for kept in self._sent if kept.at >= since and kept.subject == subject])
