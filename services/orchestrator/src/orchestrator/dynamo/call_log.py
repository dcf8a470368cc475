"""Writes the call log: each turn in the stream of facts becomes a line, once, however long the table is away."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from common import backoff, logs, metrics, subjects
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.errors import ConfigError, RemoteProtocolError, StorageUnavailable
from common.messages.base import decode_as
from common.messages.facts import AgentSaid, CallerSaid, CallStarted, Fact
from orchestrator.core.call_log import Beginning, beginning, line
from orchestrator.core.phone_numbers import CountryOf
from orchestrator.dynamo.call_log_table import CallLogTable
from orchestrator.pulling import Pull

log = logs.get("call_log")

DURABLE: Final = "call_log"
_PAST_WITHIN_S: Final = 2.0
_WAIT_FOR_BEGINNING_S: Final = 5.0
_ASK_FOR_BEGINNING: Final = 5
"""Deliveries of a turn before its call's beginning is believed to be lost."""
_CALLS_AT_MOST: Final = 10_000
_AT_ONCE: Final = 16
_FIRST_WAIT_S: Final = 0.5
_LONGEST_WAIT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Turn:
    message: Msg
    fact: CallerSaid | AgentSaid


class CallLog:
    """A part of the orchestrator (`orchestrator.part`). All replicas share the work."""

    name = "call log"

    def __init__(self, bus: Bus, table: CallLogTable, country_of: CountryOf) -> None:
        self._bus, self._table, self._country_of = bus, table, country_of
        self._pull = Pull(bus, subjects.FACTS_STREAM, DURABLE)
        self._beginnings: OrderedDict[str, Beginning] = OrderedDict()
        self._waits = backoff.delays(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        self._is_prepared = False
        self._is_retired = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._problem: str | None = None
        """Why the table has not taken something of the batch in hand."""

    async def start(self) -> None:
        """Be ready to receive. The table is not asked yet: it may come later."""
        await self._pull.start()

    async def run(self) -> None:
        """Until drained or cancelled."""
        while not self._is_retired.is_set():
            await self._go_on()

    async def drain(self) -> None:
        """Finish the batch in hand."""
        self._is_retired.set()
        await self._is_idle.wait()

    async def close(self) -> None:
        """Give back what was received and not written."""
        await self._pull.stop()

    async def _go_on(self) -> None:
        """One batch."""
        try:
            if self._pull.is_lost or not self._is_prepared:
                await self._pull.prepare()
                self._is_prepared = True
            messages = await self._pull.next()
            self._is_idle.clear()
            await self._keep(messages)
        except (NatsError, OSError, TimeoutError) as error:
            log.debug("JetStream is not ready", extra=logs.fields(error=type(error).__name__))
            await self._rest(next(self._waits))
        finally:
            self._is_idle.set()

    async def _keep(self, messages: Sequence[Msg]) -> None:
        turns = [turn for message in messages if (turn := await self._understand(message)) is not None]
        lost = await self._learn_beginnings({turn.fact.call_id for turn in turns})
        unwritten: list[_Turn] = []
        for first in range(0, len(turns), _AT_ONCE):
            some = turns[first : first + _AT_ONCE]
            if self._problem is None:
                outcomes = await asyncio.gather(*(self._write(turn, lost) for turn in some))
                unwritten += [turn for turn, is_done in zip(some, outcomes, strict=True) if not is_done]
            else:
                unwritten += some
        if self._problem is not None:
            await self._wait(unwritten)
        elif turns:
            self._waits = backoff.delays(_FIRST_WAIT_S, _LONGEST_WAIT_S)

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _understand(self, message: Msg) -> _Turn | None:
        """A turn. Other facts are of no interest here, but for how a call began."""
        try:
            fact = decode_as(Fact, message.data)
            if fact.call_id != subjects.last_token(message.subject):
                raise RemoteProtocolError("a fact of another call")
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            await self._pull.terminate(message)
            return None
        if isinstance(fact, CallerSaid | AgentSaid):
            return _Turn(message, fact)
        if isinstance(fact, CallStarted):
            self._remember(fact)
        await self._pull.acknowledge(message)
        return None

    def _remember(self, started: CallStarted) -> None:
        self._beginnings.setdefault(started.call_id, beginning(started, self._country_of(started.profile)))
        if len(self._beginnings) > _CALLS_AT_MOST:
            self._beginnings.popitem(last=False)

    async def _learn_beginnings(self, call_ids: set[str]) -> set[str]:
        """Those that another replica was told, or that were told before this one started.

        Returns the calls of which the stream knows no beginning.
        """
        unknown = sorted(call_ids - self._beginnings.keys())
        lost = set[str]()
        for first in range(0, len(unknown), _AT_ONCE):
            some = unknown[first : first + _AT_ONCE]
            pasts = await asyncio.gather(*(facts_of(self._bus, each, _PAST_WITHIN_S) for each in some))
            for call_id, (facts, is_complete) in zip(some, pasts, strict=True):
                started = next((fact for fact in facts if isinstance(fact, CallStarted)), None)
                if started is not None:
                    self._remember(started)
                elif is_complete:
                    lost.add(call_id)
        return lost

    # --- writing ------------------------------------------------------------------------------------------------------

    async def _write(self, turn: _Turn, lost: Set[str]) -> bool:
        """False if the table does not take it; then there is a `_problem`."""
        about, call_id = turn.message.metadata, turn.fact.call_id
        call = self._beginnings.get(call_id)
        if call is None and not (call_id in lost and (about.num_delivered or 0) >= _ASK_FOR_BEGINNING):
            await self._put_off(turn, _WAIT_FOR_BEGINNING_S)
            return True
        try:
            await self._table.write(line(turn.fact, call or Beginning(), about.timestamp))
        except (StorageUnavailable, ConfigError) as error:
            self._problem = str(error)
            return False
        await self._pull.acknowledge(turn.message)
        metrics.CALL_LOG_LINES.labels("written" if call is not None else "unknown_caller").inc()
        return True

    async def _put_off(self, turn: _Turn, for_s: float) -> None:
        """The stream keeps it, and gives it to whoever asks after a while."""
        await self._pull.give_back(turn.message, for_s)
        metrics.CALL_LOG_LINES.labels("put_off").inc()

    async def _wait(self, turns: Sequence[_Turn]) -> None:
        """For the table, with everything it has not taken."""
        log.warning("turns wait for the call log", extra=logs.fields(count=len(turns), why=self._problem))
        wait_s, self._problem = next(self._waits), None
        for turn in turns:
            await self._put_off(turn, wait_s)
        await self._rest(wait_s)

    async def _rest(self, for_s: float) -> None:
        """Unless there is nothing to rest for any more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(for_s):
                await self._is_retired.wait()
