"""Re-attachment: a stream came for a call; finds out, in a moment, what the call was and that it is ours now."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from nats.aio.msg import Msg

from common import backoff, metrics, subjects
from common.bus.connection import Bus
from common.bus.history import facts_of
from common.bus.newest_instructions import newest_instructions
from common.ending import end_tasks
from common.errors import RemoteProtocolError, TrunklineError, UpstreamUnavailable
from common.messages.commands import LegState, TalksTo, WhoCarries, WhoTalks
from edge.call import Before, Surroundings
from edge.calls import Calls
from edge.conversation import CallMemory
from edge.core.neighbours import Neighbours
from edge.core.past import Past
from edge.registry import CallEntry
from edge.session import CallSession

ASK_EDGE_WITHIN_S: Final = 0.15
ASK_TALKERS_WITHIN_S: Final = 0.15
FACTS_WITHIN_S: Final = 0.3
_LATER_FACTS_WITHIN_S: Final = 5.0
_CLAIM_TRIES: Final = 4
"""The edge that gives a call up may still have a note of it under way, which a claim meets once or twice."""


@dataclass(frozen=True)
class Joining:
    """The stream may join its call. `before` None: the call is new."""

    before: Before | None
    has_everything: bool = True
    """False: some of what was said is still to be found, see `Reattachment.complete`."""


class Reattachment:
    """Asks the registry, the edge that had the call, its talkers and the stream of facts. None of them must answer."""

    def __init__(self, around: Surroundings, calls: Calls, neighbours: Neighbours) -> None:
        self._bus = around.bus
        self._edge_id = around.edge_id
        self._registry = around.registry
        self._home_of = around.home_of
        self._calls = calls
        self._neighbours = neighbours
        self._inbox = ""
        self._asking: dict[str, tuple[Past, asyncio.Event]] = {}
        self._completing: set[asyncio.Task[None]] = set()

    async def subscribe(self) -> None:
        """Hear talkers' answers. Call once the bus is connected."""
        self._inbox = self._bus.new_inbox()
        await self._bus.subscribe(f"{self._inbox}.*", self._on_answer)

    async def join(self, call_id: str, profile: str, *, is_resumed: bool) -> Joining | None:
        """Make the call ours and learn its past, in about half a second at worst; milliseconds as a rule.

        None: its leg lives elsewhere, and a second stream would be a second voice. `is_resumed`: the carrier came back
        for it, so it has a past even if the registry knows of none.
        """
        began = time.monotonic()
        before = self._calls.give_up(call_id)
        if before is not None:
            metrics.REATTACHMENT.observe(time.monotonic() - began)
            return Joining(before)
        past = Past()
        if not await self._is_taken(call_id, profile, past):
            return None
        if not (past.is_known or is_resumed):
            return Joining(None)
        await self._learn(call_id, past)
        metrics.REATTACHMENT.observe(time.monotonic() - began)
        if not past.is_known:
            return Joining(None)
        before = Before(past.memory, past.last_epoch, past.talker, past.clock_ms, past.started_at, past.home)
        return Joining(before, past.has_everything)

    def complete(self, session: CallSession) -> None:
        """Find what is still missing of the call's past, beside the call, until all of it is there.

        Also called when everything seemed to be there: a fact told while the stream was let in reached nobody here.
        """
        task = asyncio.create_task(self._complete(session))
        self._completing.add(task)
        task.add_done_callback(self._completing.discard)

    async def stop(self) -> None:
        """Give up looking."""
        await end_tasks(self._completing)

    # --- whose is it ------------------------------------------------------------------------------------------------

    async def _is_taken(self, call_id: str, profile: str, past: Past) -> bool:
        """Enter the call as ours. False if its leg lives elsewhere."""
        entry = CallEntry(edge_id=self._edge_id, state="live", profile=profile, home=self._home_of(call_id, profile))
        claim = await self._registry.claim(call_id, entry)
        for _ in range(_CLAIM_TRIES):
            if claim == "ours":
                return True
            if claim == "away":
                return not await self._lives_at_any(call_id, past)
            held = claim.entry
            past.noted(held.epoch, held.talker_id)
            past.home = held.home
            if held.state == "live" and await self._lives_at(held.edge_id, call_id, past):
                return False
            talker_id = past.talker.talker_id if past.talker else ""
            kept = {"home": held.home, "service_level": held.service_level}
            ours = entry.model_copy(update={"epoch": past.last_epoch, "talker_id": talker_id, **kept})
            claim = await self._registry.claim(call_id, ours, over=claim)
        return claim in ("ours", "away")

    async def _lives_at_any(self, call_id: str, past: Past) -> bool:
        """Without the registry every edge is asked."""
        edges = self._neighbours.living(time.monotonic())
        return any(await asyncio.gather(*(self._lives_at(edge_id, call_id, past) for edge_id in edges)))

    async def _lives_at(self, edge_id: str, call_id: str, past: Past) -> bool:
        """Ask an edge; one whose leg is dead gives the call up. No answer: it does not carry it."""
        if edge_id == self._edge_id:
            return False
        try:
            question = WhoCarries(call_id=call_id).encode()
            state = LegState.decode(await self._bus.request(subjects.edge(edge_id), question, ASK_EDGE_WITHIN_S))
        except TrunklineError:
            return False
        past.told(state.epoch, state.talker_id)
        return state.is_alive

    # --- what was it ------------------------------------------------------------------------------------------------

    async def _learn(self, call_id: str, past: Past) -> None:
        settled = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load(call_id, past, settled))
            tasks.create_task(self._ask_talkers(call_id, past, settled))
            tasks.create_task(_instruct(self._bus, call_id, past.memory, FACTS_WITHIN_S))

    async def _load(self, call_id: str, past: Past, settled: asyncio.Event) -> None:
        facts, past.has_everything = await facts_of(self._bus, call_id, FACTS_WITHIN_S)
        past.add(facts)
        if past.is_sure:
            settled.set()

    async def _ask_talkers(self, call_id: str, past: Past, settled: asyncio.Event) -> None:
        """Who holds a session of the call? Of several answers the highest epoch counts, so all are waited for."""
        self._asking[call_id] = past, settled
        try:
            question = WhoTalks(call_id=call_id).encode()
            if await self._bus.publish(subjects.ALL_TALKERS, question, reply=f"{self._inbox}.{call_id}"):
                async with asyncio.timeout(ASK_TALKERS_WITHIN_S):
                    await settled.wait()
        except TimeoutError:
            return
        finally:
            del self._asking[call_id]

    def _on_answer(self, message: Msg) -> None:
        asked = self._asking.get(subjects.last_token(message.subject))
        if asked is None or not message.data:
            return
        past, settled = asked
        answer = TalksTo.decode(message.data)
        past.told(answer.epoch, answer.talker_id)
        if past.is_sure:
            settled.set()

    async def _complete(self, session: CallSession) -> None:
        call_id = session.caller.call_id
        for wait in backoff.delays(0.5, 5.0):
            await asyncio.sleep(wait)
            if self._calls.get(call_id) is not session:
                return
            facts, has_everything = await facts_of(self._bus, call_id, _LATER_FACTS_WITHIN_S)
            for fact in facts:
                session.memory.add(fact)
            if has_everything and await _instruct(self._bus, call_id, session.memory, _LATER_FACTS_WITHIN_S):
                return


async def _instruct(bus: Bus, call_id: str, memory: CallMemory, within_s: float) -> bool:
    """Read the newest revision of the agent's instructions, if there is any. False if JetStream is away."""
    try:
        found = await newest_instructions(bus, call_id, within_s)
    except RemoteProtocolError:
        return True
    except UpstreamUnavailable:
        return False
    if found is not None:
        memory.instruct(found)
    return True
