"""The commands talkers and edges send each other, most of them about one call."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from common.conversation import AnyTurn
from common.messages.base import Message
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason


class _AboutCall(Message):
    call_id: str
    epoch: int = Field(ge=1)


# --- talker to edge -------------------------------------------------------------------------------------------------


class Ready(_AboutCall):
    """The offered talker's speech session is open. The edge answers with `CutOver`; asked again it answers the same."""

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


class ReplayCaller(Message):
    """A talker was away from the bus: send it what callers said in the last `for_s` seconds again, in all its calls.

    Answered with a receipt. Repeats are safe.
    """

    type: Literal["replay_caller"] = "replay_caller"
    talker_id: str
    for_s: float = Field(gt=0, le=60)


class EndReason(StrEnum):
    """Why a call ended."""

    CALLER_HANGUP = "caller_hangup"
    MAX_DURATION = "max_duration"
    AGENT_HANGUP = "agent_hangup"
    TRANSFERRED = "transferred"
    """The carrier dials a human for the caller."""
    NO_TALKER = "no_talker"
    LEG_LOST = "leg_lost"
    SHUTDOWN = "shutdown"
    MOVED = "moved"
    """Not an end: another stream, here or at another edge, goes on with the call."""


class HangUp(_AboutCall):
    """The talker asks the edge to end the call."""

    type: Literal["hang_up"] = "hang_up"
    talker_id: str


class Transfer(_AboutCall):
    """The talker asks the edge to give the caller to a human. Answered with a receipt."""

    type: Literal["transfer"] = "transfer"
    talker_id: str
    to: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    """A name of the profile's `transfers`, never a number."""
    summary: str = Field("", max_length=1_000)
    """What the human is told before the caller is there."""


class StandingAsked(_AboutCall):
    """A talker that hears nothing asks whether it is still the talker of this epoch. Answered with `Standing`."""

    type: Literal["standing_asked"] = "standing_asked"
    talker_id: str


class WhoCarries(Message):
    """Edge to edge: a stream for this call came to me; does the call's leg live with you? Answered with `LegState`.

    An edge whose leg of the call is dead gives the call up with its answer.
    """

    type: Literal["who_carries"] = "who_carries"
    call_id: str


class TransferNews(Message):
    """Edge to edge: the carrier told me what became of a caller whose leg was yours. Answered with `TransferNoted`.

    The carrier dials a human for the caller, and tells any edge how that goes.
    """

    type: Literal["transfer_news"] = "transfer_news"
    call_id: str
    news: Literal["answered", "talked", "hung_up", "busy", "no_answer", "failed", "canceled"]
    """`answered`: the human picked up, and is told the summary first. `talked`: they were connected, or are. `hung_up`:
    the caller went. The others: the human was not reached."""


class Drain(Message):
    """To one process: take nothing new, give away what runs, end with exit code 0. Answered with `Draining`."""

    type: Literal["drain"] = "drain"
    moves_calls: bool = False
    """Edges only: re-attach the running calls elsewhere at quiet moments instead of waiting for their end."""


_AnyEdgeCommand = (
    Ready
    | Clear
    | HandoverPlease
    | HangUp
    | Transfer
    | StandingAsked
    | ReplayCaller
    | WhoCarries
    | TransferNews
    | Drain
)

EdgeCommand = TypeAdapter[_AnyEdgeCommand](Annotated[_AnyEdgeCommand, Field(discriminator="type")])


class LegState(Message):
    """An edge's answer to `WhoCarries`."""

    is_alive: bool
    epoch: int = Field(0, ge=0)
    """The highest epoch the call had there; 0 if it is not known."""
    talker_id: str = ""
    """Who talked last, if anybody."""


class TransferNoted(Message):
    """An edge's answer to `TransferNews`."""

    is_ours: bool
    """It carries the call, and has acted on the news."""


class CutOver(Message):
    """The edge's answer to `Ready`: you are the talker of this epoch from now on, or not yet, or not at all."""

    is_granted: bool
    may_wait: bool = False
    """Not yet: stay ready. `TakeOver` follows at the call's next quiet moment, or `Release`."""
    leg_clock_ms: int = 0
    """The leg's clock at the cut: caller audio before it is not yours unless it is replayed."""
    conversation: tuple[AnyTurn, ...] = ()
    """Everything that was said until the cut. Agent turns that still play stand as they will have been heard."""
    omitted_turns: int = 0
    """How many older turns were too many to send."""
    instructions: Instructions | None = None
    """The newest revision, if the agent's own were ever replaced."""
    service_level: int = Field(0, ge=0, le=4)
    """What the call had until now (`design.md` section 8)."""
    falls: int = Field(0, ge=0)
    """How often the call has left the highest level before."""
    human_unreached: bool = False
    """The caller is back from a transfer that came to nothing, and nobody has said so yet."""


class Standing(Message):
    """The edge's answer to `StandingAsked`."""

    is_current: bool


class Heard(Message):
    """The edge's answer to `Clear`: how much of which item the caller heard. No item: nothing was cut."""

    item_id: str | None = None
    heard_ms: int = 0
    text: str = ""
    """What the caller heard of it, in words: the item may be of a talker before."""


class HandOver(Message):
    """To all edges: replace the talker of this call at its next quiet moment. Answered by its edge: `HandingOver`."""

    type: Literal["hand_over"] = "hand_over"
    call_id: str


EdgesCommand = TypeAdapter[HandOver](HandOver)


class HandingOver(Message):
    """The edge's answer to `HandOver`."""

    edge_id: str
    epoch: int
    talker_id: str = ""


class Draining(Message):
    """A process's answer to `Drain`."""

    process_id: str
    calls: int = Field(ge=0)


# --- edge to talker -------------------------------------------------------------------------------------------------


class TakeOver(_AboutCall):
    """The call's quiet moment has come: you are its talker from now on, as if `Ready` had been answered so."""

    type: Literal["take_over"] = "take_over"
    cut: CutOver


class Adopt(_AboutCall):
    """Another edge carries the call now: go on with your session, for it, under a new epoch. Answered: `Adopted`."""

    type: Literal["adopt"] = "adopt"
    new_epoch: int = Field(ge=2)
    edge_id: str
    leg_clock_ms: int = Field(ge=0)
    """The call's clock where the new stream begins, as far as the edge knows."""
    known_items: tuple[str, ...] = ()
    """Agent turns whose facts the edge has. Of others nobody but the talker knows."""
    human_unreached: bool = False
    """The caller is back from a transfer that came to nothing: speak first, and say so."""


class LeftOver(Message):
    """An agent turn that was being heard when the edge was lost, as far as the caller can have heard it."""

    item_id: str
    text: str
    start_ms: int = Field(ge=0)
    heard_ms: int = Field(ge=0)
    audio_ms: int = Field(ge=0)


class Adopted(Message):
    """The talker's answer to `Adopt`."""

    is_adopted: bool
    realtime_session_id: str = ""
    leg_clock_ms: int = Field(0, ge=0)
    """Up to where the talker has the caller's audio."""
    left_over: tuple[LeftOver, ...] = ()


class NotTalking(Message):
    """A talker's answer to a batch of caller audio with calls it does not talk in: the edge is mistaken, or we were."""

    type: Literal["not_talking"] = "not_talking"
    calls: tuple[tuple[int, int], ...] = Field(max_length=10_000)
    """Call key and epoch, as in the batch."""


class Ping(Message):
    """Are you there? Answered with anything at all."""

    type: Literal["ping"] = "ping"


class Release(_AboutCall):
    """This epoch is over for you: close your session."""

    type: Literal["release"] = "release"
    reason: str


class Digits(_AboutCall):
    """The caller pressed keys."""

    type: Literal["digits"] = "digits"
    digits: str = Field(pattern=r"^[0-9*#A-D]{1,64}$")


_AnyTalkerCommand = Release | Digits | TakeOver | Adopt | Ping | Drain

TalkerCommand = TypeAdapter[_AnyTalkerCommand](Annotated[_AnyTalkerCommand, Field(discriminator="type")])


# --- edge to all talkers --------------------------------------------------------------------------------------------


class WhoTalks(Message):
    """Who holds a session of this call? Each talker that does answers with `TalksTo`; the others stay silent."""

    type: Literal["who_talks"] = "who_talks"
    call_id: str


class TalksTo(Message):
    """A talker's answer to `WhoTalks`."""

    talker_id: str
    epoch: int = Field(ge=1)


class CatchUp(Message):
    """An edge was away from the bus: send again what it was sent in the last `for_s` seconds. Repeats are safe."""

    type: Literal["catch_up"] = "catch_up"
    edge_id: str
    for_s: float = Field(gt=0, le=60)


TalkersCommand = TypeAdapter[WhoTalks | CatchUp](Annotated[WhoTalks | CatchUp, Field(discriminator="type")])
