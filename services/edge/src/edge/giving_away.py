"""One call's caller on the way to a human: the agent wishes it, the carrier dials, its word decides what follows."""

from typing import assert_never

from common import logs, metrics
from common.messages.commands import EndReason, Transfer, TransferNews
from common.messages.facts import TransferBegun
from edge import telling
from edge.books import Books
from edge.call import Caller, Surroundings
from edge.core.arbiter import Arbiter
from edge.core.arbitration import LegAway, LegDown, Talker
from edge.core.giving import Giving
from edge.registry import CLAIM_WITHIN_S

log = logs.get("giving_away")


class GivingAway:
    """`begin`, let the leg go once `may_go` says so, feed the arbiter what the carrier's `on_news` amounts to."""

    def __init__(self, caller: Caller, around: Surroundings, arbiter: Arbiter, books: Books) -> None:
        self._caller = caller
        self._registry = around.registry
        self._reattach_within_s = around.reattach_within_s
        self._arbiter = arbiter
        self._books = books

    def begin(self, wish: Transfer) -> Giving | None:
        """The agent gives the caller to a human; only the one that talks may, and only by a name we know.

        None: nothing comes of it. Asked again while that is under way, nothing happens.
        """
        if self._arbiter.current != Talker(wish.talker_id, wish.epoch) or self._books.giving is not None:
            return None
        target = self._caller.profile.transfers.get(wish.to)
        if target is None:
            metrics.TRANSFERS.labels("unknown").inc()
            log.warning("a transfer to nobody in the profile", extra=logs.fields(call=self._caller.call_id))
            return None
        call_id, at_ms = self._caller.call_id, self._books.now_ms
        begun = TransferBegun(call_id=call_id, epoch=wish.epoch, at_ms=at_ms, to=wish.to)
        giving = Giving(begun, target, wish.summary)
        self._books.giving = giving
        self._books.tell(begun)
        return giving

    async def may_go(self, giving: Giving) -> LegAway | None:
        """Wait until whichever edge the carrier asks what comes next can know it: it answers with `<Dial>`.

        None: the leg stays, the transfer or the call is over already.
        """
        self._books.note_live()
        await self._registry.written(self._caller.call_id, CLAIM_WITHIN_S)
        if self._books.giving is not giving or self._arbiter.is_over:
            return None
        log.info("caller is given to a human", extra=logs.fields(call=self._caller.call_id))
        return LegAway(giving.within_s, EndReason.TRANSFERRED)

    def on_news(self, news: TransferNews, *, is_legless: bool) -> LegAway | LegDown | None:
        """The carrier tells how it goes. What concerns no transfer of ours is late, or a repetition: None."""
        giving = self._books.giving
        if news.news == "hung_up":
            return LegDown(EndReason.CALLER_HANGUP) if is_legless else None
        if giving is None:
            return None
        match news.news:
            case "talked":
                return LegDown(EndReason.TRANSFERRED)
            case "answered":
                return LegAway(giving.whisper_within_s, EndReason.TRANSFERRED)
            case "busy" | "no_answer" | "failed" | "canceled" as why:
                return self._failed(giving, why)
            case _:
                assert_never(news.news)

    def _failed(self, giving: Giving, why: telling.Unreached) -> LegAway | None:
        """The caller will be back in a moment, with another stream, here or at another edge."""
        log.info("the human was not reached", extra=logs.fields(call=self._caller.call_id, why=why))
        self._books.giving = None
        self._books.tell(telling.transfer_failed(giving.begun, why, self._arbiter.last_epoch, self._books.now_ms))
        if self._arbiter.is_over:
            return None
        self._books.note_live()
        return LegAway(self._reattach_within_s, EndReason.LEG_LOST)
