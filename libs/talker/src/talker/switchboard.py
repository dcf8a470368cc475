"""The calls of this talker: takes offers, routes commands and caller audio to the call they are for."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Literal, assert_never

from nats.aio.msg import Msg

from common import audio, ids, lifecycle, logs, metrics, subjects
from common.audio import Kind
from common.ending import end_tasks
from common.errors import RemoteProtocolError
from common.messages.base import decode_as
from common.messages.commands import (
    Adopt,
    Adopted,
    CatchUp,
    Digits,
    Drain,
    Draining,
    NotTalking,
    Ping,
    Release,
    TakeOver,
    TalkerCommand,
    TalkersCommand,
    TalksTo,
    WhoTalks,
)
from common.messages.offers import Accepted, HandoverReason, Offer, Refused
from common.subjects import ProcessKind
from talker.core.slots import Slots
from talker.session import CallSession

log = logs.get("switchboard")

MAX_EPOCH: Final = 0xFFFF_FFFF
"""What an audio record can carry."""

_RECEIPT: Final = b"{}"
_ASK_AT_ONCE: Final = 20
_ASK_PAUSE_S: Final = 0.1
_ASK_AGAIN_S: Final = 5.0


class Switchboard:
    """Handlers of bus messages: each does its work at once, without waiting."""

    def __init__(
        self,
        talker_id: str,
        kind: ProcessKind,
        slots: Slots,
        new_session: Callable[[Offer], CallSession],
        resend: Callable[[str, float], Coroutine[Any, Any, None]],
        lowered_at_least_s: float,
        admits: Callable[[Offer], bool] = lambda _: True,
    ) -> None:
        """`resend` publishes again what was sent to a subject in the last seconds.

        `lowered_at_least_s`: how long a call keeps a lower service level before it is brought back; a provider that is
        half well must not toss it about. `admits`: whether the provider may be given this call; one it may not is
        refused at once.
        """
        self._lowered_at_least_s = lowered_at_least_s
        self._talker_id = talker_id
        self._active = metrics.CALLS_ACTIVE.labels(kind)
        self._new_session = new_session
        self._resend = resend
        self._admits = admits
        self._sessions: dict[tuple[int, int], CallSession] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()
        self._is_told_to_drain = False
        self._moved = metrics.AUDIO_FRAMES.labels("caller")
        self._unknown = metrics.AUDIO_DROPPED.labels("caller", "no_call")
        self.slots = slots
        metrics.CALL_SLOTS.labels(kind).set(slots.capacity)
        self._count()

    # --- offers -------------------------------------------------------------------------------------------------------

    def on_offer(self, message: Msg) -> bytes:
        """Take the call or say why not. The answer says that a slot is held; `Ready` follows by itself."""
        try:
            offer = Offer.decode(message.data)
            _check(call_id=offer.call_id, edge_id=offer.edge_id)
            _check_epoch(offer.epoch)
        except RemoteProtocolError as error:
            metrics.BUS_REJECTS.labels("malformed").inc()
            log.warning("offer refused", extra=logs.fields(why=str(error)))
            return self._refused("malformed")
        if self.slots.holds(offer.call_id, offer.epoch):
            return self._accepted()
        if not self._admits(offer):
            return self._refused("provider_down")
        refusal = self.slots.take(offer.call_id, offer.epoch)
        if refusal is not None:
            return self._refused(refusal)
        self._begin(offer)
        return self._accepted()

    def _accepted(self) -> bytes:
        return Accepted(talker_id=self._talker_id).encode()

    def _refused(self, reason: Literal["full", "draining", "malformed", "provider_down"]) -> bytes:
        return Refused(talker_id=self._talker_id, reason=reason).encode()

    def _begin(self, offer: Offer) -> None:
        session = self._new_session(offer)
        self._sessions[session.key] = session
        task = asyncio.create_task(self._carry(session))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        self._count()

    async def _carry(self, session: CallSession) -> None:
        """Supervise one call: whatever goes wrong in it stays in it."""
        try:
            await session.run()
        except Exception:
            log.exception("a call failed", extra=logs.fields(call=session.call_id, epoch=session.epoch))
        finally:
            self._sessions.pop(session.key, None)
            self.slots.free(session.call_id, session.epoch)
            self._count()

    def _count(self) -> None:
        self._active.set(len(self.slots))

    # --- commands -----------------------------------------------------------------------------------------------------

    def on_command(self, message: Msg) -> bytes | None:
        """A command to this process, most of them about one call."""
        command = decode_as(TalkerCommand, message.data)
        match command:
            case Ping():
                return _RECEIPT
            case Drain():
                return self._drain()
            case Adopt():
                return self._adopt(command).encode()
            case Release() | Digits() | TakeOver():
                return self._to_session(command)
            case _:
                assert_never(command)

    def _to_session(self, command: Release | Digits | TakeOver) -> bytes | None:
        session = self._sessions.get((ids.call_key(command.call_id), command.epoch))
        if session is None:
            metrics.BUS_REJECTS.labels("no_call").inc()
            return None
        match command:
            case Release(reason=reason):
                session.release(reason)
            case TakeOver(cut=cut):
                if not cut.is_granted:
                    raise RemoteProtocolError("malformed message: cut")
                session.take_over(cut)
            case Digits(digits=digits):
                session.press(digits)
            case _:
                assert_never(command)
        return _RECEIPT

    def _adopt(self, adopt: Adopt) -> Adopted:
        """The same edge asking again gets the same answer; whoever else knows no epoch of ours gets none."""
        before = next((answer for each in self._of(adopt.call_id) if (answer := each.adopted_before(adopt))), None)
        if before is not None:
            return before
        key = ids.call_key(adopt.call_id)
        session, new_key = self._sessions.get((key, adopt.epoch)), (key, adopt.new_epoch)
        is_sound = ids.is_subject_token(adopt.edge_id) and adopt.epoch < adopt.new_epoch <= MAX_EPOCH
        if session is None or not session.is_talker or not is_sound or new_key in self._sessions:
            metrics.ADOPTIONS.labels("refused").inc()
            return Adopted(is_adopted=False)
        answer = session.adopt(adopt)
        self._sessions[new_key] = self._sessions.pop((key, adopt.epoch))
        self.slots.rename(adopt.call_id, adopt.epoch, adopt.new_epoch)
        metrics.ADOPTIONS.labels("ok").inc()
        return answer

    def _drain(self) -> bytes:
        """As if SIGTERM had come; told twice, it must not end us at once."""
        if not self._is_told_to_drain and not self.slots.is_draining:
            lifecycle.begin_drain()
        self._is_told_to_drain = True
        return Draining(process_id=self._talker_id, calls=len(self.slots)).encode()

    def on_question(self, message: Msg) -> bytes | None:
        """A question to all talkers; silence if it does not concern us."""
        question = decode_as(TalkersCommand, message.data)
        match question:
            case WhoTalks(call_id=call_id):
                epoch = max((each.epoch for each in self._of(call_id) if each.is_talker), default=0)
                return TalksTo(talker_id=self._talker_id, epoch=epoch).encode() if epoch else None
            case CatchUp(edge_id=edge_id, for_s=for_s):
                _check(edge_id=edge_id)
                errand = asyncio.create_task(self._resend(subjects.agent_audio(edge_id), for_s))
                self._errands.add(errand)
                errand.add_done_callback(self._errands.discard)
                return None
            case _:
                assert_never(question)

    def _of(self, call_id: str) -> Iterable[CallSession]:
        """The sessions of one call: the talker, or a candidate beside it. Rarely asked, so all are looked through."""
        return (session for session in self._sessions.values() if session.call_id == call_id)

    def raise_level(self, is_welcome: Callable[[str, str], bool]) -> None:
        """Have calls that went to a lower service level brought back, at their next quiet moment.

        `is_welcome`: whether a call (id, and the model it wants) may go where it belongs.
        """
        for session in tuple(self._sessions.values()):
            if session.is_to_be_raised(self._lowered_at_least_s) and is_welcome(session.call_id, session.wanted_model):
                session.ask_handover(HandoverReason.BREAKER_CLOSED)

    # --- the bus --------------------------------------------------------------------------------------------------

    def on_bus_back(self) -> frozenset[str]:
        """The bus was away from us: every call waits for what it missed. The edges to ask for it, by their ids."""
        talking = [session for session in self._sessions.values() if session.is_talker]
        for session in talking:
            session.on_bus_back()
        return frozenset(session.edge_id for session in talking)

    # --- audio --------------------------------------------------------------------------------------------------------

    def on_caller_audio(self, message: Msg) -> bytes | None:
        """A batch of caller audio of many calls. The hottest path of a talker.

        An edge that takes us for the talker of a call we do not have is told: its caller would wait in vain.
        """
        sessions = self._sessions
        taken = 0
        strange: set[tuple[int, int]] = set()
        for key, epoch, _, timestamp_ms, kind, payload in audio.decode(message.data):
            session = sessions.get((key, epoch))
            if session is None or kind != Kind.AUDIO:
                self._unknown.inc()
                strange.add((key, epoch))
            else:
                session.on_caller_audio(timestamp_ms, payload)
                taken += 1
        self._moved.inc(taken)
        return NotTalking(calls=tuple(strange)).encode() if strange else None

    # --- the end ------------------------------------------------------------------------------------------------------

    async def hand_over(self) -> None:
        """Have every call taken over by another worker; return when none runs here."""
        asking = asyncio.create_task(self._ask_for_all())
        try:
            while self._running:
                await asyncio.wait(self._running)
        finally:
            await end_tasks([asking])

    async def _ask_for_all(self) -> None:
        """A few at a time, so that the others are not overrun; and again, since an edge may not have found anyone."""
        while True:
            for number, session in enumerate(tuple(self._sessions.values()), 1):
                if session.key in self._sessions:
                    session.ask_handover(HandoverReason.DRAIN)
                if not number % _ASK_AT_ONCE:
                    await asyncio.sleep(_ASK_PAUSE_S)
            await asyncio.sleep(_ASK_AGAIN_S)

    async def close(self) -> None:
        """End every call that still runs."""
        await end_tasks((*self._running, *self._errands))


def _check(**tokens: str) -> None:
    """Ids become parts of subjects, so a forged one could address somebody else."""
    for name, token in tokens.items():
        if not ids.is_subject_token(token):
            raise RemoteProtocolError(f"malformed message: {name}")


def _check_epoch(epoch: int) -> None:
    if epoch > MAX_EPOCH:
        raise RemoteProtocolError("malformed message: epoch")
