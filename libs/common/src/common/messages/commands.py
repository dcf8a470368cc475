"""The commands talkers and edges send each other about one call."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from common.messages.base import Message
from common.messages.offers import HandoverReason


class _AboutCall(Message):
    call_id: str
    epoch: int = Field(ge=1)


# --- talker to edge -------------------------------------------------------------------------------------------------


class Ready(_AboutCall):
    """The offered talker's speech session is open and seeded. The edge answers with `CutOver`."""

    type: Literal["ready"] = "ready"
    talker_id: str
    realtime_session_id: str
    is_warm: bool
    open_ms: int = Field(ge=0)


class Clear(_AboutCall):
    """The caller barged in: flush the carrier's buffer. The edge answers with `Heard`."""

    type: Literal["clear"] = "clear"
    through_sequence: int = Field(ge=0)
    """Agent records up to this one are void, also those that arrive later."""
    onset_ms: int = Field(ge=0)
    """When the caller began, on the leg's clock."""


class HandoverPlease(_AboutCall):
    """The talker cannot or should not go on. The edge finds another."""

    type: Literal["handover_please"] = "handover_please"
    talker_id: str
    reason: HandoverReason
    error_code: str = ""
    """The bounded code of the error behind it (`common.errors`)."""
    is_retryable: bool = True
    """False: another session of the same pool would fail the same way."""


class EndReason(StrEnum):
    """Why a call ended."""

    CALLER_HANGUP = "caller_hangup"
    MAX_DURATION = "max_duration"
    AGENT_HANGUP = "agent_hangup"
    NO_TALKER = "no_talker"
    LEG_LOST = "leg_lost"
    SHUTDOWN = "shutdown"


class HangUp(_AboutCall):
    """The talker asks the edge to end the call."""

    type: Literal["hang_up"] = "hang_up"
    talker_id: str


class WhoCarries(Message):
    """Edge to edge: a stream for this call came to me; does the call's leg live with you? Answered with `LegState`."""

    type: Literal["who_carries"] = "who_carries"
    call_id: str


EdgeCommand = TypeAdapter[Ready | Clear | HandoverPlease | HangUp | WhoCarries](
    Annotated[Ready | Clear | HandoverPlease | HangUp | WhoCarries, Field(discriminator="type")]
)


class LegState(Message):
    """An edge's answer to `WhoCarries`."""

    is_alive: bool


class CutOver(Message):
    """The edge's answer to `Ready`: from now on you are (or are not) the talker of this epoch."""

    is_granted: bool
    leg_clock_ms: int = 0
    """The leg's clock at the cut: caller audio before it is not yours unless it is replayed."""


class Heard(Message):
    """The edge's answer to `Clear`: how much of which item the caller heard. No item: nothing was cut."""

    item_id: str | None = None
    heard_ms: int = 0


# --- edge to talker -------------------------------------------------------------------------------------------------


class Release(_AboutCall):
    """This epoch is over for you: close your session."""

    type: Literal["release"] = "release"
    reason: str


class Digits(_AboutCall):
    """The caller pressed keys."""

    type: Literal["digits"] = "digits"
    digits: str = Field(pattern=r"^[0-9*#A-D]{1,64}$")


TalkerCommand = TypeAdapter[Release | Digits](Annotated[Release | Digits, Field(discriminator="type")])
