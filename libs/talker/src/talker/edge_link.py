"""What one call's talker asks of the edge that holds its leg."""

import asyncio
from dataclasses import dataclass
from typing import Final

from common import metrics, subjects
from common.bus.connection import Bus
from common.errors import DeadlineExceeded, RemoteProtocolError, TrunklineError, UpstreamUnavailable
from common.messages.commands import (
    Clear,
    CutOver,
    HandoverPlease,
    HangUp,
    Heard,
    Ready,
    Standing,
    StandingAsked,
    Transfer,
)
from talker.core.vocabulary import AskHandover, AskTransfer

_READY_WITHIN_S: Final = 1.0
_READY_TRIES: Final = 3
_CLEAR_WITHIN_S: Final = 0.25
_CLEAR_TRIES: Final = 2
_PLEASE_WITHIN_S: Final = 0.25
_PLEASE_TRIES: Final = 5
_STANDING_WITHIN_S: Final = 0.5
_PAUSE_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Session:
    """The speech session that is ready."""

    session_id: str
    is_warm: bool
    open_ms: int


class EdgeLink:
    """Requests to one edge about one call and epoch. Never waits for long: an edge may be dead."""

    def __init__(self, bus: Bus, talker_id: str, edge_id: str, call_id: str, epoch: int) -> None:
        self._bus = bus
        self._talker_id = talker_id
        self._call_id = call_id
        self.readdress(edge_id, epoch)

    def readdress(self, edge_id: str, epoch: int) -> None:
        """Another edge has the call's leg, under another epoch."""
        self.edge_id = edge_id
        self._subject = subjects.edge(edge_id)
        self.audio_subject = subjects.agent_audio(edge_id)
        """Where agent audio goes."""
        self.epoch = epoch

    async def ready(self, session: Session) -> CutOver:
        """Say that the session is ready; learn whether we are the talker now. Raises a `TrunklineError`."""
        ready = Ready(
            call_id=self._call_id,
            epoch=self.epoch,
            talker_id=self._talker_id,
            realtime_session_id=session.session_id,
            is_warm=session.is_warm,
            open_ms=session.open_ms,
        )
        return CutOver.decode(await self._request(ready.encode(), _READY_WITHIN_S, _READY_TRIES))

    async def clear(self, through_sequence: int, onset_ms: int) -> Heard:
        """Have the agent silenced; learn what was heard. Raises a `TrunklineError`."""
        clear = Clear(call_id=self._call_id, epoch=self.epoch, through_sequence=through_sequence, onset_ms=onset_ms)
        return Heard.decode(await self._request(clear.encode(), _CLEAR_WITHIN_S, _CLEAR_TRIES))

    async def standing(self) -> bool | None:
        """Whether we are the talker still; None if the edge does not say.

        While we are away from the bus ourselves nobody can say otherwise: then we are.
        """
        if not self._bus.is_connected:
            return True
        asked = StandingAsked(call_id=self._call_id, epoch=self.epoch, talker_id=self._talker_id)
        try:
            answer = await self._bus.request(self._subject, asked.encode(), _STANDING_WITHIN_S)
            return Standing.decode(answer).is_current
        except RemoteProtocolError:
            metrics.BUS_REJECTS.labels("malformed").inc()
            return None
        except TrunklineError:
            return None if self._bus.is_connected else True

    async def handover_please(self, wish: AskHandover) -> bool:
        """Ask for another talker. False if the edge cannot be reached; it may then be looking for one by itself."""
        for _ in range(_PLEASE_TRIES):
            please = HandoverPlease(
                call_id=self._call_id,
                epoch=self.epoch,
                talker_id=self._talker_id,
                reason=wish.reason,
                error_code=wish.error_code,
                is_retryable=wish.is_retryable,
            )
            try:
                await self._bus.request(self._subject, please.encode(), _PLEASE_WITHIN_S)
            except UpstreamUnavailable:
                await asyncio.sleep(_PAUSE_S)
                continue
            except DeadlineExceeded:
                return True  # somebody is there and has nothing to say
            return True
        return False

    async def hang_up(self) -> None:
        """End the call. If this is lost the caller ends it, who was said goodbye to."""
        wish = HangUp(call_id=self._call_id, epoch=self.epoch, talker_id=self._talker_id)
        await self._bus.publish(self._subject, wish.encode())

    async def transfer(self, wish: AskTransfer) -> bool:
        """Have the caller given to a human, by name. False if the edge cannot be told."""
        transfer = Transfer(
            call_id=self._call_id, epoch=self.epoch, talker_id=self._talker_id, to=wish.to, summary=wish.summary
        )
        try:
            await self._request(transfer.encode(), _PLEASE_WITHIN_S, _PLEASE_TRIES)
        except TrunklineError:
            return False
        return True

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
