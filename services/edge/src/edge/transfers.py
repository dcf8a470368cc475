"""The carrier's word on a caller given to a human: brought to the edge that has the call, or acted on in its place."""

from typing import Final, assert_never

from common import logs, metrics, subjects
from common.bus.history import facts_of
from common.errors import DeadlineExceeded, RemoteProtocolError, UpstreamUnavailable
from common.messages.commands import EndReason, TransferNews, TransferNoted
from edge import telling
from edge.call import Surroundings
from edge.calls import Calls
from edge.core.past import Past
from edge.orphans import Orphans
from edge.registry import CallEntry

log = logs.get("transfers")

_ASK_WITHIN_S: Final = 0.25
_ASK_TRIES: Final = 2
"""News told twice is acted on once."""
_FACTS_WITHIN_S: Final = 0.3


class Transfers:
    """Any edge may be told. Where nobody answers for the call, its edge is gone: then this one acts in its place."""

    def __init__(self, around: Surroundings, calls: Calls, orphans: Orphans) -> None:
        self._bus = around.bus
        self._registry = around.registry
        self._facts = around.facts
        self._edge_id = around.edge_id
        self._calls = calls
        self._orphans = orphans

    async def tell(self, news: TransferNews, entry: CallEntry | None) -> None:
        """Pass it on, in bounded time: the carrier waits. `entry`: what the registry holds of the call."""
        if self._calls.on_transfer_news(news) or entry is None or entry.state != "live":
            return
        if entry.edge_id != self._edge_id and await self._is_noted(news, entry.edge_id):
            return
        match news.news:
            case "talked":
                await self._orphans.end(news.call_id, EndReason.TRANSFERRED)
            case "hung_up":
                await self._orphans.end(news.call_id, EndReason.CALLER_HANGUP)
            case "answered":
                pass  # whether they will talk is told when it is over
            case "busy" | "no_answer" | "failed" | "canceled" as why:
                await self._take_back(news.call_id, why)
            case _:
                assert_never(news.news)

    async def _is_noted(self, news: TransferNews, edge_id: str) -> bool:
        for _ in range(_ASK_TRIES):
            try:
                answer = await self._bus.request(subjects.edge(edge_id), news.encode(), _ASK_WITHIN_S)
                return TransferNoted.decode(answer).is_ours
            except UpstreamUnavailable:
                return False
            except DeadlineExceeded:
                continue
            except RemoteProtocolError:
                metrics.BUS_REJECTS.labels("malformed").inc()
                return False
        return False

    async def _take_back(self, call_id: str, why: telling.Unreached) -> None:
        """Nobody is to be dialled for the caller any more. Whoever gets the next stream takes the call over."""
        try:
            held = await self._registry.read(call_id)
        except UpstreamUnavailable:
            return
        if held is None or held.entry.state != "live" or not held.entry.transfer_to:
            return
        log.warning("took a caller back whose edge is gone", extra=logs.fields(call=call_id, why=why))
        await self._registry.amend(call_id, held, transfer_to="", summary="", transfer_within_s=0)
        facts, _ = await facts_of(self._bus, call_id, _FACTS_WITHIN_S)
        past = Past()
        past.add(facts)
        if past.memory.transfer is not None:  # else the call's next edge finds out that it came to nothing
            self._facts.write(telling.transfer_failed(past.memory.transfer, why, past.last_epoch, past.clock_ms))
