"""What the live agent is told anew while a call runs: one numbered revision of its instructions and tools."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from common.agents import ToolGrant
from common.messages.base import Message
from common.profile_part import InstructionsText

_TOOLS_BYTES: Final = 32_768


def _fit_a_message(tools: tuple[ToolGrant, ...]) -> tuple[ToolGrant, ...]:
    if sum(len(tool.model_dump_json().encode()) for tool in tools) > _TOOLS_BYTES:
        raise ValueError("must not be longer than 32 KiB")
    return tools


class Instructions(Message):
    """Replaces the agent's instructions and tools. Of two revisions the higher one counts.

    A talker applies it between two responses, or at once if it is urgent, and says so with `InstructionsApplied`.
    """

    call_id: str
    revision: int = Field(ge=1)
    instructions: InstructionsText
    tools: Annotated[tuple[ToolGrant, ...], Field(max_length=64), AfterValidator(_fit_a_message)] = ()
    """All tools the agent may ask for from now on, in an order that stays: providers cache the beginning of prompts."""
    agent: str = ""
    """Which agent of the profile speaks from now on; empty: the one that answered the call."""
    urgency: Literal["between_responses", "at_once"] = "between_responses"
    asks_for_answer: bool = False
    """The agent is to speak once this is in force, though nobody asked it anything."""
    answers: str = ""
    """The fact this is the answer to (`fact_id`); empty: none."""
