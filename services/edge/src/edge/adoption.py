"""Adoption: the talker a call had before its stream came is asked to go on, as its arbiter wishes."""

from typing import Final

from common import metrics
from common.messages.commands import Adopted
from edge import telling
from edge.books import Books
from edge.caller_audio import CallerAudio
from edge.core.arbitration import AdoptionAccepted, AskAdoption, OfferFailed
from edge.core.clock import LegClock
from edge.talker_link import TalkerLink

_HEARD_ITEMS_AT_MOST: Final = 200


class Adoption:
    """One call's. The talker outlived the edge, or the leg, that it talked through."""

    def __init__(self, call_id: str, link: TalkerLink, books: Books, clock: LegClock, audio: CallerAudio) -> None:
        self._call_id = call_id
        self._link = link
        self._books = books
        self._clock = clock
        self._audio = audio

    async def ask(self, command: AskAdoption) -> AdoptionAccepted | OfferFailed:
        """Offer the call to its old talker. Returns what the arbiter is to be fed."""
        memory, talker = self._books.memory, command.talker
        adopted = await self._link.adopt(
            talker,
            command.epoch,
            self._clock.base_ms,
            memory.heard_items[-_HEARD_ITEMS_AT_MOST:],
            human_unreached=memory.human_unreached,
        )
        if adopted is None:
            metrics.REATTACHED.labels("reseeded").inc()
            return OfferFailed(command.epoch)
        metrics.REATTACHED.labels("adopted").inc()
        self._learn(adopted, talker.epoch)
        return AdoptionAccepted(command.epoch, talker.talker_id, adopted.realtime_session_id)

    def _learn(self, adopted: Adopted, epoch: int) -> None:
        """What only the adopted talker knows: how far the call's clock was, and what was being said."""
        shift_ms = self._clock.begin_at(adopted.leg_clock_ms)
        self._audio.shift(shift_ms)
        for turn in adopted.left_over:
            self._books.tell(telling.left_over(self._call_id, epoch, turn))
