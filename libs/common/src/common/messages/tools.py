"""A tool the model asks for: from a talker to whoever runs tools, and what came of it."""

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from common.messages.base import Message

OUTPUT_AT_MOST: Final = 65_536
DIGITS: Final = r"^[0-9*#A-D]{1,64}$"


class ToolRequest(Message):
    """Run this tool, at most once for `call_id` and `tool_call_id`, however often it is asked.

    Answered with a `ToolResult`, or within two seconds with `ToolPending`: then the same request is sent again.
    """

    call_id: str
    epoch: int = Field(ge=1)
    profile: str
    tool_call_id: str
    name: str
    arguments: str
    """JSON, as the model wrote it: not checked by anybody yet."""


class HangUpOrder(Message):
    """End the call once the agent has said goodbye."""

    type: Literal["hang_up"] = "hang_up"


class TransferOrder(Message):
    """Give the caller to a human: a name of the profile's `transfers`."""

    type: Literal["transfer"] = "transfer"
    to: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    summary: str = Field("", max_length=1_000)
    """What the human is told before the caller is there."""


class SendDigitsOrder(Message):
    """Play the tones of these keys to the other side."""

    type: Literal["send_digits"] = "send_digits"
    digits: str = Field(pattern=DIGITS)


ToolOrder: TypeAlias = Annotated[HangUpOrder | TransferOrder | SendDigitsOrder, Field(discriminator="type")]
"""What the talker is to do because a tool ran: telephony is done where the call is."""


class ToolResult(Message):
    """What came of it, as the model is to be told; a failure is told as data too."""

    kind: Literal["result"] = "result"
    tool_call_id: str
    output: str = Field(max_length=OUTPUT_AT_MOST)
    is_error: bool = False
    order: ToolOrder | None = None


class ToolPending(Message):
    """It runs and takes longer: ask again, with the same request."""

    kind: Literal["pending"] = "pending"
    tool_call_id: str
    filler: str = Field("", max_length=300)
    """What the caller should hear meanwhile, once; empty: nothing."""


ToolAnswer = TypeAdapter[ToolResult | ToolPending](Annotated[ToolResult | ToolPending, Field(discriminator="kind")])
