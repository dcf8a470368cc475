"""What the live agent is told anew while a call runs: one numbered revision of its instructions."""

from pydantic import Field

from common.messages.base import Message
from common.profile import InstructionsText


class Instructions(Message):
    """Replaces the agent's instructions. Of two revisions the higher one counts."""

    call_id: str
    revision: int = Field(ge=1)
    instructions: InstructionsText
