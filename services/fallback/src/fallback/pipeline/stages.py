"""Asks a stage of the pipeline: its endpoints in their order, each in bounded time, until one does what is asked."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from typing import Final, Generic, Protocol, TypeVar

from common import logs, metrics
from common.errors import (
    DeadlineExceeded,
    RemoteProtocolError,
    TrunklineError,
    UpstreamThrottled,
    UpstreamUnavailable,
)
from common.pipeline import Pipeline, StageEndpoint
from fallback.core.stage_health import StageHealth
from fallback.core.vocabulary import Stage, StagesChanged
from fallback.pipeline.failures import Throttled, trouble_of

log = logs.get("stages")

TRIES_AT_MOST: Final = 3
TOTAL_S: Final = 6.0
"""No endpoint is tried any more when a caller has waited for so long."""
_QUICK_S: Final = 0.5
"""An endpoint that failed sooner may be asked again at once, if it is the only one."""
_RETRY_AFTER_S: Final = 0.1
_NEXT_WITHIN_S: Final = 4.0
"""Between two pieces of an answer."""
_WHOLE_WITHIN_S: Final = 60.0
"""An answer that drips has an end, too."""

E = TypeVar("E", bound=StageEndpoint)
E_contra = TypeVar("E_contra", bound=StageEndpoint, contravariant=True)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Work(Protocol[E_contra, T_co]):
    """What is asked of a stage. Begun again at another endpoint, it goes on after what was delivered already."""

    def begin(self, endpoint: E_contra) -> AsyncIterator[T_co]:
        """The pieces of the answer. Raises a `TrunklineError`."""
        ...


class Stages:
    """What this process knows of its endpoints (`health`), and who wants to hear when that changes."""

    def __init__(self, health: StageHealth) -> None:
        self.health = health
        self._listeners: set[Callable[[], None]] = set()
        self._troubled = health.troubled
        self._were_up = health.standing.are_up
        self._show()

    def standing_of(self, pipeline: Pipeline) -> StagesChanged:
        """Whether every stage of an agent's pipeline has an endpoint that may be asked."""
        return self.health.standing_of({stage: pipeline.names(stage.value) for stage in Stage})

    def listen(self, listener: Callable[[], None]) -> None:
        """Call `listener` from now on whenever other endpoints than before may be asked."""
        self._listeners.add(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        """No longer."""
        self._listeners.discard(listener)

    async def run(self, stage: Stage, endpoints: Sequence[E], work: Work[E, T], deliver: Callable[[T], None]) -> None:
        """Have it done and every piece delivered. Raises the last endpoint's `TrunklineError`."""
        self.health.asked(stage)
        until = time.monotonic() + TOTAL_S
        last: TrunklineError = UpstreamUnavailable(f"no {stage} endpoint works")
        tries = self._usable(stage, endpoints)[:TRIES_AT_MOST]
        is_only = len(tries) == 1
        while tries and time.monotonic() < until:
            endpoint, trial = tries.pop(0), _Trial(deliver)
            try:
                await self._attempt(stage, endpoint, work, trial.deliver)
                return
            except TrunklineError as error:
                last = error
            if is_only and trial.is_worth_another(last) and self.health.may_retry(stage):
                is_only = False
                tries.append(endpoint)
                await asyncio.sleep(_RETRY_AFTER_S)
            else:
                self._failed(stage, endpoint, last)
        raise last

    def _usable(self, stage: Stage, endpoints: Sequence[E]) -> list[E]:
        names = self.health.usable(stage, [each.name for each in endpoints])
        return [each for each in endpoints if each.name in names]

    async def attempt(self, stage: Stage, endpoint: E, work: Work[E, T], deliver: Callable[[T], None]) -> None:
        """One attempt at one endpoint, counted whatever comes of it. Raises a `TrunklineError`."""
        try:
            await self._attempt(stage, endpoint, work, deliver)
        except TrunklineError as error:
            self._failed(stage, endpoint, error)
            raise

    async def _attempt(self, stage: Stage, endpoint: E, work: Work[E, T], deliver: Callable[[T], None]) -> None:
        result = "cancelled"
        try:
            await self._pieces(stage, endpoint, work, deliver)
            result = "ok"
        except TrunklineError as error:
            result = "garbage" if isinstance(error, RemoteProtocolError) else error.code
            raise
        finally:
            metrics.STAGE_ATTEMPTS.labels(stage, endpoint.name, result).inc()
        self.health.worked(stage, endpoint.name)
        self._tell()

    async def _pieces(self, stage: Stage, endpoint: E, work: Work[E, T], deliver: Callable[[T], None]) -> None:
        started = time.monotonic()
        within_s, is_first = endpoint.timeout_s, True
        async with aclosing(work.begin(endpoint)) as pieces:  # type: ignore[type-var]
            while True:
                left_s = started + _WHOLE_WITHIN_S - time.monotonic()
                try:
                    async with asyncio.timeout(min(within_s, left_s)):
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    raise DeadlineExceeded(f"the {stage} endpoint's answer", within_s) from error
                if is_first:
                    metrics.STAGE_SECONDS.labels(stage, endpoint.name).observe(time.monotonic() - started)
                    within_s, is_first = _NEXT_WITHIN_S, False
                deliver(piece)

    def _failed(self, stage: Stage, endpoint: StageEndpoint, error: TrunklineError) -> None:
        wait_s = error.wait_s if isinstance(error, Throttled) else None
        self.health.failed(stage, endpoint.name, trouble_of(error), time.monotonic(), wait_s)
        fields = logs.fields(stage=stage, endpoint=endpoint.name, error=error.code, why=str(error))
        log.warning("a stage's endpoint failed", extra=fields)
        self._tell()

    def _tell(self) -> None:
        self._show()
        if self.health.troubled == self._troubled:
            return
        self._troubled, are_up = self.health.troubled, self.health.standing.are_up
        if are_up != self._were_up:
            self._were_up = are_up
            log.warning("the pipeline works" if are_up else "the pipeline is down")
        for listener in tuple(self._listeners):
            listener()

    def _show(self) -> None:
        for stage in Stage:
            metrics.STAGE_UP.labels(stage).set(self.health.is_up(stage))


class _Trial(Generic[T]):
    """One attempt at the only endpoint there is: one that fails at once, or breaks off, is not given up for that."""

    def __init__(self, deliver: Callable[[T], None]) -> None:
        self._deliver = deliver
        self._quick_until = time.monotonic() + _QUICK_S
        self._has_delivered = False

    def deliver(self, piece: T) -> None:
        """A piece of the answer."""
        self._has_delivered = True
        self._deliver(piece)

    def is_worth_another(self, error: TrunklineError) -> bool:
        """True if asking again may help, and keeps nobody waiting."""
        if self._has_delivered:
            return error.retryable and not isinstance(error, UpstreamThrottled)
        return isinstance(error, UpstreamUnavailable) and time.monotonic() < self._quick_until
