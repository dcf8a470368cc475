"""What one conversation is about, and how patient it is."""

from dataclasses import dataclass

from common.profile import TurnDetection


@dataclass(frozen=True, slots=True)
class Subject:
    """Which call this is, and how the model finds its turns."""

    call_id: str
    epoch: int
    model: str
    turn_detection: TurnDetection
    supports_truncate: bool = True
    """Whether the model can be told what was not heard."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take. All settings of the worker."""

    answer_s: float = 4.0
    """From the caller's last word to the agent's first audio, retries included."""
    retries: int = 2
    retry_first_s: float = 0.25
    """Doubled with each further retry."""
    orphan_s: float = 30.0
    """Without caller audio; Twilio sends it all the time, also when the caller is silent."""
