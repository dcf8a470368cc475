"""What one call's talker asks of the edge that holds its leg."""

import asyncio
from typing import Final

from common import subjects
from common.bus.connection import Bus
from common.errors import DeadlineExceeded, UpstreamUnavailable
from common.messages.commands import Clear, CutOver, HandoverPlease, Heard, Ready

_READY_WITHIN_S: Final = 1.0
_READY_TRIES: Final = 3
_CLEAR_WITHIN_S: Final = 0.25
_CLEAR_TRIES: Final = 2
_PLEASE_WITHIN_S: Final = 0.25
_PLEASE_TRIES: Final = 5
_PAUSE_S: Final = 0.1


class EdgeLink:
    """Requests to one edge about one call and epoch. Never waits for long: an edge may be dead."""

    def __init__(self, bus: Bus, talker_id: str, edge_id: str, call_id: str, epoch: int) -> None:
        self._bus = bus
        self._talker_id = talker_id
        self._subject = subjects.edge(edge_id)
        self._call_id = call_id
        self._epoch = epoch

    async def ready(self, session_id: str, *, is_warm: bool, open_ms: int) -> CutOver:
        """Say that the session is ready; learn whether we are the talker now. Raises a `TrunklineError`."""
        ready = Ready(
            call_id=self._call_id,
            epoch=self._epoch,
            talker_id=self._talker_id,
            realtime_session_id=session_id,
            is_warm=is_warm,
            open_ms=open_ms,
        )
        return CutOver.decode(await self._request(ready.encode(), _READY_WITHIN_S, _READY_TRIES))

    async def clear(self, through_sequence: int, onset_ms: int) -> Heard:
        """Have the agent silenced; learn what was heard. Raises a `TrunklineError`."""
        clear = Clear(call_id=self._call_id, epoch=self._epoch, through_sequence=through_sequence, onset_ms=onset_ms)
        return Heard.decode(await self._request(clear.encode(), _CLEAR_WITHIN_S, _CLEAR_TRIES))

    async def handover_please(self, please: HandoverPlease) -> bool:
        """Ask for another talker. False if the edge cannot be reached; it may then be looking for one by itself."""
        for _ in range(_PLEASE_TRIES):
            try:
                await self._bus.request(self._subject, please.encode(), _PLEASE_WITHIN_S)
            except UpstreamUnavailable:
                await asyncio.sleep(_PAUSE_S)
                continue
            except DeadlineExceeded:
                return True  # somebody is there and has nothing to say
            return True
        return False

    async def _request(self, payload: bytes, timeout_s: float, tries: int) -> bytes:
        for attempt in range(1, tries + 1):
            try:
                return await self._bus.request(self._subject, payload, timeout_s)
            except DeadlineExceeded:
                if attempt == tries:
                    raise
            except UpstreamUnavailable:
                if attempt == tries:
                    raise
                await asyncio.sleep(_PAUSE_S)
        raise UpstreamUnavailable("the edge does not answer")
