"""The agent's items as they were sent to the edge: numbered records, and what the model must forget of them."""

from collections import OrderedDict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Final

from common.audio import MAX_PAYLOAD_BYTES, Kind
from common.heard_text import Piece, heard_text
from common.pcmu import BYTES_PER_MS
from talker.core.vocabulary import SendRecord
from talker.port import DeleteItem, Truncate

_MOST_ITEMS: Final = 64
_MOST_PIECES: Final = 2_000
"""Pieces of text kept of one item: some ten minutes of speech."""
_TEXT_PIECE: Final = MAX_PAYLOAD_BYTES // 4
"""Characters; each has at most four bytes."""
_SAFE_LEAD_MS: Final = 500
"""Audio this far ahead of real time is in no hurry."""
_IN_FLIGHT_S: Final = 0.05
"""Audio that left us less than this ago cannot have been heard: the carrier buffers longer."""


@dataclass(slots=True)
class _Item:
    first_sequence: int
    first_sent_at: float
    sent_bytes: int = 0
    is_over: bool = False
    """No more records of it will follow."""
    is_complete: bool = False
    """The model said all it wanted to say in it."""
    kept_ms: int | None = None
    """How much of it the model was told to keep."""
    is_ours: bool = False
    """The model knows nothing of it, so there is nothing to forget."""
    pieces: list[Piece] = field(default_factory=list)
    """Its words, for an edge that knows nothing of it."""

    @property
    def sent_ms(self) -> int:
        return self.sent_bytes // BYTES_PER_MS

    @property
    def lasts_ms(self) -> int:
        """How much of it the caller hears in the end."""
        return self.sent_ms if self.kept_ms is None else self.kept_ms

    def is_urgent(self, now: float) -> bool:
        """True unless what was sent of it outlasts any wait."""
        return self.sent_ms - (now - self.first_sent_at) * 1000 < _SAFE_LEAD_MS


@dataclass(frozen=True, slots=True)
class Remnant:
    """What the caller can have heard of a turn until its edge died."""

    item_id: str
    text: str
    began_at: float
    heard_ms: int
    audio_ms: int
    is_cut: bool
    """More of it was to come."""
    is_known: bool
    """The edge has its fact. That it is cut it cannot tell us: its leg may have broken long before it died."""


class AgentTurns:
    """Turns what the model says into records; `sequence` rises by one with each."""

    def __init__(self, *, supports_truncate: bool = True) -> None:
        self.last_sequence = 0
        self._supports_truncate = supports_truncate
        self._items: OrderedDict[str, _Item] = OrderedDict()

    def _record(self, kind: Kind, timestamp_ms: int, payload: bytes, *, is_urgent: bool = False) -> SendRecord:
        self.last_sequence += 1
        return SendRecord(self.last_sequence, timestamp_ms, kind, payload, is_urgent)

    def audio(self, item_id: str, pcmu: bytes, answers_ms: int, now: float) -> tuple[SendRecord, ...]:
        """A piece of audio, announced by its item if it is the first. Nothing once the item is over."""
        item = self._items.get(item_id)
        if item is not None and not item.is_over and len(pcmu) <= MAX_PAYLOAD_BYTES:
            record = self._record(Kind.AUDIO, item.sent_ms, pcmu, is_urgent=item.is_urgent(now))
            item.sent_bytes += len(pcmu)
            return (record,)
        return tuple(self._audio(item_id, pcmu, answers_ms, now))

    def _audio(self, item_id: str, pcmu: bytes, answers_ms: int, now: float) -> Iterator[SendRecord]:
        yield from self._announced(item_id, answers_ms, now)
        item = self._items[item_id]
        if item.is_over:
            return
        for start in range(0, len(pcmu), MAX_PAYLOAD_BYTES):
            piece = pcmu[start : start + MAX_PAYLOAD_BYTES]
            yield self._record(Kind.AUDIO, item.sent_ms, piece, is_urgent=item.is_urgent(now))
            item.sent_bytes += len(piece)

    def play(self, item_id: str, pcmu: bytes, now: float) -> tuple[SendRecord, ...]:
        """A sound of our own, whole: an item of which the model knows nothing."""
        announced = tuple(self._announced(item_id, 0, now))
        self._items[item_id].is_ours = True
        return (*announced, *self._audio(item_id, pcmu, 0, now), *self.end(item_id, is_complete=True))

    @property
    def heard_at(self) -> float:
        """When all that was sent will have been heard: played one after another, none before it was sent."""
        free_at = 0.0
        for item in self._items.values():
            free_at = max(item.first_sent_at, free_at) + item.lasts_ms / 1000
        return free_at

    def text(self, item_id: str, text: str, answers_ms: int, now: float) -> tuple[SendRecord, ...]:
        """A piece of what is being said; it belongs where the audio has got to."""
        return tuple(self._text(item_id, text, answers_ms, now))

    def _text(self, item_id: str, text: str, answers_ms: int, now: float) -> Iterator[SendRecord]:
        yield from self._announced(item_id, answers_ms, now)
        item = self._items[item_id]
        if item.is_over:
            return
        for start in range(0, len(text), _TEXT_PIECE):
            piece = text[start : start + _TEXT_PIECE]
            if len(item.pieces) < _MOST_PIECES:
                item.pieces.append((item.sent_ms, piece))
            yield self._record(Kind.TEXT, item.sent_ms, piece.encode(errors="replace"))

    def _announced(self, item_id: str, answers_ms: int, now: float) -> Iterator[SendRecord]:
        if item_id in self._items:
            return
        yield self._record(Kind.ITEM, answers_ms, item_id.encode(errors="replace"))
        self._items[item_id] = _Item(self.last_sequence, now)
        if len(self._items) > _MOST_ITEMS:
            self._items.popitem(last=False)

    def end(self, item_id: str, *, is_complete: bool) -> tuple[SendRecord, ...]:
        """No more of this item will come. `is_complete`: because all of it has."""
        item = self._items.get(item_id)
        if item is None or item.is_over:
            return ()
        item.is_over, item.is_complete = True, is_complete
        return (self._record(Kind.ITEM_END, item.sent_ms, item_id.encode(errors="replace")),)

    def end_all(self) -> tuple[SendRecord, ...]:
        """Every item that is still open was cut off."""
        unfinished = [item_id for item_id, item in self._items.items() if not item.is_over]
        return tuple(record for item_id in unfinished for record in self.end(item_id, is_complete=False))

    def never_sent(self, item_id: str, now: float) -> tuple[DeleteItem, ...]:
        """Audio of a cancelled answer that we drop: if none of its item was sent, the model must forget it."""
        if item_id in self._items:
            return ()
        self._items[item_id] = _Item(self.last_sequence, now, is_over=True, kept_ms=0)
        return (DeleteItem(item_id),) if self._supports_truncate else ()

    def heard(self, item_id: str, heard_ms: int, through_sequence: int) -> tuple[Truncate | DeleteItem, ...]:
        """The caller heard so much of this item, and nothing of later ones up to this record."""
        cut = self._items.get(item_id)
        if cut is None:
            return ()
        later = [
            each for each, item in self._items.items() if cut.first_sequence < item.first_sequence <= through_sequence
        ]
        return (*self._keep(item_id, heard_ms), *(step for each in later for step in self._keep(each, 0)))

    def unheard(self, through_sequence: int, noticed_at: float) -> tuple[Truncate | DeleteItem, ...]:
        """The edge had nothing to cut; what had only just left us was dropped on arrival."""
        fresh = [
            each
            for each, item in self._items.items()
            if item.first_sequence <= through_sequence
            and (noticed_at - item.first_sent_at < _IN_FLIGHT_S or not item.sent_bytes)
        ]
        return tuple(step for each in fresh for step in self._keep(each, 0))

    def remnants(self, died_at: float, known: Set[str]) -> tuple[Remnant, ...]:
        """The turns as heard up to `died_at`: played one after another, none before it was sent."""
        found: list[Remnant] = []
        free_at = 0.0
        for item_id, item in self._items.items():
            length_ms = item.lasts_ms
            began_at = max(item.first_sent_at, free_at)
            free_at = began_at + length_ms / 1000
            heard_ms = max(0, min(round((died_at - began_at) * 1000), length_ms))
            is_cut = not item.is_ours and item.kept_ms is None and (heard_ms < item.sent_ms or not item.is_over)
            text = heard_text(item.pieces, item.sent_ms, heard_ms)
            is_known = item_id in known
            found.append(Remnant(item_id, text, began_at, heard_ms, item.sent_ms, is_cut, is_known))
        return tuple(found)

    def cut_off(self, remnant: Remnant) -> tuple[Truncate | DeleteItem, ...]:
        """Nothing more of this turn will be heard, and the model must know."""
        self._items[remnant.item_id].is_over = True
        return self._keep(remnant.item_id, remnant.heard_ms)

    def unheard_through(self, through_sequence: int) -> tuple[Truncate | DeleteItem, ...]:
        """Everything up to this record waited behind what the caller heard."""
        waiting = [each for each, item in self._items.items() if item.first_sequence <= through_sequence]
        return tuple(step for each in waiting for step in self._keep(each, 0))

    def _keep(self, item_id: str, heard_ms: int) -> tuple[Truncate | DeleteItem, ...]:
        """What the model must be told so that it remembers `heard_ms` of the item, never more than was sent.

        Of an item that was not heard at all nothing may stay: truncated to 0 it would remain as an empty agent turn,
        which reads as if the caller had been answered. So it is deleted.
        """
        item = self._items[item_id]
        keep_ms = max(0, min(heard_ms, item.lasts_ms))
        if item.kept_ms is not None and keep_ms >= item.kept_ms:
            return ()
        if item.is_complete and keep_ms >= item.sent_ms:
            return ()
        item.kept_ms = keep_ms
        if item.is_ours or not self._supports_truncate:
            return ()
        return (Truncate(item_id, keep_ms),) if keep_ms else (DeleteItem(item_id),)
