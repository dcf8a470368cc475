"""The breakers of the fleet: brings outcomes, probes and orders to their cores, tells everybody what comes of it."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from nats.aio.msg import Msg

from common import logs, metrics, subjects
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.ending import end_tasks
from common.errors import RemoteProtocolError, TrunklineError
from common.messages.base import decode_as
from common.messages.breaker import (
    BreakerCommand,
    BreakerOrder,
    BreakersAsked,
    BreakerStanding,
    BreakerStandings,
    BreakerState,
    ProbeSession,
    SessionProbed,
)
from common.messages.facts import FLEET, BreakerChanged
from common.messages.outcome import Outcome
from fallback.control import Control
from fallback.core.breaker import (
    Breaker,
    Changed,
    Command,
    Connected,
    Event,
    Ordered,
    Probe,
    ProbeEnded,
    Responded,
    Tick,
)
from fallback.core.thresholds import Thresholds
from fallback.core.verdict import Verdict, verdict
from fallback.core.window import Numbers

log = logs.get("breakers")

_TICK_S: Final = 0.25
_SAY_EVERY_S: Final = 1.0
_AT_MOST: Final = 100
"""Breakers. Their keys come over the bus, and a confused peer must not fill our memory."""
_STATE_VALUES: Final = {
    BreakerState.CLOSED: 0,
    BreakerState.RAMPING: 1,
    BreakerState.HALF_OPEN: 2,
    BreakerState.OPEN: 3,
}

Key = tuple[str, str]
"""Provider and model."""


class Breakers:
    """Decides while `is_deciding`; else it listens to the replica that does, so as to go on where that one ends."""

    def __init__(
        self,
        bus: Bus,
        replica_id: str,
        limits: Thresholds,
        is_deciding: Callable[[], bool],
        control: Control,
        facts: FactWriter,
    ) -> None:
        """`is_deciding`: whether this replica holds the lease now."""
        self._bus = bus
        self._replica_id = replica_id
        self._limits = limits
        self._is_deciding = is_deciding
        self._control = control
        self._facts = facts
        self._breakers: dict[Key, Breaker] = {}
        self._standings: dict[Key, BreakerStanding] = {}
        self._has_taken_over = False
        self._labels: set[str] = set()
        self._errands: set[asyncio.Task[None]] = set()

    # --- the life of the shell --------------------------------------------------------------------------------------

    async def subscribe(self) -> None:
        """Hear of attempts, of the other replicas, and of operators."""
        await self._bus.subscribe(subjects.ALL_OUTCOMES, self._on_outcome)
        await self._bus.subscribe(subjects.ALL_BREAKERS, self._on_standings)
        await self._bus.subscribe(subjects.BREAKER_ORDERS, self._on_command)

    async def run(self) -> None:
        """Look at the time and say how all stand, until cancelled."""
        said_at = float("-inf")
        while True:
            await asyncio.sleep(_TICK_S)
            if not self._is_deciding():
                self._has_taken_over = False
                continue
            if not self._has_taken_over:
                await self._take_over()
            for key in tuple(self._breakers):
                self._feed(key, Tick())
            if time.monotonic() >= said_at + _SAY_EVERY_S:
                said_at = time.monotonic()
                await self._say_now()

    async def stop(self) -> None:
        """End what is under way."""
        await end_tasks(self._errands)

    async def _take_over(self) -> None:
        """Go on where the last replica was: as it said itself, or as it wrote down."""
        self._has_taken_over = True
        if not self._standings:
            try:
                for standing in await self._control.read():
                    self._standings[standing.provider, standing.model] = standing
            except TrunklineError as error:
                log.warning("nobody knows how the breakers stood; closed", extra=logs.fields(error=error.code))
        self._breakers = {}
        for key, standing in self._standings.items():
            breaker = self._new()
            breaker.restore(standing.state, standing.mode, standing.reason, time.monotonic())
            self._breakers[key] = breaker
            self._show(standing)
        log.info("breakers taken over", extra=logs.fields(breakers=len(self._breakers)))

    # --- from the bus ---------------------------------------------------------------------------------------------

    def _on_outcome(self, message: Msg) -> None:
        outcome = Outcome.decode(message.data)
        judged = verdict(outcome)
        provider = subjects.last_token(message.subject)
        metrics.PROVIDER_OUTCOMES.labels(self._label(provider), outcome.attempt, judged.name.lower()).inc()
        if not self._has_taken_over or judged is Verdict.NEITHER:
            return
        is_failed = judged is Verdict.FAILED
        event: Event = Responded(is_failed)
        if outcome.attempt == "connect":
            event = Connected(None if is_failed else outcome.latency_ms / 1000)
        self._feed((provider, outcome.model), event)

    def _label(self, provider: str) -> str:
        """The provider as a label of metrics; whoever may publish could make names up without end."""
        if len(self._labels) < _AT_MOST:
            self._labels.add(provider)
        return provider if provider in self._labels else "other"

    def _on_standings(self, message: Msg) -> None:
        said = BreakerStandings.decode(message.data)
        if said.replica_id != self._replica_id and not self._has_taken_over:
            self._standings = {(each.provider, each.model): each for each in said.standings[:_AT_MOST]}

    def _on_command(self, message: Msg) -> bytes | None:
        """Answered by the replica that decides only."""
        if not self._has_taken_over or not self._is_deciding():
            return None
        command = decode_as(BreakerCommand, message.data)
        match command:
            case BreakersAsked():
                pass
            case BreakerOrder(provider=provider, model=model, mode=mode):
                if (provider, model) not in self._breakers:
                    raise RemoteProtocolError("an order for a breaker that is not there")
                log.warning("an operator decides", extra=logs.fields(provider=provider, model=model, mode=mode))
                self._feed((provider, model), Ordered(mode))
            case _:
                assert_never(command)
        return self._all().encode()

    # --- the cores --------------------------------------------------------------------------------------------------

    def _new(self) -> Breaker:
        return Breaker(self._limits, lambda: random.uniform(0.8, 1.2))  # noqa: S311 - spreading retries, not a secret

    def _feed(self, key: Key, event: Event) -> None:
        breaker = self._breakers.get(key)
        if breaker is None:
            if len(self._breakers) >= _AT_MOST:
                metrics.BUS_REJECTS.labels("too_many").inc()
                return
            breaker = self._breakers[key] = self._new()
            self._keep(key, self._standing(key, None, Numbers()))
        for command in breaker.feed(event, time.monotonic()):
            self._perform(key, command)

    def _perform(self, key: Key, command: Command) -> None:
        match command:
            case Probe(number):
                self._spawn(self._probe(key, number))
            case Changed(numbers):
                standing = self._standing(key, datetime.now(UTC), numbers)
                before = self._standings[key]
                self._keep(key, standing)
                self._facts.write(BreakerChanged(call_id=FLEET, standing=standing))
                self._spawn(self._say_now())
                if standing.state is not before.state:
                    labels = (*key, standing.state, standing.reason or "none")
                    metrics.BREAKER_CHANGES.labels(*labels).inc()
                shown = standing.model_dump(mode="json", exclude={"version", "changed_at"})
                log.warning("a breaker has changed", extra=logs.fields(**shown))
            case _:
                assert_never(command)

    async def _probe(self, key: Key, number: int) -> None:
        """A worker opens the session: it has the key, and its way to the provider is the one callers would go."""
        is_ok = False
        try:
            question = ProbeSession(provider=key[0], model=key[1])
            answer = await self._bus.request(subjects.probe("realtime"), question.encode(), self._limits.probe_within_s)
            probed = SessionProbed.decode(answer)
            is_ok = not probed.error_code
            log.info("probed", extra=logs.fields(provider=key[0], model=key[1], error=probed.error_code))
        except TrunklineError as error:
            log.info("a probe got no answer", extra=logs.fields(provider=key[0], model=key[1], error=error.code))
        if self._has_taken_over and key in self._breakers:
            self._feed(key, ProbeEnded(number, is_ok))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # --- how they stand -----------------------------------------------------------------------------------------------

    def _standing(self, key: Key, changed_at: datetime | None, numbers: Numbers) -> BreakerStanding:
        breaker = self._breakers[key]
        return BreakerStanding(
            provider=key[0],
            model=key[1],
            state=breaker.state,
            mode=breaker.mode,
            share=breaker.share(time.monotonic()),
            reason=breaker.reason,
            attempts=numbers.attempts,
            failures=numbers.failures,
            connects_failed_in_a_row=numbers.connects_failed_in_a_row,
            ready_p95_ms=round(numbers.ready_p95_s * 1000),
            changed_at=changed_at.isoformat(timespec="seconds") if changed_at else "",
        )

    def _keep(self, key: Key, standing: BreakerStanding) -> None:
        self._standings[key] = standing
        self._control.note(standing)
        self._show(standing)

    def _show(self, standing: BreakerStanding) -> None:
        metrics.BREAKER_STATE.labels(standing.provider, standing.model).set(_STATE_VALUES[standing.state])
        metrics.BREAKER_SHARE.labels(standing.provider, standing.model).set(standing.share)

    def _all(self) -> BreakerStandings:
        return BreakerStandings(replica_id=self._replica_id, standings=tuple(self._standings.values()))

    async def _say_now(self) -> None:
        await self._bus.publish(subjects.ALL_BREAKERS, self._all().encode())
