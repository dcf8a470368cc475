"""One call at this edge, from its leg coming up to its record: reads events, feeds cores, performs their answers."""

import asyncio
import math
import time
from collections.abc import Coroutine
from typing import Any, Final, assert_never

from common import ids, logs, metrics
from common.audio import Kind, RawRecord
from common.messages.commands import (
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
from common.messages.facts import AnyFact, ServiceLevelChanged
from common.messages.instructions import Instructions
from common.messages.offers import HandoverReason
from edge import telling
from edge.adoption import Adoption
from edge.belonging import steering_for
from edge.books import Books
from edge.call import Before, Caller, Surroundings
from edge.caller_audio import CallerAudio
from edge.core import arbitration
from edge.core.arbiter import Arbiter
from edge.core.arbitration import Talker
from edge.core.clock import LegClock
from edge.core.giving import Giving
from edge.core.turn_taking import TurnTaking
from edge.cover import Cover
from edge.giving_away import GivingAway
from edge.legs.port import Leg
from edge.sleeper import Sleeper
from edge.talker_link import TalkerLink
from edge.voice import AgentVoice

log = logs.get("session")

LAST_WORDS_WITHIN_S: Final = 0.5
"""How long after the leg's end a talker's last facts are waited for before the record is written."""
CATCH_UP_WITHIN_S: Final = 0.25
"""After a fault of the bus talkers send again what was lost. They need no longer for it."""
MOVE_WITHIN_S: Final = 60.0
"""A call that finds no quiet moment for this long is moved anyway."""

_AGENT_SPOKE: Final = arbitration.AgentSpoke()


class CallSession:
    """The call. Everything from outside arrives through the `on_…` methods, at once; `run` does what takes time."""

    def __init__(self, caller: Caller, leg: Leg, around: Surroundings, before: Before | None = None) -> None:
        now = time.monotonic()
        self.caller = caller
        self.leg = leg
        self.is_legless = False
        self._before = before
        self._clock = LegClock(before.clock_ms if before else 0)
        self.audio = CallerAudio(ids.call_key(caller.call_id), self._clock, around.audio)
        self._turns = TurnTaking()
        left_s = caller.profile.limits.max_call_s - self._clock.at(now) / 1000
        steering = steering_for(caller, around, before)
        self._arbiter = Arbiter(now, left_s, steering, before.last_epoch if before else 0, around.reattach_within_s)
        self._link = TalkerLink(around.bus, around.edge_id, caller, around.choose_talker, steering.home)
        self._books = Books(caller, around, self._arbiter, self._clock, before, follow=self._follow)
        self.memory = self._books.memory
        self._adoption = Adoption(caller.call_id, self._link, self._books, self._clock, self.audio)
        self._giving_away = GivingAway(caller, around, self._arbiter, self._books)
        model = caller.profile.model or "default"
        self._voice = AgentVoice(caller.call_id, model, leg, self._clock, self._books.tell, is_new_call=before is None)
        self._cover = Cover(around, self._clock, self.audio, self._voice, has_begun=before is not None)
        self._end: EndReason | None = None
        self._is_quiet = False
        self._move_by = math.inf
        self._sleeper = Sleeper()
        self._tasks: asyncio.TaskGroup | None = None

    # --- the life of the call -------------------------------------------------------------------------------------

    async def run(self) -> dict[str, Any] | None:
        """Carry the call to its end. Returns its record; None if it goes on elsewhere."""
        self._books.open()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._feed(arbitration.LegUp(self._before.talker if self._before else None))
            while (deadline := self._arbiter.next_deadline()) is not None:
                await self._sleeper.sleep_until(min(deadline, self._own_deadline()))
                self._feed(arbitration.Tick())
                self._on_time()
            record = await self._conclude()
            self._tasks = None
        return record

    def _own_deadline(self) -> float:
        return math.inf if self.is_legless else min(self._cover.next_deadline(), self._move_by)

    def _on_time(self) -> None:
        if self.is_legless or self._arbiter.is_over:
            return
        if self._cover.play_if_due():
            self.look_again()
        if time.monotonic() >= self._move_by:
            self._move()

    async def _conclude(self) -> dict[str, Any] | None:
        reason = self._end or EndReason.LEG_LOST
        if self._has_moved():
            log.info("call goes on elsewhere", extra=logs.fields(call=self.caller.call_id))
            self.leg.close()
            return None
        self._voice.finish()
        ended = self._books.ended(reason)
        self._books.note_ended(reason)
        self.leg.close()
        await asyncio.sleep(LAST_WORDS_WITHIN_S)
        if self._has_moved():  # the carrier closed this stream because another edge has the call
            return None
        return self._books.close(ended)

    # --- from the leg (edge.legs.port.LegEvents) --------------------------------------------------------------------

    def on_caller_audio(self, timestamp_ms: int, pcmu: bytes) -> None:
        """One frame of the caller."""
        now = time.monotonic()
        self.audio.on_frame(timestamp_ms, pcmu, now)
        if self._cover.hear(pcmu, now):
            self._sleeper.wake_by(self._own_deadline())

    def on_mark(self, name: str) -> None:
        """The carrier played everything before this mark."""
        self._voice.on_mark(name)
        self.look_again()

    def on_digit(self, digit: str) -> None:
        """The caller pressed a key."""
        talker = self._arbiter.current
        self._books.tell(telling.pressed(self.caller.call_id, talker, digit, self._books.now_ms))
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
        self.audio.stop()
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
                self.look_again()

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
        self.look_again()
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
        if self._arbiter.current == Talker(wish.talker_id, wish.epoch) and self._books.giving is None:
            self.end(EndReason.AGENT_HANGUP)

    def on_transfer(self, wish: Transfer) -> None:
        """The agent gives the caller to a human."""
        giving = None if self.is_legless else self._giving_away.begin(wish)
        if giving is not None:
            self._spawn(self._give_away(giving))

    async def _give_away(self, giving: Giving) -> None:
        away = await self._giving_away.may_go(giving)
        if away is not None:
            self._go_on_without_leg(away)
            self.leg.close()

    def on_transfer_news(self, news: TransferNews) -> None:
        """The carrier tells how it goes with the caller."""
        event = self._giving_away.on_news(news, is_legless=self.is_legless)
        if event is not None:
            self._feed(event)

    def on_standing_asked(self, asked: StandingAsked) -> Standing:
        """A talker that hears nothing asks whether it still counts."""
        talker = Talker(asked.talker_id, asked.epoch)
        return Standing(is_current=self._arbiter.current == talker or self._arbiter.holds(talker))

    def on_talker_gone(self, talker_id: str) -> None:
        """The process is known to be dead or away."""
        if self.talks(talker_id):
            self._cover.talker_lost(talker_id)
        self._feed(arbitration.TalkerGone(talker_id))

    def on_talker_denies(self, talker_id: str, epoch: int) -> None:
        """The talker lives and has no session of this call."""
        self._feed(arbitration.HandoverAsked(epoch, talker_id, HandoverReason.TALKER_LOST, is_retryable=True))

    def talks(self, talker_id: str) -> bool:
        """True if this talker has the call now."""
        current = self._arbiter.current
        return current is not None and current.talker_id == talker_id

    # --- from this edge -------------------------------------------------------------------------------------------

    def on_fact(self, fact: AnyFact) -> None:
        """A fact somebody else told of this call."""
        self._books.learn(fact)

    def on_instructions(self, instructions: Instructions) -> None:
        """A revision of what the agent is told: whoever talks next starts with the newest."""
        self.memory.instruct(instructions)

    def bus_lost(self) -> None:
        """Nobody can be reached: the call holds. What the caller says from now on is kept for later, in its order."""
        self.audio.missed(time.monotonic())
        self._feed(arbitration.BusLost())

    def bus_back(self, gap_s: float) -> None:
        """Everybody can be reached again; what was sent in the last `gap_s` may be lost."""
        self.audio.missed(time.monotonic(), gap_s)
        if not self.is_legless:
            self._voice.hold_back()
            self._spawn(self._catch_up())
        self._feed(arbitration.BusBack())
        self._books.note_live()  # is it still ours?

    async def _catch_up(self) -> None:
        await asyncio.sleep(CATCH_UP_WITHIN_S)
        self._voice.let_go()
        self.look_again()

    def order_handover(self) -> Talker | None:
        """An operator wants another talker, at the next quiet moment. Returns who talks now."""
        self._feed(arbitration.HandoverOrdered(HandoverReason.OPERATOR))
        return self._arbiter.current

    def move_away(self) -> None:
        """Give the leg back to the carrier at the next quiet moment: it comes back to another edge."""
        if self._move_by == math.inf:
            self._move_by = time.monotonic() + MOVE_WITHIN_S
            self._sleeper.wake()
            if self._is_quiet:
                self._move()

    def give_up(self) -> Before:
        """The call goes on with another stream: here is what it was."""
        before = self._books.so_far()
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
        self._sleeper.wake()
        self.look_again()

    def _perform(self, command: arbitration.Command) -> None:
        match command:
            case arbitration.MakeOffer() | arbitration.AskAdoption():
                self._spawn(self._ask(command))
            case arbitration.CutOver():
                self._cut_over(command)
            case arbitration.ReleaseTalker(talker, reason):
                if not self._arbiter.current:
                    self.audio.stop()
                self._spawn(self._link.release(talker, reason))
            case arbitration.SearchAbandoned(reason):
                log.info("no other talker; the present one goes on", extra=logs.fields(call=self.caller.call_id))
                metrics.TAKEOVERS.labels(reason, "abandoned").inc()
            case arbitration.EndCall(reason):
                self._end = reason
                if reason is EndReason.NO_TALKER:
                    self._books.left_alone()
            case _:
                assert_never(command)

    async def _ask(self, command: arbitration.MakeOffer | arbitration.AskAdoption) -> None:
        match command:
            case arbitration.MakeOffer():
                self._feed(await self._link.offer(command))
            case arbitration.AskAdoption():
                self._feed(await self._adoption.ask(command))

    def _cut_over(self, cut: arbitration.CutOver) -> None:
        """The talker changes here, in one step: epoch, address, ledger, fact."""
        self._link.found()
        if self._voice.is_mid_turn:
            self._turns.agent_broke_off(time.monotonic())
        self._voice.new_epoch(cut.talker.epoch)
        self._turns.talker_changed()
        if cut.has_waited:
            self._spawn(self._link.take_over(cut.talker, self._cut()))
        self.audio.address(cut.talker, since_ms=self.memory.conversation.known_until_ms)
        self._books.changed_talker(cut)

    def _cut(self) -> CutOver:
        """What the new talker has to know."""
        current = self._arbiter.current
        return self.memory.cut(self._voice.under_way(current.epoch if current else 0), self._books.now_ms)

    def look_again(self) -> None:
        """At the line: a quiet moment may have come or gone, silence begun, talkers be missed or no longer."""
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
        self._sleeper.wake_by(self._own_deadline())

    def _move(self) -> None:
        self._move_by = math.inf
        self.leg.close()
        self.leg_lost()

    # --- small things ---------------------------------------------------------------------------------------------

    def _follow(self, fact: AnyFact) -> None:
        """A new fact of the call."""
        if isinstance(fact, ServiceLevelChanged) and not self._arbiter.is_over:
            self._books.note_live()
        elif self._turns.follow(fact, self._clock, time.monotonic()):
            self.look_again()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` within the life of the call; what comes after its end has nobody left to matter to."""
        if self._tasks is None:
            work.close()
        else:
            self._tasks.create_task(work)
