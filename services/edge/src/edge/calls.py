"""The calls this edge carries: starts them, finds them for whatever arrives, waits for them to end."""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias, assert_never

from nats.aio.msg import Msg

from common import audio, ids, logs, metrics, subjects
from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.commands import (
    Clear,
    CutOver,
    Drain,
    Draining,
    EdgeCommand,
    EdgesCommand,
    HandingOver,
    HandoverPlease,
    HangUp,
    LegState,
    Ready,
    ReplayCaller,
    Standing,
    StandingAsked,
    Transfer,
    TransferNews,
    TransferNoted,
    WhoCarries,
)
from common.messages.facts import Fact
from common.messages.instructions import Instructions
from edge.call import Before, Caller, Surroundings
from edge.core.merging import merged
from edge.legs.port import Leg
from edge.records import RecordFile
from edge.session import CallSession

log = logs.get("calls")

_REMEMBERED: Final = 1_000

CallCommand: TypeAlias = Ready | Clear | StandingAsked | HandoverPlease | HangUp | Transfer


class Calls:
    """By call id, and by the key that stands for it in audio batches."""

    def __init__(self, around: Surroundings, records: RecordFile, on_drain: Callable[[Drain], None]) -> None:
        """`on_drain`: somebody tells this edge to drain."""
        self._around = around
        self._records = records
        self._on_drain = on_drain
        self._by_id: dict[str, CallSession] = {}
        self._by_key: dict[int, CallSession] = {}
        self._joining: set[str] = set()
        self._behind: set[CallSession] = set()
        """Calls whose talker may have missed what the caller said."""
        self._given_up: OrderedDict[str, None] = OrderedDict()
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
        if session is None or session.is_legless:
            return False
        if not session.leg.is_alive:
            session.leg.close()
            session.leg_lost()
            return False
        return True

    def give_up(self, call_id: str) -> Before | None:
        """What a call without a living leg here was: another stream goes on with it. None: there is no such call."""
        session = self.get(call_id)
        if session is None or not session.is_legless:
            return None
        self._forget(session)
        self._given_up[call_id] = None
        if len(self._given_up) > _REMEMBERED:
            self._given_up.popitem(last=False)
        return session.give_up()

    @contextlib.contextmanager
    def joining(self, call_id: str) -> Iterator[None]:
        """While a stream is looked at, the call is taken: of two that come at once, one must be told no."""
        self._joining.add(call_id)
        try:
            yield
        finally:
            self._joining.discard(call_id)

    def start(self, caller: Caller, leg: Leg, before: Before | None = None) -> CallSession:
        """A leg is up: its call begins, or goes on."""
        session = CallSession(caller, leg, self._around, before)
        self._by_id[caller.call_id] = session
        self._by_key[ids.call_key(caller.call_id)] = session
        if before is None:
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
        outcome = "bug"
        try:
            record = await session.run()
            if record is None:
                return
            outcome = str(record["end_reason"])
            metrics.CALL_DURATION.labels("inbound", outcome).observe(record["duration_ms"] / 1000)
            await self._records.append(record)
        except Exception:
            log.exception("a call failed", extra=logs.fields(call=session.caller.call_id))
            session.leg.close()
        finally:
            self._forget(session)
        metrics.CALLS_ENDED.labels("inbound", outcome).inc()

    def _forget(self, session: CallSession) -> None:
        """Unless another stream of the call has followed this one already."""
        self._behind.discard(session)
        call_id = session.caller.call_id
        if self._by_id.get(call_id) is session:
            del self._by_id[call_id]
            del self._by_key[ids.call_key(call_id)]
        metrics.CALLS_ACTIVE.labels("edge").set(len(self))

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
        """A command about one call, or to this edge; some are answered."""
        command = decode_as(EdgeCommand, message.data)
        match command:
            case WhoCarries(call_id=call_id):
                return self._who_carries(call_id).encode()
            case ReplayCaller(talker_id=talker_id, for_s=for_s):
                return self._replay_caller(talker_id, for_s)
            case TransferNews():
                return TransferNoted(is_ours=self.on_transfer_news(command)).encode()
            case Drain():
                self._on_drain(command)
                return Draining(process_id=self._around.edge_id, calls=len(self)).encode()
            case _:
                session = self.get(command.call_id)
                return self._nobodys(command) if session is None else _to_session(command, session)

    def _nobodys(self, command: CallCommand) -> bytes | None:
        """About a call that is not here, or not any more."""
        metrics.BUS_REJECTS.labels("no_call").inc()
        match command:
            case Ready():
                return CutOver(is_granted=False).encode()
            case StandingAsked(call_id=call_id) if call_id not in self._given_up:
                return Standing(is_current=False).encode()
            case _:
                return None  # of a call that was given up another edge knows more: it will adopt the talker

    def _replay_caller(self, talker_id: str, for_s: float) -> bytes:
        """A talker was away from the bus, and no one here need have noticed."""
        for session in self:
            if session.talks(talker_id):
                session.audio.missed(time.monotonic(), for_s)
                session.audio.catch_up()
        return b""  # a receipt: it need not ask again

    def on_transfer_news(self, news: TransferNews) -> bool:
        """The carrier's word on a caller who was given away. False if the call is not here."""
        session = self.get(news.call_id)
        if session is None:
            return False
        session.on_transfer_news(news)
        return True

    def _who_carries(self, call_id: str) -> LegState:
        """Another edge has a stream of this call. If our leg of it is dead, the call is given up to that edge."""
        if self.carries(call_id):
            return LegState(is_alive=True)
        before = self.give_up(call_id)
        if before is None:
            return LegState(is_alive=False)
        if before.talker is None:
            return LegState(is_alive=False, epoch=before.last_epoch)
        return LegState(is_alive=False, epoch=before.talker.epoch, talker_id=before.talker.talker_id)

    def on_question(self, message: Msg) -> bytes | None:
        """A question to every edge; answered if it concerns a call of ours."""
        order = decode_as(EdgesCommand, message.data)
        session = self.get(order.call_id)
        if session is None:
            return None
        talker = session.order_handover()
        edge_id = self._around.edge_id
        if talker is None:
            return HandingOver(edge_id=edge_id, epoch=0).encode()
        return HandingOver(edge_id=edge_id, epoch=talker.epoch, talker_id=talker.talker_id).encode()

    def on_fact(self, message: Msg) -> None:
        """A fact of any call; kept if the call is ours."""
        session = self.get(subjects.last_token(message.subject))
        if session is None:
            return
        fact = decode_as(Fact, message.data)
        if fact.call_id != session.caller.call_id:
            raise RemoteProtocolError("malformed message: a fact of another call")
        session.on_fact(fact)

    def on_instructions(self, message: Msg) -> None:
        """A revision of the instructions of any call; kept if the call is ours."""
        session = self.get(subjects.last_token(message.subject))
        if session is None:
            return
        instructions = Instructions.decode(message.data)
        if instructions.call_id != session.caller.call_id:
            raise RemoteProtocolError("malformed message: instructions of another call")
        session.on_instructions(instructions)

    # --- news that concern many calls -------------------------------------------------------------------------------

    def talker_gone(self, talker_id: str) -> None:
        """The process is dead or away: every call it talked in needs another."""
        for session in self:
            session.on_talker_gone(talker_id)

    def talker_denies(self, talker_id: str, calls: tuple[tuple[int, int], ...]) -> None:
        """A talker does not talk in these calls, though it gets their audio."""
        for key, epoch in calls:
            if (session := self._by_key.get(key)) is not None:
                session.on_talker_denies(talker_id, epoch)

    def talker_unreached(self, talker_id: str) -> None:
        """Audio for this talker found nobody, which may be the bus' fault."""
        for session in self:
            if session.talks(talker_id):
                session.audio.missed(time.monotonic())
                self._behind.add(session)

    def talker_alive(self, talker_id: str) -> None:
        """A sign of life of a talker: what could not reach it is sent again."""
        for session in tuple(self._behind):
            if session.talks(talker_id):
                session.audio.catch_up()
            if session.audio.is_complete:
                self._behind.discard(session)

    def talkers_missed(self) -> None:
        """Other talkers than before are missed."""
        for session in self:
            session.look_again()

    def bus_lost(self) -> None:
        """Nobody can be reached."""
        for session in self:
            session.bus_lost()
            self._behind.add(session)

    def bus_back(self, gap_s: float) -> None:
        """Everybody can be reached again; what was sent in the last `gap_s` may be lost."""
        for session in self:
            session.bus_back(gap_s)
            self._behind.add(session)

    def move_away(self) -> None:
        """Give every leg back to the carrier at its next quiet moment: they come back to other edges."""
        for session in self:
            session.move_away()


def _to_session(command: CallCommand, session: CallSession) -> bytes | None:
    match command:
        case Ready():
            return session.on_ready(command).encode()
        case Clear():
            return session.on_clear(command).encode()
        case StandingAsked():
            return session.on_standing_asked(command).encode()
        case HandoverPlease():
            session.on_handover_please(command)
            return b""  # a receipt: the talker need not ask again
        case Transfer():
            session.on_transfer(command)
            return b""  # a receipt, as above
        case HangUp():
            session.on_hang_up(command)
            return None
        case _:
            assert_never(command)
