"""Playout and the heard ledger: what was sent to the carrier, and how much of it the caller has heard.

The carrier queues what it gets and plays in order, so agent audio is sent ahead as it comes. After each chunk goes a
mark that names the epoch, the clear generation and the position in bytes since the stream began; the carrier returns it
when everything before it was played. So at each returned mark the ledger is exact, and in between it runs with the
clock, never past a mark that is still out. A clear returns all marks at once: its generation makes them void.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from common import pcmu
from common.heard_text import Piece, heard_text

AHEAD_BYTES: Final = 9 * 60 * pcmu.SAMPLE_RATE_HZ
"""Twilio discards what lies more than ten minutes ahead (warning 31931); hold back at nine."""


@dataclass(frozen=True, slots=True)
class SendAudio:
    """Give these bytes to the carrier, then this mark."""

    pcmu: bytes
    mark: str


@dataclass(frozen=True, slots=True)
class AgentBegan:
    """The first audio of an agent turn goes out now."""

    item_id: str
    epoch: int
    answers_ms: int
    """Leg clock when the caller stopped speaking; 0 if the agent speaks unasked."""


@dataclass(frozen=True, slots=True)
class AgentTurn:
    """An agent turn is over for the caller: all heard, or cut."""

    item_id: str
    epoch: int
    text: str
    began_at: float
    ended_at: float
    heard_ms: int
    audio_ms: int
    is_interrupted: bool
    is_unfinished: bool = False
    """Its talker was lost before all of it had come."""


@dataclass(frozen=True, slots=True)
class Gap:
    """The carrier had played everything in the middle of a turn: the caller heard silence where speech was due."""

    seconds: float


Output: TypeAlias = SendAudio | AgentBegan | AgentTurn | Gap


@dataclass(slots=True)
class _Item:
    item_id: str
    epoch: int
    answers_ms: int
    start: int
    """Position of its first byte; meaningful once it has audio."""
    size: int = 0
    least_heard: int = 0
    """Bytes of it that had been played when audio of our own was put behind them."""
    is_ended: bool = False
    is_unfinished: bool = False
    began_at: float = 0.0
    text: list[Piece] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.start + self.size


class Playout:
    """The agent audio of one stream. Positions are bytes of pcmu since the stream began; times monotonic seconds."""

    def __init__(self) -> None:
        self._sent = 0
        self._played = 0
        self._played_at = 0.0
        self._generation = 0
        self._marks: deque[int] = deque()
        self._items: deque[_Item] = deque()
        self._held: deque[tuple[int, bytes]] = deque()
        self._unannounced = 0
        self.unknown_marks = 0
        """Marks returned that were never sent or that a clear made void."""

    # --- what the talker sends ------------------------------------------------------------------------------------

    def begin_item(self, item_id: str, epoch: int, answers_ms: int) -> None:
        """An agent turn begins; its audio and text follow. One thing is said at a time: the last turn is complete."""
        if self._items:
            self._items[-1].is_ended = True
        self._items.append(_Item(item_id, epoch, answers_ms, self._queued))

    def audio(self, epoch: int, chunk: bytes, now: float) -> tuple[Output, ...]:
        """Audio of the newest item, any length."""
        if not chunk:
            return ()
        item = self._newest(epoch)
        notes: tuple[Output, ...] = ()
        if not item.size:
            item.start = self._queued
            item.began_at = now + (self._queued - self.heard(now)) / pcmu.SAMPLE_RATE_HZ
            notes = (AgentBegan(item.item_id, epoch, item.answers_ms),)
        elif not self._marks:
            notes = (Gap(now - self._played_at),)
        item.size += len(chunk)
        self._held.append((epoch, chunk))
        return notes + self._send(now)

    def text(self, epoch: int, offset_ms: int, piece: str) -> None:
        """What is being said at `offset_ms` of the newest item, which may be complete: text can lag behind audio."""
        if self._items and self._items[-1].epoch == epoch:
            self._items[-1].text.append((offset_ms, piece))

    def end_item(self, item_id: str, now: float) -> tuple[Output, ...]:
        """The item's audio is complete."""
        for item in self._items:
            if item.item_id == item_id:
                item.is_ended = True
        return self._finished(now)

    # --- what the carrier tells -----------------------------------------------------------------------------------

    def mark(self, name: str, now: float) -> tuple[Output, ...]:
        """A mark came back: everything before it was played. Void and unknown ones are counted."""
        position = self._position(name)
        if position is None or position not in self._marks:
            self.unknown_marks += 1
            return ()
        while self._marks and self._marks[0] <= position:
            self._marks.popleft()
        self._played, self._played_at = position, now
        return self._send(now) + self._finished(now)

    # --- what the edge decides ------------------------------------------------------------------------------------

    def end_items(self, now: float) -> tuple[Output, ...]:
        """No more audio of any open item will come (its talker is gone); what was sent plays on."""
        for item in self._items:
            item.is_unfinished = item.is_unfinished or not item.is_ended
            item.is_ended = True
        return self._finished(now)

    def local(self, chunk: bytes, now: float) -> tuple[Output, ...]:
        """Audio of our own, which is nobody's turn; a turn that stands open goes on behind it."""
        if self._items and (item := self._items[-1]).size:
            item.least_heard = max(item.least_heard, self._heard_of(item, self.heard(now)))
            item.start += len(chunk)
        self._held.append((0, chunk))
        return self._send(now)

    def clear(self, now: float) -> tuple[AgentTurn, ...]:
        """The carrier's buffer is flushed now. The turns it ends, as heard; the first interrupted one was spoken."""
        heard = self.heard(now)
        cut = tuple(self._turn(item, heard, now) for item in self._items if item.size)
        self._items.clear()
        self._marks.clear()
        self._held.clear()
        self._generation += 1
        self._played, self._played_at, self._sent = heard, now, heard
        return cut

    # --- what anyone may ask --------------------------------------------------------------------------------------

    def under_way(self) -> tuple[AgentTurn, ...]:
        """The turns the carrier still plays or waits for, as they will have been heard if nothing more comes."""
        return tuple(
            replace(
                self._turn(item, item.end, _plays_until(item)), is_unfinished=not item.is_ended or item.is_unfinished
            )
            for item in self._items
            if item.size
        )

    @property
    def is_silent(self) -> bool:
        """True if the carrier has played everything it got."""
        return not self._marks and not self._held

    @property
    def has_turns(self) -> bool:
        """True if the carrier has anything of an agent's to play, or will have."""
        return bool(self._items)

    @property
    def is_mid_turn(self) -> bool:
        """True if a turn has begun to sound and its talker has not said that it is complete."""
        return bool(self._items) and self._items[-1].size > 0 and not self._items[-1].is_ended

    def heard(self, now: float) -> int:
        """The position the caller has heard up to."""
        if not self._marks:
            return self._played
        running = self._played + round((now - self._played_at) * pcmu.SAMPLE_RATE_HZ)
        return max(self._played, min(running, self._marks[0]))

    def buffered_ms(self, now: float) -> int:
        """How much the carrier still has to play."""
        return (self._queued - self.heard(now)) // pcmu.BYTES_PER_MS

    @property
    def is_quiet(self) -> bool:
        """True if nothing is sent that was not heard, and no turn is open."""
        return not self._items and not self._marks

    # --------------------------------------------------------------------------------------------------------------

    @property
    def _queued(self) -> int:
        return self._sent + sum(len(chunk) for _, chunk in self._held)

    def _newest(self, epoch: int) -> _Item:
        if not self._items or self._items[-1].epoch != epoch or self._items[-1].is_ended:
            self._unannounced += 1
            self.begin_item(f"unannounced-{epoch}-{self._unannounced}", epoch, 0)
        return self._items[-1]

    def _send(self, now: float) -> tuple[Output, ...]:
        if not self._marks:
            self._played_at = now
        out: list[Output] = []
        while self._held and self._sent - self.heard(now) < AHEAD_BYTES:
            epoch, chunk = self._held.popleft()
            self._sent += len(chunk)
            self._marks.append(self._sent)
            out.append(SendAudio(chunk, f"{epoch}:{self._generation}:{self._sent}"))
        return tuple(out)

    def _position(self, name: str) -> int | None:
        parts = name.split(":")
        if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 20 for part in parts):
            return None
        return int(parts[2]) if int(parts[1]) == self._generation else None

    def _finished(self, now: float) -> tuple[AgentTurn, ...]:
        done: list[AgentTurn] = []
        while self._items and self._items[0].is_ended and self._items[0].end <= self._played:
            item = self._items.popleft()
            if item.size:
                done.append(self._turn(item, self._played, now))
        return tuple(done)

    def _heard_of(self, item: _Item, heard: int) -> int:
        return max(item.least_heard, min(heard, item.end) - item.start)

    def _turn(self, item: _Item, heard: int, now: float) -> AgentTurn:
        heard_bytes = self._heard_of(item, heard)
        audio_ms, heard_ms = item.size // pcmu.BYTES_PER_MS, heard_bytes // pcmu.BYTES_PER_MS
        return AgentTurn(
            item_id=item.item_id,
            epoch=item.epoch,
            text=heard_text(item.text, audio_ms, heard_ms),
            began_at=min(item.began_at, now),
            ended_at=now,
            heard_ms=heard_ms,
            audio_ms=audio_ms,
            is_interrupted=heard_bytes < item.size,
            is_unfinished=item.is_unfinished,
        )


def _plays_until(item: _Item) -> float:
    return item.began_at + item.size / pcmu.SAMPLE_RATE_HZ
