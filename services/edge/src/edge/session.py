"""One call, from its leg coming up to its record: reads events, feeds the cores, performs what they answer."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from common import ids, logs, metrics, subjects
from common.audio import Kind, RawRecord
from common.bus.batcher import Batcher
from common.bus.connection import Bus
from common.bus.facts import FactWriter
from common.errors import TrunklineError, UpstreamUnavailable
from common.messages.base import decode_as
from common.messages.commands import Clear, CutOver, Digits, EndReason, HandoverPlease, Heard, Ready, Release
from common.messages.facts import AnyFact, CallEnded, CallStarted, DigitsPressed, EpochChanged
from common.messages.offers import Accepted, HandoverReason, Offer, OfferAnswer
from common.profile import AgentProfile
from edge.conversation import CallMemory
from edge.core import arbiter as arbitration
from edge.core.arbiter import Arbiter
from edge.core.clock import LegClock
from edge.core.ring import CallerRing
from edge.legs.port import Leg
from edge.registry import CallEntry, Registry
from edge.voice import AgentVoice

log = logs.get("session")

OFFER_WITHIN_S: Final = 0.15
"""A frozen talker keeps its place in the queue group, so an unanswered offer soon goes to another."""
LAST_WORDS_WITHIN_S: Final = 0.5
"""How long after the leg's end a talker's last facts are waited for before the record is written."""

_AGENT_SPOKE: Final = arbitration.AgentSpoke()


@dataclass(frozen=True)
class Caller:
    """Who calls whom."""

    call_id: str
    caller: str
    dialled: str
    profile: AgentProfile
    last_epoch: int = 0
    """The highest epoch the call had before it came here."""


@dataclass(frozen=True)
class Surroundings:
    """What every call of this edge shares."""

    edge_id: str
    bus: Bus
    facts: FactWriter
    audio: Batcher
    registry: Registry


class CallSession:
    """The call. Everything from outside arrives through the `on_…` methods, at once; `run` does what takes time."""

    def __init__(self, caller: Caller, leg: Leg, around: Surroundings) -> None:
        now = time.monotonic()
        self.caller = caller
        self.leg = leg
        self.memory = CallMemory()
        self._around = around
        self._key = ids.call_key(caller.call_id)
        self._clock = LegClock()
        self._ring = CallerRing()
        self._arbiter = Arbiter(now, caller.profile.limits.max_call_s, caller.last_epoch)
        self._audio_subject = ""
        self._sequence = 0
        self._began_at = now
        self._started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._end: EndReason | None = None
        self._wake = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None
        self._voice = AgentVoice(caller.call_id, caller.profile.model or "default", leg, self._clock, self._tell)

    # --- the life of the call -------------------------------------------------------------------------------------

    async def run(self) -> dict[str, Any]:
        """Carry the call to its end. Returns its record."""
        self._tell(
            CallStarted(
                call_id=self.caller.call_id,
                leg="twilio",
                edge_id=self._around.edge_id,
                profile=self.caller.profile.name,
                caller_number=self.caller.caller,
                dialled_number=self.caller.dialled,
                started_at=self._started_at,
            )
        )
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._feed(arbitration.LegUp())
            while (deadline := self._arbiter.next_deadline()) is not None:
                await self._sleep_until(deadline)
                self._feed(arbitration.Tick())
            record = await self._conclude()
            self._tasks = None
        return record

    async def _sleep_until(self, deadline: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _conclude(self) -> dict[str, Any]:
        reason = self._end or EndReason.LEG_LOST
        now = time.monotonic()
        self._voice.finish()
        await self._around.registry.note(self.caller.call_id, self._entry("ended", reason))
        self.leg.close()
        await asyncio.sleep(LAST_WORDS_WITHIN_S)
        duration_ms = round((now - self._began_at) * 1000)
        self._tell(CallEnded(call_id=self.caller.call_id, reason=reason, duration_ms=duration_ms))
        log.info("call ended", extra=logs.fields(call=self.caller.call_id, reason=reason, duration_ms=duration_ms))
        return {
            "call_id": self.caller.call_id,
            "leg": "twilio",
            "profile": self.caller.profile.name,
            "caller": self.caller.caller,
            "dialled": self.caller.dialled,
            "started_at": self._started_at,
            "duration_ms": duration_ms,
            "end_reason": str(reason),
            **self.memory.record(),
        }

    # --- from the leg (edge.legs.port.LegEvents) --------------------------------------------------------------------

    def on_caller_audio(self, timestamp_ms: int, pcmu: bytes) -> None:
        """One frame of the caller: kept, and sent to the talker. The hottest path of the edge."""
        at_ms = self._clock.feed(timestamp_ms, time.monotonic())
        self._ring.add(at_ms, pcmu)
        if self._audio_subject:
            self._to_talker(at_ms, pcmu)

    def on_mark(self, name: str) -> None:
        """The carrier played everything before this mark."""
        self._voice.on_mark(name)

    def on_digit(self, digit: str) -> None:
        """The caller pressed a key."""
        self._tell(DigitsPressed(call_id=self.caller.call_id, digits=digit, **self._when()))
        if (talker := self._arbiter.current) is not None:
            message = Digits(call_id=self.caller.call_id, epoch=talker.epoch, digits=digit)
            self._send(subjects.talker(talker.talker_id), message.encode())

    def on_leg_down(self, reason: EndReason) -> None:
        """The carrier's side is gone."""
        self._feed(arbitration.LegDown(reason))

    # --- from talkers ---------------------------------------------------------------------------------------------

    def on_agent_record(self, record: RawRecord) -> None:
        """One record of agent audio or text. Of any epoch but the current one it is dropped and counted."""
        if self._arbiter.is_current(record[1]):
            self._voice.on_record(record)
            if record[4] == Kind.AUDIO:
                self._arbiter.feed(_AGENT_SPOKE, time.monotonic())
        else:
            metrics.STALE_EPOCH_FRAMES.inc()

    def on_ready(self, ready: Ready) -> CutOver:
        """A talker's session is ready: it is cut over to, or told that it came too late."""
        self._feed(arbitration.TalkerReady(ready.epoch, ready.talker_id, ready.realtime_session_id))
        is_granted = self._arbiter.current == arbitration.Talker(ready.talker_id, ready.epoch)
        return CutOver(is_granted=is_granted, leg_clock_ms=self._clock.at(time.monotonic()))

    def on_clear(self, clear: Clear) -> Heard:
        """The caller barged in on the current talker."""
        return self._voice.on_clear(clear) if self._arbiter.is_current(clear.epoch) else Heard()

    def on_handover_please(self, wish: HandoverPlease) -> None:
        """A talker cannot or should not go on."""
        log.warning(
            "talker asks to be replaced",
            extra=logs.fields(call=self.caller.call_id, reason=wish.reason, error=wish.error_code),
        )
        self._feed(arbitration.HandoverAsked(wish.epoch, wish.talker_id, wish.reason, wish.is_retryable))

    def on_talker_gone(self, talker_id: str) -> None:
        """The process is known to be dead or away."""
        self._feed(arbitration.TalkerGone(talker_id))

    def end(self, reason: EndReason) -> None:
        """End the call for a reason of our own."""
        self._feed(arbitration.LegDown(reason))

    # --- performing -----------------------------------------------------------------------------------------------

    def _feed(self, event: arbitration.Event) -> None:
        for command in self._arbiter.feed(event, time.monotonic()):
            self._perform(command)
        self._wake.set()

    def _perform(self, command: arbitration.Command) -> None:
        match command:
            case arbitration.MakeOffer():
                self._spawn(self._offer(command))
            case arbitration.CutOver():
                self._cut_over(command)
            case arbitration.ReleaseTalker(talker, reason):
                if not self._arbiter.current:
                    self._audio_subject = ""
                message = Release(call_id=self.caller.call_id, epoch=talker.epoch, reason=reason)
                self._send(subjects.talker(talker.talker_id), message.encode())
            case arbitration.EndCall(reason):
                self._end = reason
            case _:
                assert_never(command)

    async def _offer(self, command: arbitration.MakeOffer) -> None:
        offer = Offer(
            call_id=self.caller.call_id,
            edge_id=self._around.edge_id,
            epoch=command.epoch,
            reason=command.reason,
            profile=self.caller.profile,
            conversation=self.memory.conversation.turns,
        )
        try:
            if not self._around.bus.is_connected:  # nats-py would keep the offer, and send it when it is stale
                raise UpstreamUnavailable("the bus is away")
            data = await self._around.bus.request(subjects.offer("realtime"), offer.encode(), OFFER_WITHIN_S)
            answer = decode_as(OfferAnswer, data)
        except TrunklineError as error:
            result = error.code
            event: arbitration.Event = arbitration.OfferFailed(command.epoch)
        else:
            result = answer.kind
            event = (
                arbitration.OfferAccepted(command.epoch, answer.talker_id)
                if isinstance(answer, Accepted)
                else arbitration.OfferFailed(command.epoch)
            )
        metrics.OFFERS.labels("realtime", result).inc()
        self._feed(event)

    def _cut_over(self, cut: arbitration.CutOver) -> None:
        """The talker changes here, in one step: epoch, address, ledger, fact."""
        self._voice.new_epoch(cut.talker.epoch)
        self._sequence = 0
        self._audio_subject = subjects.caller_audio(cut.talker.talker_id)
        for at_ms, pcmu in self._ring.since(self.memory.conversation.known_until_ms):
            self._to_talker(at_ms, pcmu)
        if cut.reason is not HandoverReason.START:
            metrics.TAKEOVERS.labels(cut.reason, "ok").inc()
        metrics.TAKEOVER.labels("cut").observe(cut.waited_s)
        log.info("cut over", extra=logs.fields(call=self.caller.call_id, epoch=cut.talker.epoch, reason=cut.reason))
        self._tell(
            EpochChanged(
                call_id=self.caller.call_id,
                talker_id=cut.talker.talker_id,
                reason=cut.reason,
                realtime_session_id=cut.realtime_session_id,
                ready_after_ms=round(cut.waited_s * 1000),
                **self._when(),
            )
        )
        self._spawn(self._around.registry.note(self.caller.call_id, self._entry("live", None)))

    # --- small things ---------------------------------------------------------------------------------------------

    def _to_talker(self, at_ms: int, pcmu: bytes) -> None:
        self._sequence += 1
        current = self._arbiter.current
        assert current is not None
        self._around.audio.add(self._audio_subject, (self._key, current.epoch, self._sequence, at_ms, Kind.AUDIO, pcmu))

    def _tell(self, fact: AnyFact) -> None:
        self.memory.add(fact)
        self._around.facts.write(fact)

    def _when(self) -> dict[str, int]:
        current = self._arbiter.current
        return {"epoch": current.epoch if current else 0, "at_ms": self._clock.at(time.monotonic())}

    def _send(self, subject: str, payload: bytes) -> None:
        self._spawn(self._publish(subject, payload))

    async def _publish(self, subject: str, payload: bytes) -> None:
        await self._around.bus.publish(subject, payload)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` within the life of the call; what comes after its end has nobody left to matter to."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)

    def _entry(self, state: Any, reason: EndReason | None) -> CallEntry:
        current = self._arbiter.current
        return CallEntry(
            edge_id=self._around.edge_id,
            state=state,
            profile=self.caller.profile.name,
            epoch=self._arbiter.last_epoch,
            talker_id=current.talker_id if current else "",
            end_reason=reason,
        )
