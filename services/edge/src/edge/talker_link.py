"""What one call says to talkers over the bus: offers, adoptions, take-overs, releases, digits."""

from collections.abc import Callable, Set
from typing import Final

from common import metrics, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.base import Message, decode_as
from common.messages.commands import Adopt, Adopted, CutOver, Digits, Release, TakeOver
from common.messages.offers import Accepted, HandoverReason, Offer, OfferAnswer
from common.profile import AgentProfile
from edge.core.arbitration import OfferAccepted, OfferFailed, Talker

OFFER_WITHIN_S: Final = 0.15
"""A talker may have frozen a moment ago, so an unanswered offer soon goes to another."""
ADOPT_WITHIN_S: Final = 0.25
ADOPT_TRIES: Final = 2
"""Adoption asked twice is answered twice the same."""


class TalkerLink:
    """One call's side. What is asked is answered in bounded time; what is told is told once."""

    def __init__(self, bus: Bus, edge_id: str, call_id: str, choose: Callable[[Set[str]], str | None]) -> None:
        """`choose`: a talker with room that is none of those given, if one is known."""
        self._bus = bus
        self._edge_id = edge_id
        self._call_id = call_id
        self._choose = choose
        self._passed: set[str] = set()
        """Talkers that were offered the call in this search: they did not take it, or did not get ready."""

    async def offer(self, epoch: int, reason: HandoverReason, profile: AgentProfile) -> OfferAccepted | OfferFailed:
        """Offer the call to a talker that was not asked yet, or to the pool."""
        offer = Offer(call_id=self._call_id, edge_id=self._edge_id, epoch=epoch, reason=reason, profile=profile)
        try:
            data = await self._bus.request(self._next(), offer.encode(), OFFER_WITHIN_S)
            answer = decode_as(OfferAnswer, data)
        except TrunklineError as error:
            metrics.OFFERS.labels("realtime", error.code).inc()
            return OfferFailed(epoch)
        metrics.OFFERS.labels("realtime", answer.kind).inc()
        return OfferAccepted(epoch, answer.talker_id) if isinstance(answer, Accepted) else OfferFailed(epoch)

    def found(self) -> None:
        """A talker is ready: whoever did not take an offer may be asked again next time."""
        self._passed.clear()

    def _next(self) -> str:
        """Where the offer goes. A queue group would go on feeding members that are frozen or full."""
        talker_id = self._choose(self._passed)
        if talker_id is None:
            self._passed.clear()
            return subjects.offer("realtime")
        self._passed.add(talker_id)
        return subjects.offer_to("realtime", talker_id)

    async def adopt(
        self, talker: Talker, new_epoch: int, leg_clock_ms: int, known_items: tuple[str, ...]
    ) -> Adopted | None:
        """Ask the talker from before to go on. None: it is away, or has nothing to go on with."""
        message = Adopt(
            call_id=self._call_id,
            epoch=talker.epoch,
            new_epoch=new_epoch,
            edge_id=self._edge_id,
            leg_clock_ms=leg_clock_ms,
            known_items=known_items,
        )
        for _ in range(ADOPT_TRIES):
            try:
                data = await self._bus.request(subjects.talker(talker.talker_id), message.encode(), ADOPT_WITHIN_S)
                answer = Adopted.decode(data)
            except RemoteProtocolError:
                metrics.BUS_REJECTS.labels("malformed").inc()
                return None
            except TrunklineError as error:
                if error.code == "unavailable":
                    return None
            else:
                return answer if answer.is_adopted else None
        return None

    async def take_over(self, talker: Talker, cut: CutOver) -> None:
        """The moment of a talker that was ready and waited. If this is lost, it asks again by itself."""
        await self._tell(talker, TakeOver(call_id=self._call_id, epoch=talker.epoch, cut=cut))

    async def release(self, talker: Talker, reason: str) -> None:
        """This epoch is over for the talker. If this is lost, it finds out by asking."""
        await self._tell(talker, Release(call_id=self._call_id, epoch=talker.epoch, reason=reason))

    async def digits(self, talker: Talker, digits: str) -> None:
        """The caller pressed keys."""
        await self._tell(talker, Digits(call_id=self._call_id, epoch=talker.epoch, digits=digits))

    async def _tell(self, talker: Talker, message: Message) -> None:
        await self._bus.publish(subjects.talker(talker.talker_id), message.encode())
