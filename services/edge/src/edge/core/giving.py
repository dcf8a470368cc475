"""A caller on the way to a human: what the carrier is told, and how long the call waits for its word."""

from dataclasses import dataclass
from typing import Final

from common.messages.facts import TransferBegun
from common.profile import TransferTarget

CARRIER_SPARE_S: Final = 30
"""The carrier needs this long beside the ringing, at most, to begin to dial and to tell how it went."""
_WHISPER_BEGINS_WITHIN_S: Final = 5.0
_SECONDS_PER_CHARACTER: Final = 0.15
"""Slow speech, in a script of which each character is a syllable."""


@dataclass(frozen=True, slots=True)
class Giving:
    """One transfer. While it lasts the talker keeps its session, since the caller may come back."""

    begun: TransferBegun
    target: TransferTarget
    summary: str
    """What the human is told before the caller is there; empty: nothing."""

    @property
    def within_s(self) -> int:
        """By then the carrier has told how it went. If it has not, the caller is with the human."""
        return self.target.ring_s + CARRIER_SPARE_S

    @property
    def whisper_within_s(self) -> float:
        """How long the human who picked up may listen, and put the phone down, before the caller is there."""
        if not self.summary:
            return 0.0
        return _WHISPER_BEGINS_WITHIN_S + len(self.summary) * _SECONDS_PER_CHARACTER
