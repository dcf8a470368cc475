"""Where the caller's turns begin and end, from how likely each piece of audio is speech."""

from dataclasses import dataclass
from typing import Final, TypeAlias

from common.profile import ServerVad, TurnDetection

PIECE_MS: Final = 32
"""What the voice detector looks at in one go."""
ONSET_MS: Final = 96
"""So much speech in a row begins a turn: a click or a cough is shorter."""
TURN_AT_MOST_MS: Final = 60_000
"""A turn that does not end is ended here: somebody has to answer, and no transcription takes more."""
_RELEASE: Final = 0.15
"""A turn goes on below the threshold by so much: speech fades at the ends of words."""
_QUIET: Final = 0.01
"""Below this nobody speaks, whatever the threshold: else a low one would let no turn end."""
_SILENCE_MS: Final = 600
"""What ends a turn for a profile that leaves it to the model's understanding, which there is none of here."""


@dataclass(frozen=True, slots=True)
class TurnBegan:
    """The caller speaks. `audio_ms` counts the audio that was heard; it lies before the first sound by the lead-in.

    So it is negative for who speaks at once: whoever adds the lead-in again finds the first sound.
    """

    audio_ms: int


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over. `audio_ms` counts the audio that was heard, the closing silence included."""

    audio_ms: int
    quiet_ms: int
    """How long the caller has been silent by now."""


Boundary: TypeAlias = TurnBegan | TurnEnded


class Endpointing:
    """Feed it the likelihood of speech in each piece of `PIECE_MS`, in order."""

    def __init__(self, detection: TurnDetection) -> None:
        is_timed = isinstance(detection, ServerVad)
        self._threshold = detection.threshold if isinstance(detection, ServerVad) else 0.5
        self._release = max(_QUIET, self._threshold - _RELEASE)
        self._silence_ms = detection.silence_duration_ms if isinstance(detection, ServerVad) else _SILENCE_MS
        self.lead_in_ms = detection.prefix_padding_ms if isinstance(detection, ServerVad) else 0
        self._told_silence_ms = self._silence_ms if is_timed else 0
        self._now_ms = 0
        self._voiced_ms = 0
        self._quiet_ms = 0
        self._began_ms: int | None = None

    @property
    def is_speaking(self) -> bool:
        """True from `TurnBegan` to `TurnEnded`."""
        return self._began_ms is not None

    @property
    def began_here_ms(self) -> int:
        """What `TurnBegan` would tell of a turn that begins now by other evidence, a key for example."""
        return self._now_ms - self.lead_in_ms

    @property
    def ended_here_ms(self) -> int:
        """What `TurnEnded` would tell of one that ends now."""
        return self._now_ms + self._told_silence_ms

    def feed(self, probability: float) -> Boundary | None:
        """One more piece; the boundary it reveals."""
        self._now_ms += PIECE_MS
        return self._listen(probability) if self._began_ms is None else self._follow(probability, self._began_ms)

    def _listen(self, probability: float) -> TurnBegan | None:
        self._voiced_ms = self._voiced_ms + PIECE_MS if probability >= self._threshold else 0
        if self._voiced_ms < ONSET_MS:
            return None
        self._began_ms = self._now_ms - self._voiced_ms
        self._quiet_ms = 0
        return TurnBegan(self._began_ms - self.lead_in_ms)

    def _follow(self, probability: float, began_ms: int) -> TurnEnded | None:
        self._quiet_ms = self._quiet_ms + PIECE_MS if probability < self._release else 0
        if self._quiet_ms < self._silence_ms and self._now_ms - began_ms < TURN_AT_MOST_MS:
            return None
        self._began_ms, self._voiced_ms = None, 0
        return TurnEnded(self._now_ms - self._quiet_ms + self._told_silence_ms, self._quiet_ms)
