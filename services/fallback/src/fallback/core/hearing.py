"""The caller's turns with their audio, cut out of the stream of what the caller says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from common.pcmu import BYTES_PER_MS
from common.profile import TurnDetection
from fallback.core.endpointing import PIECE_MS, Endpointing, TurnBegan, TurnEnded

PIECE_BYTES: Final = PIECE_MS * BYTES_PER_MS
_KEPT_BEFORE_MS: Final = 480
"""Audio from before a turn was noticed that belongs to it: the onset, and what words need to be understood."""

Detector: TypeAlias = Callable[[bytes], float]
"""How likely a piece of pcmu (`PIECE_BYTES`) is speech, 0 to 1. Remembers what it has heard."""


@dataclass(frozen=True, slots=True)
class CallerBegan:
    """The caller speaks."""

    audio_ms: int


@dataclass(frozen=True, slots=True)
class CallerEnded:
    """The caller's turn, whole."""

    audio_ms: int
    pcmu: bytes


Heard: TypeAlias = CallerBegan | CallerEnded


class Hearing:
    """`hear` takes audio of any length, in order."""

    def __init__(self, detection: TurnDetection, detector: Detector) -> None:
        self._endpointing = Endpointing(detection)
        self._detector = detector
        self._rest = bytearray()
        self._kept = bytearray()

    @property
    def is_speaking(self) -> bool:
        """True while the caller speaks."""
        return self._endpointing.is_speaking

    @property
    def began_here_ms(self) -> int:
        """Where a turn begins that is noticed otherwise."""
        return self._endpointing.began_here_ms

    @property
    def ended_here_ms(self) -> int:
        """Where such a turn ends."""
        return self._endpointing.ended_here_ms

    def hear(self, pcmu: bytes) -> tuple[Heard, ...]:
        """More of the caller's audio; the boundaries of turns it reveals."""
        self._rest += pcmu
        heard: list[Heard] = []
        while len(self._rest) >= PIECE_BYTES:
            piece = bytes(self._rest[:PIECE_BYTES])
            del self._rest[:PIECE_BYTES]
            heard += self._take(piece)
        return tuple(heard)

    def _take(self, piece: bytes) -> tuple[Heard, ...]:
        self._kept += piece
        match self._endpointing.feed(self._detector(piece)):
            case TurnBegan(audio_ms):
                return (CallerBegan(audio_ms),)
            case TurnEnded(audio_ms, quiet_ms):
                turn = bytes(self._kept)
                self._keep_last(quiet_ms)  # a turn may follow at once
                return (CallerEnded(audio_ms, turn),)
        if not self._endpointing.is_speaking:
            self._keep_last(_KEPT_BEFORE_MS)
        return ()

    def _keep_last(self, ms: int) -> None:
        del self._kept[: max(0, len(self._kept) - min(ms, _KEPT_BEFORE_MS) * BYTES_PER_MS)]
