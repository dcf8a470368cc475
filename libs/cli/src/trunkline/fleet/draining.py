"""Tells one process to drain, and follows it until it says farewell."""

import asyncio
from collections.abc import Callable
from typing import Final

from nats.aio.msg import Msg

from common import subjects
from common.bus.connection import Bus
from common.errors import DeadlineExceeded, TrunklineError, UpstreamUnavailable
from common.messages.commands import Drain, Draining
from common.messages.heartbeat import Heartbeat
from trunkline.fleet.roster import Member

_ANSWER_WITHIN_S: Final = 2.0
_SILENT_S: Final = 3.0


class Drainage:
    """One order to one process. `order` it, then `follow` if its end is of interest."""

    def __init__(self, bus: Bus, member: Member) -> None:
        self._bus = bus
        self._beat = member.beat
        self._beats: asyncio.Queue[Heartbeat] = asyncio.Queue()

    async def order(self, *, moves_calls: bool) -> int:
        """Say it. Returns how many calls it carries. Raises `TrunklineError` if it cannot be told."""
        beat = self._beat
        await self._bus.subscribe(subjects.heartbeat(beat.kind, beat.process_id), self._hear)
        subject = subjects.edge(beat.process_id) if beat.kind == "edge" else subjects.talker(beat.process_id)
        try:
            answer = await self._bus.request(subject, Drain(moves_calls=moves_calls).encode(), _ANSWER_WITHIN_S)
        except (UpstreamUnavailable, DeadlineExceeded) as error:
            raise TrunklineError(
                f"{beat.process_id} does not take the order ({error}): see `trunkline ps`; SIGTERM drains it as well"
            ) from error
        return Draining.decode(answer).calls

    async def follow(self, on_calls: Callable[[int], None]) -> bool:
        """Report the calls it still carries. True at its farewell; False once nothing is heard of it any more."""
        while True:
            try:
                async with asyncio.timeout(_SILENT_S):
                    beat = await self._beats.get()
            except TimeoutError:
                if self._bus.is_connected:
                    return False
                continue
            if beat.is_farewell:
                return True
            on_calls(beat.calls)

    def _hear(self, message: Msg) -> None:
        self._beats.put_nowait(Heartbeat.decode(message.data))
