"""Voice activity detection by loudness, on the sample clock of the audio that was appended.

Simplified on purpose: the real `server_vad` runs a model and `semantic_vad` weighs what was said; here both compare the
mean magnitude of 20 ms frames with a level, and the second only waits longer or shorter by its `eagerness`.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from simulators.openai.realtime.refusals import Json
from simulators.people.pcmu import BYTES_PER_MS, FRAME_BYTES, FRAME_MS, SILENT_FRAME, loudness

FULL_SCALE_LEVEL: Final = 800.0
"""Mean magnitude (of 32124) that threshold 1.0 asks for; the default 0.5 gives 400, about -38 dBFS: louder than the
room noise of the human recordings, softer than their speech."""
DEFAULT_LEVEL: Final = 0.5 * FULL_SCALE_LEVEL
HYSTERESIS: Final = 0.45
"""Speech that has begun goes on down to this part of the level, so that soft syllables do not end a turn."""
ONSET_FRAMES: Final = 3
"""Loud frames in a row that make speech: 60 ms, longer than a click."""
SEMANTIC_WAIT_MS: Final = {"low": 1600, "medium": 800, "auto": 800, "high": 400}
SEMANTIC_PREFIX_MS: Final = 300


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody speaks since `audio_start_ms`, prefix padding included."""

    audio_start_ms: int


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    """The caller has been silent for the configured time, which is part of the turn up to `audio_end_ms`."""

    audio_end_ms: int


Edge: TypeAlias = SpeechStarted | SpeechStopped


@dataclass(frozen=True, slots=True)
class VadSettings:
    """What of `turn_detection` the detector needs."""

    level: float = DEFAULT_LEVEL
    prefix_padding_ms: int = 300
    silence_ms: int = 500

    @classmethod
    def of(cls, turn_detection: Json) -> "VadSettings":
        """Read a complete `turn_detection` object."""
        if turn_detection["type"] == "semantic_vad":
            return cls(DEFAULT_LEVEL, SEMANTIC_PREFIX_MS, SEMANTIC_WAIT_MS[turn_detection["eagerness"]])
        return cls(
            turn_detection["threshold"] * FULL_SCALE_LEVEL,
            turn_detection["prefix_padding_ms"],
            turn_detection["silence_duration_ms"],
        )


class Vad:
    """Feed it the caller's audio in pieces of any size; it answers when speech starts and stops.

    `settings` may be replaced at any time, also while somebody speaks.
    """

    def __init__(self, settings: VadSettings, start_byte: int = 0) -> None:
        self.settings = settings
        self.is_speaking = False
        self._at_byte = start_byte
        self._floor_ms = start_byte // BYTES_PER_MS
        self._rest = b""
        self._loud = 0
        self._quiet = 0

    def feed(self, pcmu: bytes) -> list[Edge]:
        """The edges found in the next piece of audio."""
        if self._rest:
            pcmu = self._rest + pcmu
        edges: list[Edge] = []
        whole = len(pcmu) - len(pcmu) % FRAME_BYTES
        for start in range(0, whole, FRAME_BYTES):
            frame = pcmu[start : start + FRAME_BYTES]
            self._at_byte += FRAME_BYTES
            edge = self._while_speaking(frame) if self.is_speaking else self._while_silent(frame)
            if edge is not None:
                edges.append(edge)
        self._rest = pcmu[whole:]
        return edges

    def _while_silent(self, frame: bytes) -> Edge | None:
        if frame == SILENT_FRAME or loudness(frame) < self.settings.level:
            self._loud = 0
            return None
        self._loud += 1
        if self._loud < ONSET_FRAMES:
            return None
        self.is_speaking, self._quiet = True, 0
        onset_ms = self._at_byte // BYTES_PER_MS - self._loud * FRAME_MS
        return SpeechStarted(max(self._floor_ms, onset_ms - self.settings.prefix_padding_ms))

    def _while_speaking(self, frame: bytes) -> Edge | None:
        if loudness(frame) >= self.settings.level * HYSTERESIS:
            self._quiet = 0
            return None
        self._quiet += 1
        if self._quiet * FRAME_MS < self.settings.silence_ms:
            return None
        self.end_turn()
        return SpeechStopped(self._floor_ms)

    def end_turn(self) -> None:
        """Forget that somebody speaks; the next turn cannot begin before now."""
        self.is_speaking, self._loud, self._quiet = False, 0, 0
        self._floor_ms = self._at_byte // BYTES_PER_MS
