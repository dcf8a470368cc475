"""One call at this edge, from its leg coming up to its record: reads events, feeds cores, performs their answers."""

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import Any, Final, assert_never

from common import ids, logs, metrics
from common.audio import Kind, RawRecord
from common.messages.commands import (
    Adopted,
    Clear,
    CutOver,
    EndReason,
    HandoverPlease,
    HangUp,
    Heard,
    Ready,
    Standing,
    StandingAsked,
    Transfer,
    TransferNews,
)
from common.messages.facts import (
    AnyFact,
    CallStarted,
    DigitsPressed,
    LegReattached,
    LevelCause,
    ServiceLevelChanged,
    TransferBegun,
    TurnEnded,
    TurnStarted,
)
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from edge import telling
from edge.belonging import steering_for
from edge.call import Before, Caller, Surroundings
from edge.caller_audio import CallerAudio
from edge.conversation import CallMemory
from edge.core import arbitration
from edge.core.arbiter import Arbiter
from edge.core.arbitration import Talker
from edge.core.clock import LegClock
from edge.core.giving import Giving
from edge.core.turn_taking import TurnTaking
from edge.cover import Cover
from edge.legs.port import Leg
from edge.registry import CLAIM_WITHIN_S, CallEntry
from edge.talker_link import TalkerLink
from edge.voice import AgentVoice

log = logs.get("session")

LAST_WORDS_WITHIN_S: Final = 0.5
"""How long after the leg's end a talker's last facts are waited for before the record is written."""
CATCH_UP_WITHIN_S: Final = 0.25
"""After a fault of the bus talkers send again what was lost. They need no longer for it."""
MOVE_WITHIN_S: Final = 60.0
"""A call that finds no quiet moment for this long is moved anyway."""
_HEARD_ITEMS_AT_MOST: Final = 200

_AGENT_SPOKE: Final = arbitration.AgentSpoke()


class CallSession:
    """The call. Everything from outside arrives through the `on_…` methods, at once; `run` does what takes time."""

    def __init__(self, caller: Caller, leg: Leg, around: Surroundings, before: Before | None = None) -> None:
        now = time.monotonic()
        self.caller = caller
        self.leg = leg
        self.memory = before.memory if before else CallMemory()
        self.is_legless = False
        self._around = around
        self._before = before
        self._clock = LegClock(before.clock_ms if before else 0)
        self._audio = CallerAudio(ids.call_key(caller.call_id), self._clock, around.audio)
        self._turns = TurnTaking()
        left_s = caller.profile.limits.max_call_s - self._clock.at(now) / 1000
        steering = steering_for(caller, around, before)
        self._home = steering.home
        self._arbiter = Arbiter(now, left_s, steering, before.last_epoch if before else 0, around.reattach_within_s)
        self._link = TalkerLink(around.bus, around.edge_id, caller, around.choose_talker, self._home)
        self._started_at = before.started_at if before else telling.wall_clock()
        self._end: EndReason | None = None
        self._giving: Giving | None = None
        self._is_quiet = False
        self._move_by = math.inf
        self._wake = asyncio.Event()
        self._sleeps_until = -math.inf
        self._tasks: asyncio.TaskGroup | None = None
        model = caller.profile.model or "default"
        self._voice = AgentVoice(caller.call_id, model, leg, self._clock, self._tell, is_new_call=before is None)
        self._cover = Cover(around, self._clock, self._audio, self._voice, has_begun=before is not None)

    # --- the life of the call -------------------------------------------------------------------------------------

    async def run(self) -> dict[str, Any] | None:
        """Carry the call to its end. Returns its record; None if it goes on elsewhere."""
        self._tell(self._beginning())
        self._note_return()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._feed(arbitration.LegUp(self._before.talker if self._before else None))
            while (deadline := self._arbiter.next_deadline()) is not None:
                await self._sleep_until(deadline)
                self._feed(arbitration.Tick())
                self._on_time()
            record = await self._conclude()
            self._tasks = None
        return record

    def _beginning(self) -> CallStarted | LegReattached:
        if self._before is not None:
            return telling.came_back(self.caller, self._around.edge_id, self._now_ms())
        return telling.began(self.caller, self._around.edge_id, self._started_at)

    def _note_return(self) -> None:
        """A caller who is here is with no human: if nobody could tell how a transfer went, it came to nothing."""
        begun, epoch = self.memory.transfer, self._arbiter.last_epoch
        if begun is not None:
            self._tell(telling.transfer_failed(begun, "failed", epoch, self._now_ms()))

    async def _sleep_until(self, deadline: float) -> None:
        self._wake.clear()
        self._sleeps_until = min(deadline, self._own_deadline())
        try:
            async with asyncio.timeout(max(0.0, self._sleeps_until - time.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._sleeps_until = -math.inf

    def _own_deadline(self) -> float:
        return math.inf if self.is_legless else min(self._cover.next_deadline(), self._move_by)

    def _on_time(self) -> None:
        if self.is_legless or self._arbiter.is_over:
            return
        if self._cover.play_if_due():
            self._refresh()
        if time.monotonic() >= self._move_by:
            self._move()

    async def _conclude(self) -> dict[str, Any] | None:
        reason = self._end or EndReason.LEG_LOST
        if self._has_moved():
            log.info("call goes on elsewhere", extra=logs.fields(call=self.caller.call_id))
            self.leg.close()
            return None
        self._voice.finish()
        duration_ms, epoch = self._now_ms(), self._arbiter.last_epoch
        self._around.registry.note(self.caller.call_id, self._entry("ended", reason))
        self.leg.close()
        await asyncio.sleep(LAST_WORDS_WITHIN_S)
        if self._has_moved():  # the carrier closed this stream because another edge has the call
            return None
        self._tell(telling.ended(self.caller.call_id, epoch, reason, duration_ms))
        log.info("call ended", extra=logs.fields(call=self.caller.call_id, reason=reason, duration_ms=duration_ms))
        return telling.record(self._start(), self.memory, reason, duration_ms)

    def _start(self) -> CallStarted:
        """How the call began, here or at the edge that had it first."""
        known = self.memory.started
        began = telling.began(self.caller, self._around.edge_id, self._started_at)
        return began.model_copy(update={"started_at": known.started_at if known else self._started_at})

    # --- from the leg (edge.legs.port.LegEvents) --------------------------------------------------------------------

    def on_caller_audio(self, timestamp_ms: int, pcmu: bytes) -> None:
        """One frame of the caller."""
        now = time.monotonic()
        self._audio.on_frame(timestamp_ms, pcmu, now)
        if self._cover.hear(pcmu, now):
            self._wake_in_time()

    def on_mark(self, name: str) -> None:
        """The carrier played everything before this mark."""
        self._voice.on_mark(name)
        self._refresh()

    def on_digit(self, digit: str) -> None:
        """The caller pressed a key."""
        talker = self._arbiter.current
        epoch = talker.epoch if talker else 0
        self._tell(DigitsPressed(call_id=self.caller.call_id, epoch=epoch, at_ms=self._now_ms(), digits=digit))
        if talker is not None:
            self._spawn(self._link.digits(talker, digit))

    def on_leg_down(self, reason: EndReason) -> None:
        """The carrier's side is gone. If it only broke, the carrier may come back with another stream."""
        if reason is EndReason.LEG_LOST:
            self.leg_lost()
        else:
            self._feed(arbitration.LegDown(reason))

    def leg_lost(self) -> None:
        """The stream is dead without a word: wait for another one, with the talker."""
        if self.is_legless or self._arbiter.is_over:
            return
        log.info("leg lost; waiting for it to come back", extra=logs.fields(call=self.caller.call_id))
        self._go_on_without_leg(arbitration.LegLost())

    def _go_on_without_leg(self, how: arbitration.LegLost | arbitration.LegAway) -> None:
        self._voice.finish()
        self.is_legless = True
        self._audio.stop()
        self._feed(how)

    # --- from talkers ---------------------------------------------------------------------------------------------

    def on_agent_record(self, record: RawRecord) -> None:
        """One record of agent audio or text. Of any epoch but the current one it is dropped and counted."""
        if not self._arbiter.is_current(record[1]):
            metrics.STALE_EPOCH_FRAMES.inc()
        elif self.is_legless:
            metrics.AUDIO_DROPPED.labels("agent", "no_leg").inc()
        else:
            was_silent = self._voice.is_silent
            self._voice.on_record(record)
            if record[4] == Kind.AUDIO:
                self._arbiter.feed(_AGENT_SPOKE, time.monotonic())
            if was_silent:
                self._refresh()

    def on_ready(self, ready: Ready) -> CutOver:
        """A talker's session is open: it is cut over to, told to wait for its moment, or that it came too late."""
        self._feed(arbitration.TalkerReady(ready.epoch, ready.talker_id, ready.realtime_session_id))
        talker = Talker(ready.talker_id, ready.epoch)
        if self._arbiter.current == talker:
            return self._cut()
        return CutOver(is_granted=False, may_wait=self._arbiter.holds(talker))

    def on_clear(self, clear: Clear) -> Heard:
        """The caller barged in on the current talker."""
        if not self._arbiter.is_current(clear.epoch) or self.is_legless:
            return Heard()
        heard = self._voice.on_clear(clear)
        self._refresh()
        return heard

    def on_handover_please(self, wish: HandoverPlease) -> None:
        """A talker cannot or should not go on."""
        log.info(
            "talker asks to be replaced",
            extra=logs.fields(call=self.caller.call_id, reason=wish.reason, error=wish.error_code),
        )
        self._feed(arbitration.HandoverAsked(wish.epoch, wish.talker_id, wish.reason, wish.is_retryable))

    def on_hang_up(self, wish: HangUp) -> None:
        """The agent ends the call; only the one that talks may, and not while a human is dialled for the caller."""
        if self._arbiter.current == Talker(wish.talker_id, wish.epoch) and self._giving is None:
            self.end(EndReason.AGENT_HANGUP)

    def on_transfer(self, wish: Transfer) -> None:
        """The agent gives the caller to a human; only the one that talks may, and only by a name we know.

        Asked again while that is under way, nothing happens.
        """
        current = self._arbiter.current
        if current != Talker(wish.talker_id, wish.epoch) or self._giving is not None or self.is_legless:
            return
        target = self.caller.profile.transfers.get(wish.to)
        if target is None:
            metrics.TRANSFERS.labels("unknown").inc()
            log.warning("a transfer to nobody in the profile", extra=logs.fields(call=self.caller.call_id))
            return
        begun = TransferBegun(call_id=self.caller.call_id, epoch=wish.epoch, at_ms=self._now_ms(), to=wish.to)
        self._giving = Giving(begun, target, wish.summary)
        self._tell(begun)
        self._spawn(self._give_away(self._giving))

    async def _give_away(self, giving: Giving) -> None:
        """Let the leg go once whichever edge the carrier asks what comes next can know it: it answers with `<Dial>`."""
        registry = self._around.registry
        registry.note(self.caller.call_id, self._entry("live", None))
        await registry.written(self.caller.call_id, CLAIM_WITHIN_S)
        if self._giving is giving and not self._arbiter.is_over:
            log.info("caller is given to a human", extra=logs.fields(call=self.caller.call_id))
            self._go_on_without_leg(arbitration.LegAway(giving.within_s, EndReason.TRANSFERRED))
            self.leg.close()

    def on_transfer_news(self, news: TransferNews) -> None:
        """The carrier tells how it goes with the caller. What concerns no transfer of ours is late, or a repetition."""
        giving = self._giving
        if news.news == "hung_up":
            if self.is_legless:
                self.end(EndReason.CALLER_HANGUP)
        elif giving is None:
            return
        elif news.news == "talked":
            self.end(EndReason.TRANSFERRED)
        elif news.news == "answered":
            self._feed(arbitration.LegAway(giving.whisper_within_s, EndReason.TRANSFERRED))
        else:
            self._transfer_failed(giving, news.news)

    def _transfer_failed(self, giving: Giving, why: telling.Unreached) -> None:
        """The caller will be back in a moment, with another stream, here or at another edge."""
        log.info("the human was not reached", extra=logs.fields(call=self.caller.call_id, why=why))
        self._giving = None
        self._tell(telling.transfer_failed(giving.begun, why, self._arbiter.last_epoch, self._now_ms()))
        if not self._arbiter.is_over:
            self._around.registry.note(self.caller.call_id, self._entry("live", None))
            self._feed(arbitration.LegAway(self._around.reattach_within_s, EndReason.LEG_LOST))

    def on_standing_asked(self, asked: StandingAsked) -> Standing:
        """A talker that hears nothing asks whether it still counts."""
        talker = Talker(asked.talker_id, asked.epoch)
        return Standing(is_current=self._arbiter.current == talker or self._arbiter.holds(talker))

    def on_talker_gone(self, talker_id: str) -> None:
        """The process is known to be dead or away."""
        if self._talks(talker_id):
            self._cover.talker_lost(talker_id)
        self._feed(arbitration.TalkerGone(talker_id))

    def on_talker_denies(self, talker_id: str, epoch: int) -> None:
        """The talker lives and has no session of this call."""
        self._feed(arbitration.HandoverAsked(epoch, talker_id, HandoverReason.TALKER_LOST, is_retryable=True))

    def on_talker_unreached(self, talker_id: str) -> bool:
        """Audio for the talker found nobody, right after a fault of the bus. True if it is ours and has to catch up."""
        if self._talks(talker_id):
            self._audio.missed(time.monotonic())
            return True
        return False

    def replay_caller(self, talker_id: str, for_s: float) -> None:
        """The talker may have missed what the caller said in the last `for_s`: say it again, if the talker is ours."""
        if self._talks(talker_id):
            self._audio.missed(time.monotonic(), for_s)
            self._audio.catch_up()

    def on_talker_alive(self, talker_id: str) -> bool:
        """A sign of life: what could not reach the talker is sent again. True if nothing is left to catch up with."""
        if self._talks(talker_id):
            self._audio.catch_up()
        return self._audio.is_complete

    # --- from this edge -------------------------------------------------------------------------------------------

    def on_fact(self, fact: AnyFact) -> None:
        """A fact somebody else told of this call."""
        if self.memory.add(fact):
            self._follow(fact)

    def on_instructions(self, instructions: Instructions) -> None:
        """A revision of what the agent is told: whoever talks next starts with the newest."""
        self.memory.instruct(instructions)

    def bus_lost(self) -> None:
        """Nobody can be reached: the call holds. What the caller says from now on is kept for later, in its order."""
        self._audio.missed(time.monotonic())
        self._feed(arbitration.BusLost())

    def bus_back(self, gap_s: float) -> None:
        """Everybody can be reached again; what was sent in the last `gap_s` may be lost."""
        self._audio.missed(time.monotonic(), gap_s)
        if not self.is_legless:
            self._voice.hold_back()
            self._spawn(self._catch_up())
        self._feed(arbitration.BusBack())
        self._around.registry.note(self.caller.call_id, self._entry("live", None))  # is it still ours?

    async def _catch_up(self) -> None:
        await asyncio.sleep(CATCH_UP_WITHIN_S)
        self._voice.let_go()
        self._refresh()

    def order_handover(self) -> Talker | None:
        """An operator wants another talker, at the next quiet moment. Returns who talks now."""
        self._feed(arbitration.HandoverOrdered(HandoverReason.OPERATOR))
        return self._arbiter.current

    def move_away(self) -> None:
        """Give the leg back to the carrier at the next quiet moment: it comes back to another edge."""
        if self._move_by == math.inf:
            self._move_by = time.monotonic() + MOVE_WITHIN_S
            self._wake.set()
            if self._is_quiet:
                self._move()

    def give_up(self) -> Before:
        """The call goes on with another stream: here is what it was."""
        now = time.monotonic()
        clock_ms = max(self._clock.at(now), self.memory.latest_ms)
        talker, last_epoch = self._arbiter.current, self._arbiter.last_epoch
        before = Before(self.memory, last_epoch, talker, clock_ms, self._started_at, self._home)
        self._feed(arbitration.LegDown(EndReason.MOVED))
        return before

    def moved(self) -> None:
        """Another edge has taken the call, which may come to light after it seemed to have ended here."""
        self._feed(arbitration.LegDown(EndReason.MOVED))
        self._end = EndReason.MOVED

    def _has_moved(self) -> bool:
        return self._end is EndReason.MOVED

    def end(self, reason: EndReason) -> None:
        """End the call for a reason of our own."""
        self._feed(arbitration.LegDown(reason))

    # --- performing -----------------------------------------------------------------------------------------------

    def _feed(self, event: arbitration.Event) -> None:
        for command in self._arbiter.feed(event, time.monotonic()):
            self._perform(command)
        self._wake.set()
        self._refresh()

    def _perform(self, command: arbitration.Command) -> None:
        match command:
            case arbitration.MakeOffer():
                self._spawn(self._offer(command))
            case arbitration.AskAdoption():
                self._spawn(self._adopt(command))
            case arbitration.CutOver():
                self._cut_over(command)
            case arbitration.ReleaseTalker(talker, reason):
                if not self._arbiter.current:
                    self._audio.stop()
                self._spawn(self._link.release(talker, reason))
            case arbitration.SearchAbandoned(reason):
                log.info("no other talker; the present one goes on", extra=logs.fields(call=self.caller.call_id))
                metrics.TAKEOVERS.labels(reason, "abandoned").inc()
            case arbitration.EndCall(reason):
                self._ends(reason)
            case _:
                assert_never(command)

    async def _offer(self, command: arbitration.MakeOffer) -> None:
        self._feed(await self._link.offer(command))

    def _ends(self, reason: EndReason) -> None:
        self._end = reason
        if reason is EndReason.NO_TALKER:
            metrics.TAKEOVERS.labels(self._arbiter.reason, "failed").inc()
            metrics.LEVEL_CHANGES.labels(f"L{telling.EDGE_ALONE}", LevelCause.NO_TALKER).inc()
            before = self.memory.service_level
            self._tell(telling.left_alone(self.caller.call_id, self._arbiter.last_epoch, before, self._now_ms()))

    async def _adopt(self, command: arbitration.AskAdoption) -> None:
        known = self.memory.heard_items[-_HEARD_ITEMS_AT_MOST:]
        adopted = await self._link.adopt(
            command.talker,
            command.epoch,
            self._clock.base_ms,
            known,
            human_unreached=self.memory.human_unreached,
        )
        if adopted is None:
            metrics.REATTACHED.labels("reseeded").inc()
            self._feed(arbitration.OfferFailed(command.epoch))
            return
        metrics.REATTACHED.labels("adopted").inc()
        self._learn(adopted, command.talker.epoch)
        talker_id, session_id = command.talker.talker_id, adopted.realtime_session_id
        self._feed(arbitration.AdoptionAccepted(command.epoch, talker_id, session_id))

    def _learn(self, adopted: Adopted, epoch: int) -> None:
        """What only the adopted talker knows: how far the call's clock was, and what was being said."""
        shift_ms = self._clock.begin_at(adopted.leg_clock_ms)
        self._audio.shift(shift_ms)
        for turn in adopted.left_over:
            self._tell(telling.left_over(self.caller.call_id, epoch, turn))

    def _cut_over(self, cut: arbitration.CutOver) -> None:
        """The talker changes here, in one step: epoch, address, ledger, fact."""
        self._link.found()
        if self._voice.is_mid_turn:
            self._turns.agent_broke_off(time.monotonic())
        self._voice.new_epoch(cut.talker.epoch)
        self._turns.talker_changed()
        if cut.has_waited:
            self._spawn(self._link.take_over(cut.talker, self._cut()))
        self._audio.address(cut.talker, since_ms=self.memory.conversation.known_until_ms)
        if cut.reason is not HandoverReason.START:
            metrics.TAKEOVERS.labels(cut.reason, "ok").inc()
        metrics.TAKEOVER.labels("cut").observe(cut.waited_s)
        log.info("cut over", extra=logs.fields(call=self.caller.call_id, epoch=cut.talker.epoch, reason=cut.reason))
        self._tell(telling.changed_talker(self.caller.call_id, cut, self._now_ms()))
        self._around.registry.note(self.caller.call_id, self._entry("live", None))

    def _cut(self) -> CutOver:
        """What the new talker has to know."""
        current = self._arbiter.current
        return self.memory.cut(self._voice.under_way(current.epoch if current else 0), self._now_ms())

    def _refresh(self) -> None:
        """Look at the line: a quiet moment may have come or gone, silence may have begun."""
        if self.is_legless or self._arbiter.is_over:
            return
        quiet = self._voice.is_quiet and self._turns.is_free
        if quiet != self._is_quiet:
            self._is_quiet = quiet
            self._feed(arbitration.QuietChanged(quiet))
        if quiet and self._move_by < math.inf:
            self._move()
            return
        self._cover.look(self._arbiter.current, self._turns.awaited_since)
        self._wake_in_time()

    def _wake_in_time(self) -> None:
        if self._own_deadline() < self._sleeps_until:
            self._wake.set()

    def look_again(self) -> None:
        """Talkers are missed, or no longer."""
        self._refresh()

    def _move(self) -> None:
        self._move_by = math.inf
        self.leg.close()
        self.leg_lost()

    # --- small things ---------------------------------------------------------------------------------------------

    def _talks(self, talker_id: str) -> bool:
        current = self._arbiter.current
        return current is not None and current.talker_id == talker_id

    def _tell(self, fact: AnyFact) -> None:
        if self.memory.add(fact):
            self._follow(fact)
        self._around.facts.write(fact)

    def _follow(self, fact: AnyFact) -> None:
        """Whose move it is now."""
        match fact:
            case TurnStarted(speaker="caller"):
                self._turns.caller_began()
            case TurnEnded(end_ms=end_ms):
                self._turns.caller_ended(self._clock.moment(end_ms, time.monotonic()))
            case TurnStarted(speaker="agent"):
                self._turns.agent_began()
            case ServiceLevelChanged() if not self._arbiter.is_over:
                self._around.registry.note(self.caller.call_id, self._entry("live", None))
                return
            case _:
                return
        self._refresh()

    def _now_ms(self) -> int:
        return self._clock.at(time.monotonic())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` within the life of the call; what comes after its end has nobody left to matter to."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)

    def _entry(self, state: Any, reason: EndReason | None) -> CallEntry:
        current = self._arbiter.current
        giving = self._giving if state == "live" else None
        return CallEntry(
            edge_id=self._around.edge_id,
            state=state,
            profile=self.caller.profile.name,
            epoch=self._arbiter.last_epoch,
            talker_id=current.talker_id if current else "",
            end_reason=reason,
            home=self._home,
            service_level=self.memory.service_level,
            transfer_to=giving.begun.to if giving else "",
            summary=giving.summary if giving else "",
            transfer_within_s=giving.within_s if giving else 0,
        )
