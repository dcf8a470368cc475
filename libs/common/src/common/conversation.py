"""The conversation of a call: what was said, in order, as a talker needs it to go on; folded from facts."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Turn(BaseModel):
    """What one speaker said. Of the agent, only what the caller heard."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    speaker: Literal["caller", "agent"]
    item_id: str
    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    is_interrupted: bool = False


class Conversation:
    """The turns of one call in spoken order, whatever order their facts arrived in."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}

    def add(self, turn: Turn) -> None:
        """Take a turn; the same item again replaces it (a fact may arrive twice)."""
        self._turns[turn.item_id] = turn

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Every turn, ordered by when it began."""
        return tuple(sorted(self._turns.values(), key=lambda turn: turn.start_ms))

    @property
    def known_until_ms(self) -> int:
        """The end of the last caller turn that is known in words: caller audio after it is not yet a fact."""
        return max((turn.end_ms for turn in self._turns.values() if turn.speaker == "caller"), default=0)
