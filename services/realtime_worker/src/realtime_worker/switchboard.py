"""The calls of this worker: takes offers, routes commands and caller audio to the call they are for."""

import asyncio
from collections.abc import Callable
from typing import Final, Literal, assert_never

from nats.aio.msg import Msg

from common import audio, ids, logs, metrics
from common.audio import Kind
from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.commands import Digits, Release, TalkerCommand
from common.messages.offers import Accepted, Offer, Refused
from realtime_worker.core.slots import Slots
from realtime_worker.session import CallSession

log = logs.get("switchboard")

SERVICE: Final = "realtime_worker"


class Switchboard:
    """Handlers of bus messages: each does its work at once, without waiting."""

    def __init__(self, talker_id: str, slots: Slots, new_session: Callable[[Offer], CallSession]) -> None:
        self._talker_id = talker_id
        self._new_session = new_session
        self._sessions: dict[tuple[int, int], CallSession] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._moved = metrics.AUDIO_FRAMES.labels("caller")
        self._unknown = metrics.AUDIO_DROPPED.labels("caller", "no_call")
        self.slots = slots
        metrics.CALL_SLOTS.labels(SERVICE).set(slots.capacity)
        self._count()

    # --- offers -------------------------------------------------------------------------------------------------------

    def on_offer(self, message: Msg) -> bytes:
        """Take the call or say why not. The answer says that a slot is held; `Ready` follows by itself."""
        try:
            offer = Offer.decode(message.data)
            _check(offer)
        except RemoteProtocolError as error:
            metrics.BUS_REJECTS.labels("malformed").inc()
            log.warning("offer refused", extra=logs.fields(why=str(error)))
            return self._refused("malformed")
        if self.slots.holds(offer.call_id, offer.epoch):
            return self._accepted()
        refusal = self.slots.take(offer.call_id, offer.epoch)
        if refusal is not None:
            return self._refused(refusal)
        self._begin(offer)
        return self._accepted()

    def _accepted(self) -> bytes:
        return Accepted(talker_id=self._talker_id).encode()

    def _refused(self, reason: Literal["full", "draining", "malformed"]) -> bytes:
        return Refused(talker_id=self._talker_id, reason=reason).encode()

    def _begin(self, offer: Offer) -> None:
        session = self._new_session(offer)
        task = asyncio.create_task(self._carry(session, offer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._count()

    async def _carry(self, session: CallSession, offer: Offer) -> None:
        """Supervise one call: whatever goes wrong in it stays in it."""
        self._sessions[session.key] = session
        try:
            await session.run()
        except Exception:
            log.exception("a call failed", extra=logs.fields(call=offer.call_id, epoch=offer.epoch))
        finally:
            self._sessions.pop(session.key, None)
            self.slots.free(offer.call_id, offer.epoch)
            self._count()

    def _count(self) -> None:
        metrics.CALLS_ACTIVE.labels(SERVICE).set(len(self.slots))

    # --- commands and audio -------------------------------------------------------------------------------------------

    def on_command(self, message: Msg) -> None:
        """An edge's command about one call."""
        command = decode_as(TalkerCommand, message.data)
        session = self._sessions.get((ids.call_key(command.call_id), command.epoch))
        if session is None:
            return
        match command:
            case Release(reason=reason):
                session.release(reason)
            case Digits():
                pass  # the edge has told them as a fact; what the agent does about them comes with the orchestrator
            case _:
                assert_never(command)

    def on_caller_audio(self, message: Msg) -> None:
        """A batch of caller audio of many calls. The hottest path of the worker."""
        sessions = self._sessions
        taken = dropped = 0
        for key, epoch, _, timestamp_ms, kind, payload in audio.decode(message.data):
            session = sessions.get((key, epoch))
            if session is None or kind != Kind.AUDIO:
                dropped += 1
            else:
                session.on_caller_audio(timestamp_ms, payload)
                taken += 1
        self._moved.inc(taken)
        if dropped:
            self._unknown.inc(dropped)

    # --- the end ------------------------------------------------------------------------------------------------------

    async def empty(self) -> None:
        """Return when no call runs."""
        while self._running:
            await asyncio.wait(self._running)

    async def close(self) -> None:
        """End every call that still runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


def _check(offer: Offer) -> None:
    """Ids become parts of subjects, so a forged one could address somebody else."""
    for name, token in (("call_id", offer.call_id), ("edge_id", offer.edge_id)):
        if not ids.is_subject_token(token):
            raise RemoteProtocolError(f"malformed message: {name}")
