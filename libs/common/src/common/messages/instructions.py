"""What the live agent is told anew while a call runs: one numbered revision of its instructions."""

from pydantic import Field

from common.messages.base import Message


class Instructions(Message):
    """Replaces the agent's instructions. Of two revisions the higher one counts."""

    call_id: str
    revision: int = Field(ge=1)
    instructions: str = Field(min_length=1, max_length=100_000)
