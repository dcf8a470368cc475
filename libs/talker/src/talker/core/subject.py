"""What one conversation is about, and how patient it is."""

from dataclasses import dataclass

from common.messages.facts import LevelCause
from common.profile import AgentProfile
from talker.core.tool_patience import UNANSWERED_S


@dataclass(frozen=True, slots=True)
class Subject:
    """Which call this is, and who answers it."""

    call_id: str
    epoch: int
    model: str
    profile: AgentProfile
    supports_truncate: bool = True
    """Whether the model can be told what was not heard."""
    answers_checks: bool = False
    """Whether the session says that it lives when it is asked."""
    answers_tool_results: bool = False
    """Whether the session goes on by itself after the tools it wanted."""
    caller_number: str = ""
    service_level: int = 0
    """What the session serves the call at when it is opened (`design.md` section 8)."""
    level_cause: LevelCause = LevelCause.RECOVERED


@dataclass(frozen=True, slots=True)
class Patience:
    """How long things may take. All settings of the worker."""

    answer_s: float = 4.0
    """From the caller's last word to the agent's first audio, retries included."""
    retries: int = 2
    retry_first_s: float = 0.25
    """Doubled with each further retry."""
    orphan_s: float = 30.0
    """Without caller audio and without word from the edge."""
    replay_s: float = 0.25
    """For the caller's last words to be replayed; they come within milliseconds of the cut, or not at all."""
    ask_again_s: float = 30.0
    """Between two requests to be replaced because of age."""
    tool_unanswered_s: float = UNANSWERED_S
    """For somebody to answer who runs tools."""
