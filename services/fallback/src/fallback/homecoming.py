"""Has calls that belong to a realtime talker brought back to one, as the breakers allow."""

import asyncio

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.messages.breaker import BreakerStandings
from talker.core.place import place_of
from talker.switchboard import Switchboard


class Homecoming:
    """Work beside the calls (`talker.service.Beside`): with every word of the breakers it looks who may go."""

    def __init__(self, bus: Bus, switchboard: Switchboard) -> None:
        self._bus = bus
        self._switchboard = switchboard
        self._shares: tuple[float, ...] = ()
        self._is_retired = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled or retired."""
        await self._bus.subscribe(subjects.ALL_BREAKERS, self._on_standings)
        await self._is_retired.wait()

    def retire(self) -> None:
        """No more calls will come."""
        self._is_retired.set()

    def _on_standings(self, message: Msg) -> None:
        said = BreakerStandings.decode(message.data)
        self._shares = tuple(each.share for each in said.standings)
        self._switchboard.raise_level(self._is_welcome)

    def _is_welcome(self, call_id: str, model: str) -> bool:
        """Any endpoint may do: which of them a worker has, and for which model, only the worker knows."""
        return not self._shares or place_of(call_id) < max(self._shares)
