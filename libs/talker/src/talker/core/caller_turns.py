"""The caller's turns as the model notices them: when each began and ended on the leg's clock."""

from collections import OrderedDict
from typing import Final, NamedTuple

from common.profile import ServerVad, TurnDetection
from talker.core.leg_clock import LegClock

_MOST_TURNS: Final = 64


class Span(NamedTuple):
    """From the first to the last sound of a turn."""

    start_ms: int
    end_ms: int


class CallerTurns:
    """Removes from the model's positions what turn detection adds: the lead-in before, the silence after."""

    def __init__(self, clock: LegClock, detection: TurnDetection) -> None:
        self._clock = clock
        self._lead_in_ms, self._silence_ms = 0, 0
        if isinstance(detection, ServerVad):
            self._lead_in_ms, self._silence_ms = detection.prefix_padding_ms, detection.silence_duration_ms
        self._spans: OrderedDict[str, Span] = OrderedDict()

    def began(self, item_id: str, audio_ms: int) -> int:
        """The turn's first sound, on the leg's clock."""
        start_ms = self._clock.to_leg(min(audio_ms + self._lead_in_ms, self._clock.sent_ms))
        self._spans[item_id] = Span(start_ms, start_ms)
        if len(self._spans) > _MOST_TURNS:
            self._spans.popitem(last=False)
        return start_ms

    def ended(self, item_id: str, audio_ms: int) -> int:
        """The turn's last sound, on the leg's clock."""
        end_ms = self._clock.to_leg(audio_ms - self._silence_ms)
        start_ms = self._spans[item_id].start_ms if item_id in self._spans else end_ms
        self._spans[item_id] = Span(min(start_ms, end_ms), end_ms)
        return end_ms

    def transcribed(self, item_id: str) -> Span | None:
        """The turn these words belong to; None if it was never noticed, or was put into words already."""
        return self._spans.pop(item_id, None)
