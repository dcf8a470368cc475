"""The books of one call: its facts told and remembered, its registry entry kept, its record written up at the end."""

import time
from collections.abc import Callable
from typing import Any, Literal

from common import logs, metrics
from common.messages.commands import EndReason
from common.messages.facts import AnyFact, CallEnded, CallStarted, LevelCause
from common.messages.offers import HandoverReason
from edge import telling
from edge.call import Before, Caller, Surroundings
from edge.conversation import CallMemory
from edge.core.arbiter import Arbiter
from edge.core.arbitration import CutOver
from edge.core.clock import LegClock
from edge.core.giving import Giving
from edge.registry import CallEntry

log = logs.get("books")


class Books:
    """What others learn of the call: at once from facts, after a failure from the registry, at last from the record."""

    def __init__(
        self,
        caller: Caller,
        around: Surroundings,
        arbiter: Arbiter,
        clock: LegClock,
        before: Before | None,
        *,
        follow: Callable[[AnyFact], None],
    ) -> None:
        """`follow` is shown every new fact of the call, whoever tells it, before ours go out."""
        self.memory = before.memory if before else CallMemory()
        self._started_at = before.started_at if before else telling.wall_clock()
        self.giving: Giving | None = None
        """The transfer that is under way: the edge that the carrier asks next finds it in the registry."""
        self._caller = caller
        self._around = around
        self._arbiter = arbiter
        self._clock = clock
        self._is_new_call = before is None
        self._follow = follow

    @property
    def now_ms(self) -> int:
        """The call's clock now."""
        return self._clock.at(time.monotonic())

    # --- facts ----------------------------------------------------------------------------------------------------

    def tell(self, fact: AnyFact) -> None:
        """A fact of ours."""
        self.learn(fact)
        self._around.facts.write(fact)

    def learn(self, fact: AnyFact) -> None:
        """A fact somebody else told. One that is known already changes nothing."""
        if self.memory.add(fact):
            self._follow(fact)

    def open(self) -> None:
        """The call begins, or goes on with another stream.

        A caller who is here is with no human: if nobody could tell how a transfer went, it came to nothing.
        """
        edge_id = self._around.edge_id
        if self._is_new_call:
            self.tell(telling.began(self._caller, edge_id, self._started_at))
        else:
            self.tell(telling.came_back(self._caller, edge_id, self.now_ms))
        begun = self.memory.transfer
        if begun is not None:
            self.tell(telling.transfer_failed(begun, "failed", self._arbiter.last_epoch, self.now_ms))

    def changed_talker(self, cut: CutOver) -> None:
        """Somebody else talks from now on."""
        if cut.reason is not HandoverReason.START:
            metrics.TAKEOVERS.labels(cut.reason, "ok").inc()
        metrics.TAKEOVER.labels("cut").observe(cut.waited_s)
        log.info("cut over", extra=logs.fields(call=self._caller.call_id, epoch=cut.talker.epoch, reason=cut.reason))
        self.tell(telling.changed_talker(self._caller.call_id, cut, self.now_ms))
        self.note_live()

    def left_alone(self) -> None:
        """No talker can be had for the call."""
        metrics.TAKEOVERS.labels(self._arbiter.reason, "failed").inc()
        metrics.LEVEL_CHANGES.labels(f"L{telling.EDGE_ALONE}", LevelCause.NO_TALKER).inc()
        level, epoch = self.memory.service_level, self._arbiter.last_epoch
        self.tell(telling.left_alone(self._caller.call_id, epoch, level, self.now_ms))

    # --- the registry ---------------------------------------------------------------------------------------------

    def note_live(self) -> None:
        """Have the registry know how the call stands; if another edge has it, we learn that from the registry."""
        self._note("live")

    def note_ended(self, reason: EndReason) -> None:
        """Have the registry know that the call is over, while its record is still to be written."""
        self._note("ended", reason)

    def _note(self, state: Literal["live", "ended"], reason: EndReason | None = None) -> None:
        current = self._arbiter.current
        giving = self.giving if state == "live" else None
        entry = CallEntry(
            edge_id=self._around.edge_id,
            state=state,
            profile=self._caller.profile.name,
            epoch=self._arbiter.last_epoch,
            talker_id=current.talker_id if current else "",
            end_reason=reason,
            home=self._arbiter.home,
            service_level=self.memory.service_level,
            transfer_to=giving.begun.to if giving else "",
            summary=giving.summary if giving else "",
            transfer_within_s=giving.within_s if giving else 0,
        )
        self._around.registry.note(self._caller.call_id, entry)

    # --- what is handed on ----------------------------------------------------------------------------------------

    def so_far(self) -> Before:
        """What the call was until now, for whoever goes on with it."""
        clock_ms = max(self.now_ms, self.memory.latest_ms)
        talker, last_epoch = self._arbiter.current, self._arbiter.last_epoch
        return Before(self.memory, last_epoch, talker, clock_ms, self._started_at, self._arbiter.home)

    def ended(self, reason: EndReason) -> CallEnded:
        """The call's last fact, as of now: `close` with it once the last words of others are in."""
        return telling.ended(self._caller.call_id, self._arbiter.last_epoch, reason, self.now_ms)

    def close(self, ended: CallEnded) -> dict[str, Any]:
        """Tell that the call is over. Returns its record."""
        self.tell(ended)
        reason, duration_ms = ended.reason, ended.duration_ms
        log.info("call ended", extra=logs.fields(call=ended.call_id, reason=reason, duration_ms=duration_ms))
        return telling.record(self._start(), self.memory, reason, duration_ms)

    def _start(self) -> CallStarted:
        """How the call began, here or at the edge that had it first."""
        known = self.memory.started
        began = telling.began(self._caller, self._around.edge_id, self._started_at)
        return began.model_copy(update={"started_at": known.started_at if known else self._started_at})
