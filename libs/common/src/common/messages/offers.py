"""The offer of a call to a pool of talkers, and its answer."""

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter

from common.messages.base import Message
from common.profile import AgentProfile
from common.subjects import Pool


class HandoverReason(StrEnum):
    """Why a talker is sought (`design.md` section 6). There is one way to change talker and these are its reasons."""

    START = "start"
    TALKER_LOST = "talker_lost"
    DRAIN = "drain"
    SESSION_AGE = "session_age"
    UPSTREAM_FAILED = "upstream_failed"
    OPERATOR = "operator"
    BREAKER_CLOSED = "breaker_closed"
    """Where the call belongs works again."""
    REATTACHED = "reattached"
    """The same talker and session go on with a new stream of the call."""


PLANNED: Final = frozenset(
    {HandoverReason.DRAIN, HandoverReason.SESSION_AGE, HandoverReason.OPERATOR, HandoverReason.BREAKER_CLOSED}
)
"""Reasons that can wait for the call's next quiet moment: the talker still works."""


class Offer(Message):
    """Edge to one member of a pool: will you talk to this caller?

    The conversation comes with the cut (`CutOver`), not here: more is said until then.
    """

    call_id: str
    edge_id: str
    epoch: int = Field(ge=1)
    """The epoch the talker will have if the edge cuts over to it."""
    reason: HandoverReason
    profile: AgentProfile
    home: Pool = "realtime"
    """Where this call belongs; a talker of the other pool gives it back when it can."""
    is_last_resort: bool = False
    """Nobody else can be had: take the call though its provider is thought to be down."""
    caller_number: str = ""
    """For a message or a wish to be called back; empty if it is withheld."""


class Accepted(Message):
    """The talker took a slot and is getting its speech session ready; `Ready` follows."""

    kind: Literal["accepted"] = "accepted"
    talker_id: str


class Refused(Message):
    """The talker cannot take the call; ask another."""

    kind: Literal["refused"] = "refused"
    talker_id: str
    reason: Literal["full", "draining", "not_ready", "malformed", "provider_down"]
    """`provider_down`: no endpoint this talker has may be given the call, as the breakers have it."""


OfferAnswer = TypeAdapter[Accepted | Refused](Annotated[Accepted | Refused, Field(discriminator="kind")])
