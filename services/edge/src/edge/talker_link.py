"""What one call says to talkers over the bus: offers, adoptions, take-overs, releases, digits."""

from collections import defaultdict
from collections.abc import Callable, Set
from typing import Final

from common import metrics, subjects
from common.bus.connection import Bus
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.base import Message, decode_as
from common.messages.commands import Adopt, Adopted, CutOver, Digits, Release, TakeOver
from common.messages.offers import Accepted, Offer, OfferAnswer
from common.subjects import Pool
from edge.call import Caller
from edge.core.arbitration import MakeOffer, OfferAccepted, OfferFailed, Talker

OFFER_WITHIN_S: Final = 0.15
"""A talker may have frozen a moment ago, so an unanswered offer soon goes to another."""
ADOPT_WITHIN_S: Final = 0.25
ADOPT_TRIES: Final = 2
"""Adoption asked twice is answered twice the same."""


class TalkerLink:
    """One call's side. What is asked is answered in bounded time; what is told is told once."""

    def __init__(
        self, bus: Bus, edge_id: str, caller: Caller, choose: Callable[[Pool, Set[str]], str | None], home: Pool
    ) -> None:
        """`choose`: a talker of a pool with room that is none of those given, if one is known."""
        self._bus = bus
        self._edge_id = edge_id
        self._caller = caller
        self._call_id = caller.call_id
        self._choose = choose
        self._home: Pool = home
        self._passed: defaultdict[Pool, set[str]] = defaultdict(set)
        """Talkers that were offered the call in this search: they did not take it, or did not get ready."""

    async def offer(self, make: MakeOffer) -> OfferAccepted | OfferFailed:
        """Offer the call to a talker of the pool that was not asked yet, or to all of the pool."""
        offer = Offer(
            call_id=self._call_id,
            edge_id=self._edge_id,
            epoch=make.epoch,
            reason=make.reason,
            profile=self._caller.profile.for_talkers(),
            home=self._home,
            is_last_resort=make.is_last_resort,
            caller_number=self._caller.number,
        )
        try:
            data = await self._bus.request(self._next(make.pool), offer.encode(), OFFER_WITHIN_S)
            answer = decode_as(OfferAnswer, data)
        except TrunklineError as error:
            metrics.OFFERS.labels(make.pool, error.code).inc()
            return OfferFailed(make.epoch)
        if isinstance(answer, Accepted):
            metrics.OFFERS.labels(make.pool, answer.kind).inc()
            return OfferAccepted(make.epoch, answer.talker_id)
        is_provider_down = answer.reason == "provider_down"
        metrics.OFFERS.labels(make.pool, answer.reason if is_provider_down else answer.kind).inc()
        return OfferFailed(make.epoch, is_provider_down)

    def found(self) -> None:
        """A talker is ready: whoever did not take an offer may be asked again next time."""
        self._passed.clear()

    def _next(self, pool: Pool) -> str:
        """Where the offer goes. A queue group would go on feeding members that are frozen or full."""
        passed = self._passed[pool]
        talker_id = self._choose(pool, passed)
        if talker_id is None:
            passed.clear()
            return subjects.offer(pool)
        passed.add(talker_id)
        return subjects.offer_to(pool, talker_id)

    async def adopt(
        self, talker: Talker, new_epoch: int, leg_clock_ms: int, known_items: tuple[str, ...], *, human_unreached: bool
    ) -> Adopted | None:
        """Ask the talker from before to go on. None: it is away, or has nothing to go on with."""
        message = Adopt(
            call_id=self._call_id,
            epoch=talker.epoch,
            new_epoch=new_epoch,
            edge_id=self._edge_id,
            leg_clock_ms=leg_clock_ms,
            known_items=known_items,
            human_unreached=human_unreached,
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
