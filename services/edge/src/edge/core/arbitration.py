"""What the arbiter of a call is told, and what it answers: its events and commands."""

from dataclasses import dataclass
from typing import TypeAlias

from common.messages.commands import EndReason
from common.messages.offers import HandoverReason
from common.subjects import Pool


@dataclass(frozen=True, slots=True)
class Talker:
    """A talker of this call and its number."""

    talker_id: str
    epoch: int


# --- events ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LegUp:
    """The media leg is there; a talker is wanted. `adopt`: the one that talked before this leg came."""

    adopt: Talker | None = None


@dataclass(frozen=True, slots=True)
class OfferAccepted:
    """A talker took the offer of this epoch."""

    epoch: int
    talker_id: str


@dataclass(frozen=True, slots=True)
class OfferFailed:
    """Nobody took the offer of this epoch: refused, unanswered, nobody there."""

    epoch: int
    is_provider_down: bool = False
    """It was refused because the breakers forbid it; others of the pool would say the same."""


@dataclass(frozen=True, slots=True)
class AdoptionAccepted:
    """The talker from before goes on, with the session it has, under this epoch."""

    epoch: int
    talker_id: str
    realtime_session_id: str = ""


@dataclass(frozen=True, slots=True)
class TalkerReady:
    """A talker says its speech session is open."""

    epoch: int
    talker_id: str
    realtime_session_id: str = ""


@dataclass(frozen=True, slots=True)
class TalkerGone:
    """The process is known to be dead or away."""

    talker_id: str


@dataclass(frozen=True, slots=True)
class HandoverAsked:
    """A talker cannot or should not go on."""

    epoch: int
    talker_id: str
    reason: HandoverReason
    is_retryable: bool


@dataclass(frozen=True, slots=True)
class HandoverOrdered:
    """Somebody wants this call to have another talker."""

    reason: HandoverReason


@dataclass(frozen=True, slots=True)
class QuietChanged:
    """Nobody speaks, nothing is buffered and no answer is due; or that is over."""

    is_quiet: bool


@dataclass(frozen=True, slots=True)
class AgentSpoke:
    """Audio of the current talker reached the carrier: it works."""


@dataclass(frozen=True, slots=True)
class BusLost:
    """Nobody can be reached. Whoever talks is not to blame."""


@dataclass(frozen=True, slots=True)
class BusBack:
    """Everybody can be reached again."""


@dataclass(frozen=True, slots=True)
class LegLost:
    """The media leg broke. The carrier may come back with another; the talker waits for it."""


@dataclass(frozen=True, slots=True)
class LegAway:
    """The leg is away on purpose, and may come back within this time; told again, the time begins anew.

    `otherwise`: what it is if it does not.
    """

    within_s: float
    otherwise: EndReason


@dataclass(frozen=True, slots=True)
class LegDown:
    """The call ends here, and why. `MOVED`: it goes on elsewhere, with its talker."""

    reason: EndReason


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed."""


Event: TypeAlias = (
    LegUp
    | OfferAccepted
    | OfferFailed
    | AdoptionAccepted
    | TalkerReady
    | TalkerGone
    | HandoverAsked
    | HandoverOrdered
    | QuietChanged
    | AgentSpoke
    | BusLost
    | BusBack
    | LegLost
    | LegAway
    | LegDown
    | Tick
)

# --- commands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Offer the call to the pool under this epoch; answer with `OfferAccepted` or `OfferFailed`."""

    epoch: int
    reason: HandoverReason
    pool: Pool = "realtime"
    is_last_resort: bool = False
    """Nobody else can be had: it is to be taken though the provider is thought to be down."""


@dataclass(frozen=True, slots=True)
class AskAdoption:
    """Offer the call to its old talker under a new epoch; answer with `AdoptionAccepted` or `OfferFailed`."""

    talker: Talker
    epoch: int


@dataclass(frozen=True, slots=True)
class CutOver:
    """From now on this talker is the current one; address the caller's audio to it."""

    talker: Talker
    reason: HandoverReason
    waited_s: float
    realtime_session_id: str = ""
    has_waited: bool = False
    """It was ready before and was told to wait: tell it that its moment has come."""


@dataclass(frozen=True, slots=True)
class ReleaseTalker:
    """Tell the talker that this epoch is over for it."""

    talker: Talker
    reason: str


@dataclass(frozen=True, slots=True)
class SearchAbandoned:
    """The change is not made: nobody could be had for it, and the present talker goes on."""

    reason: HandoverReason


@dataclass(frozen=True, slots=True)
class EndCall:
    """Give the leg back to the carrier."""

    reason: EndReason


Command: TypeAlias = MakeOffer | AskAdoption | CutOver | ReleaseTalker | SearchAbandoned | EndCall
