"""A tool the model asks for: from a talker to whoever runs tools, and what came of it."""

from typing import Final

from pydantic import Field

from common.messages.base import Message

OUTPUT_AT_MOST: Final = 65_536


class ToolRequest(Message):
    """Run this tool, at most once for `call_id` and `tool_call_id`, however often it is asked."""

    call_id: str
    epoch: int = Field(ge=1)
    profile: str
    tool_call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: not checked by anybody yet."""


class ToolResult(Message):
    """What came of it, as the model is to be told; a failure is told as data too."""

    tool_call_id: str
    output: str = Field(max_length=OUTPUT_AT_MOST)
