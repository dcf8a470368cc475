"""The calls this edge carries: starts them, finds them for whatever arrives, waits for them to end."""

import asyncio
import contextlib
import time
from collections.abc import Iterator

from nats.aio.msg import Msg

from common import audio, ids, logs, metrics, subjects
from common.bus.connection import has_no_responders
from common.messages.base import decode_as
from common.messages.commands import (
    Clear,
    CutOver,
    EdgeCommand,
    EndReason,
    HandoverPlease,
    HangUp,
    LegState,
    Ready,
    WhoCarries,
)
from common.messages.facts import Fact
from edge.core.fleet import Fleet
from edge.core.merging import merged
from edge.legs.port import Leg
from edge.records import RecordFile
from edge.session import Caller, CallSession, Surroundings

log = logs.get("calls")

BUS_SETTLES_WITHIN_S = 1.5
"""Right after the bus came back, NATS may not know a living talker's subscription yet."""


class Calls:
    """By call id, and by the key that stands for it in audio batches."""

    def __init__(self, around: Surroundings, talkers: Fleet, records: RecordFile) -> None:
        self._around = around
        self._talkers = talkers
        self._records = records
        self._by_id: dict[str, CallSession] = {}
        self._by_key: dict[int, CallSession] = {}
        self._joining: set[str] = set()
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[CallSession]:
        return iter(tuple(self._by_id.values()))

    def get(self, call_id: str) -> CallSession | None:
        """The call, if this edge carries it."""
        return self._by_id.get(call_id)

    def carries(self, call_id: str) -> bool:
        """True if the call has a leg here that lives, or is about to. A dead one is closed: another may follow it."""
        if call_id in self._joining:
            return True
        session = self.get(call_id)
        if session is None:
            return False
        if not session.leg.is_alive:
            session.leg.close()
            session.end(EndReason.LEG_LOST)
            return False
        return True

    @contextlib.contextmanager
    def joining(self, call_id: str) -> Iterator[None]:
        """While a stream is looked at, the call is taken: of two that come at once, one must be told no."""
        self._joining.add(call_id)
        try:
            yield
        finally:
            self._joining.discard(call_id)

    def start(self, caller: Caller, leg: Leg) -> CallSession:
        """A leg is up: its call begins."""
        session = CallSession(caller, leg, self._around)
        self._by_id[caller.call_id] = session
        self._by_key[ids.call_key(caller.call_id)] = session
        metrics.CALLS_ADMITTED.labels("inbound", "twilio").inc()
        metrics.CALLS_ACTIVE.labels("edge").set(len(self))
        task = asyncio.create_task(self._carry(session))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return session

    async def all_ended(self) -> None:
        """Wait until no call runs."""
        while self._running:
            await asyncio.wait(self._running)

    async def _carry(self, session: CallSession) -> None:
        """Supervise one call: whatever goes wrong in it stays in it."""
        call_id = session.caller.call_id
        try:
            record = await session.run()
            outcome = str(record["end_reason"])
            metrics.CALL_DURATION.labels("inbound", outcome).observe(record["duration_ms"] / 1000)
            await self._records.append(record)
        except Exception:
            outcome = "bug"
            log.exception("a call failed", extra=logs.fields(call=call_id))
            session.leg.close()
        finally:
            if self._by_id.get(call_id) is session:  # a re-attached leg may have followed it already
                del self._by_id[call_id]
                del self._by_key[ids.call_key(call_id)]
            metrics.CALLS_ACTIVE.labels("edge").set(len(self))
        metrics.CALLS_ENDED.labels("inbound", outcome).inc()

    # --- from the bus ---------------------------------------------------------------------------------------------

    def on_agent_audio(self, message: Msg) -> None:
        """A batch of agent records for calls of this edge."""
        by_key = self._by_key
        for record in merged(audio.decode(message.data)):
            session = by_key.get(record[0])
            if session is None:
                metrics.AUDIO_DROPPED.labels("agent", "no_call").inc()
            else:
                session.on_agent_record(record)

    def on_command(self, message: Msg) -> bytes | None:
        """A talker's command about one call; some are answered."""
        command = decode_as(EdgeCommand, message.data)
        if isinstance(command, WhoCarries):
            return LegState(is_alive=self.carries(command.call_id)).encode()
        session = self.get(command.call_id)
        if session is None:
            metrics.BUS_REJECTS.labels("no_call").inc()
            return CutOver(is_granted=False).encode() if isinstance(command, Ready) else None
        match command:
            case Ready():
                return session.on_ready(command).encode()
            case Clear():
                return session.on_clear(command).encode()
            case HandoverPlease():
                session.on_handover_please(command)
                return b""  # a receipt: the talker need not ask again
            case HangUp():
                session.end(EndReason.AGENT_HANGUP)
        return None

    def on_fact(self, message: Msg) -> None:
        """A fact of any call; kept if the call is ours."""
        session = self.get(subjects.last_token(message.subject))
        if session is not None:
            session.memory.add(decode_as(Fact, message.data))

    def on_undelivered(self, message: Msg) -> None:
        """NATS says that nobody takes a talker's caller audio any more."""
        is_settled = time.monotonic() - self._around.bus.last_event_at > BUS_SETTLES_WITHIN_S
        if has_no_responders(message) and is_settled:
            self.talker_gone(subjects.last_token(message.subject))

    def talker_gone(self, talker_id: str) -> None:
        """The process is dead or away: every call it talked in needs another."""
        self._talkers.drop(talker_id)
        for session in self:
            session.on_talker_gone(talker_id)
