"""Asks the replica of the fallback service that decides, and tells it an operator's word."""

from typing import Final

from common import subjects
from common.bus.connection import Bus
from common.errors import DeadlineExceeded, TrunklineError, UpstreamUnavailable
from common.messages.base import Message
from common.messages.breaker import BreakerMode, BreakerOrder, BreakersAsked, BreakerStanding, BreakerStandings

_ANSWER_WITHIN_S: Final = 2.0


async def ask(bus: Bus) -> tuple[BreakerStanding, ...]:
    """How every breaker stands. Raises `TrunklineError` if nobody says."""
    return await _request(bus, BreakersAsked())


async def order(bus: Bus, standing: BreakerStanding, mode: BreakerMode) -> tuple[BreakerStanding, ...]:
    """Decide for one breaker. Returns how all stand then. Raises `TrunklineError` if nobody takes it."""
    return await _request(bus, BreakerOrder(provider=standing.provider, model=standing.model, mode=mode))


async def _request(bus: Bus, command: Message) -> tuple[BreakerStanding, ...]:
    try:
        answer = await bus.request(subjects.BREAKER_ORDERS, command.encode(), _ANSWER_WITHIN_S)
    except UpstreamUnavailable as error:
        raise TrunklineError("no fallback service runs: start one; `trunkline ps` shows what lives") from error
    except DeadlineExceeded as error:
        raise TrunklineError(
            "the fallback service runs, but no replica decides now: JetStream may be electing a leader; try again"
        ) from error
    return BreakerStandings.decode(answer).standings
