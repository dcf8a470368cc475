"""One followed call: its facts in, in order, through the graph; revisions of its agent's instructions out."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, cast

from common import backoff, logs, metrics
from common.agents import ToolGrant
from common.errors import TrunklineError
from common.messages.facts import AgentChanged, AnyFact, CallEnded, InstructionsApplied, RuleBroken
from common.messages.instructions import Instructions
from orchestrator.core.followed_call import FOLLOWED
from orchestrator.core.plan import Update
from orchestrator.graph import CompiledGraph
from orchestrator.publishing import Publisher
from orchestrator.state import GraphState

log = logs.get("session")

_REPEAT_AFTER_S: Final = 3.0
_REPEATS: Final = 5
_TRIES_AT_A_BUG: Final = 3
IDLE_S: Final = 900.0
"""A call of which nothing is heard for so long is forgotten here; its checkpoint is not."""


@dataclass(frozen=True, slots=True)
class Around:
    """What all calls of a replica share."""

    graph: CompiledGraph
    publisher: Publisher
    write: Callable[[AnyFact], None]
    past: Callable[[str], Awaitable[list[AnyFact]]]
    """Every fact of a call that the stream still has."""
    grants: Callable[[str, tuple[str, ...]], tuple[ToolGrant, ...]]
    """Descriptions of tools, by profile and names."""


@dataclass(slots=True)
class _Unapplied:
    revision: Instructions
    published_at: float
    repeats: int = 0


class CallSession:
    """`feed` it every fact of the call with its stream sequence; `run` it once."""

    def __init__(self, call_id: str, around: Around, done: Callable[[int], None]) -> None:
        """`done` is told of each sequence that need not be followed again."""
        self.call_id = call_id
        self._around = around
        self._done = done
        self._waiting: deque[tuple[int, AnyFact]] = deque()
        self._has_more = asyncio.Event()
        self._unapplied: _Unapplied | None = None

    @property
    def is_idle(self) -> bool:
        """True if nothing waits to be followed."""
        return not self._waiting

    def feed(self, sequence: int, fact: AnyFact) -> None:
        """One more fact."""
        self._waiting.append((sequence, fact))
        self._has_more.set()

    async def run(self) -> None:
        """Until the call has ended, or nothing was heard of it for long."""
        state = await self._patiently(self._resume)
        while not _has_ended(state) and await self._more():
            state = await self._patiently(partial(self._follow, state))

    def abandon(self) -> None:
        """Nobody follows what still waits: the call is over, or cannot be followed."""
        while self._waiting:
            self._done(self._waiting.popleft()[0])

    async def _patiently(self, step: Callable[[], Awaitable[GraphState]]) -> GraphState:
        """A database or a bus that is away is waited for; the facts wait in the meantime.

        What fails by our own mistake fails again: after a few tries the call is given up, so that others are not held.
        """
        waits, tries_left = backoff.delays(0.25, 5.0), _TRIES_AT_A_BUG
        while True:
            try:
                return await step()
            except (TrunklineError, OSError, TimeoutError) as error:
                why = type(error).__name__
            except Exception as error:
                tries_left, why = tries_left - 1, type(error).__name__
                metrics.GRAPH_FAILURES.labels("bug").inc()
                if not tries_left:
                    raise
            log.warning("a call cannot be followed now", extra=logs.fields(call=self.call_id, error=why))
            await asyncio.sleep(next(waits))

    # --- taking up ----------------------------------------------------------------------------------------------------

    @property
    def _config(self) -> Any:
        return {"configurable": {"thread_id": self.call_id}}

    async def _resume(self) -> GraphState:
        """What was known of the call. An update whose publisher died is published now."""
        snapshot = await self._around.graph.aget_state(self._config)
        state: GraphState = cast(GraphState, snapshot.values)
        if not state:
            return await self._catch_up()
        update = state.get("update")
        if update is not None and not state["call"]["is_ended"]:
            if await self._around.publisher.newest(self.call_id) < update["revision"]:
                await self._publish(state["call"]["profile"], update)
            elif state["call"]["applied_revision"] < update["revision"]:
                self._await_applied(self._message(state["call"]["profile"], update))
        return state

    async def _catch_up(self) -> GraphState:
        """A call nobody has followed yet may be under way: its beginning is in the stream."""
        past = await self._around.past(self.call_id)
        return await self._run_graph({}, [fact for fact in past if isinstance(fact, FOLLOWED)], 0) if past else {}

    # --- following ----------------------------------------------------------------------------------------------------

    async def _more(self) -> bool:
        """Wait for facts. False if there will hardly be any."""
        deadline = time.monotonic() + IDLE_S
        while not self._waiting and (left_s := deadline - time.monotonic()) > 0:
            self._has_more.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_REPEAT_AFTER_S if self._unapplied else left_s):
                    await self._has_more.wait()
            await self._repeat()
        return bool(self._waiting)

    async def _follow(self, state: GraphState) -> GraphState:
        """Everything that waits, in one run. What fails is tried again with whatever has come by then."""
        batch = tuple(self._waiting)
        newest = batch[-1][0]
        known = state.get("sequence", 0)
        facts = [fact for sequence, fact in batch if sequence > known]
        after = await self._run_graph(state, facts, newest) if facts else state
        for sequence, fact in batch:
            self._waiting.popleft()
            self._note(fact)
            self._done(sequence)
        return after

    async def _run_graph(self, state: GraphState, facts: list[AnyFact], sequence: int) -> GraphState:
        before = state.get("update")
        given: GraphState = {
            "facts": [fact.encode().decode() for fact in facts],
            "sequence": max(sequence, state.get("sequence", 0)),
        }
        began = time.monotonic()
        after = cast(GraphState, await self._around.graph.ainvoke(given, self._config, durability="exit"))
        metrics.GRAPH_SECONDS.observe(time.monotonic() - began)
        update = after.get("update")
        if update is not None and (before is None or update["revision"] > before["revision"]):
            await self._publish(after["call"]["profile"], update)
        return after

    def _note(self, fact: AnyFact) -> None:
        match fact:
            case InstructionsApplied(revision=revision):
                waited = self._unapplied
                if waited is not None and revision >= waited.revision.revision:
                    metrics.INSTRUCTIONS_SECONDS.observe(time.monotonic() - waited.published_at)
                    self._unapplied = None
            case CallEnded():
                self._unapplied = None
            case _:
                pass

    # --- telling ------------------------------------------------------------------------------------------------------

    async def _publish(self, profile: str, update: Update) -> None:
        revision = self._message(profile, update)
        self._await_applied(revision)
        await self._around.publisher.publish(revision)
        for fact in _facts_of(self.call_id, update):
            self._around.write(fact)
        log.info(
            "told the agent",
            extra=logs.fields(call=self.call_id, revision=update["revision"], agent=update["agent"]),
        )

    def _message(self, profile: str, update: Update) -> Instructions:
        return Instructions(
            call_id=self.call_id,
            revision=update["revision"],
            instructions=update["instructions"],
            tools=self._around.grants(profile, tuple(update["tools"])),
            agent=update["agent"],
            urgency=update["urgency"],
            asks_for_answer=update["asks_for_answer"],
            answers=update["answers"],
        )

    def _await_applied(self, revision: Instructions) -> None:
        self._unapplied = _Unapplied(revision, time.monotonic())

    async def _repeat(self) -> None:
        """No talker has said that it took the newest revision: it may have been away from the bus."""
        waited = self._unapplied
        if waited is None or time.monotonic() < waited.published_at + _REPEAT_AFTER_S * (waited.repeats + 1):
            return
        waited.repeats += 1
        if waited.repeats > _REPEATS:
            self._unapplied = None
            metrics.REVISIONS_UNAPPLIED.inc()
            return
        await self._around.publisher.repeat(waited.revision)


def _has_ended(state: GraphState) -> bool:
    return "call" in state and state["call"]["is_ended"]


def _facts_of(call_id: str, update: Update) -> list[AnyFact]:
    """Why there is a new revision. Told again by a successor they are the same facts."""
    number, answers = update["revision"], update["answers"]
    facts: list[AnyFact] = [
        RuleBroken(
            call_id=call_id, fact_id=f"{call_id}-{number}-rule-{index}", rule=rule, revision=number, answers=answers
        )
        for index, rule in enumerate(update["broken"])
    ]
    if update["agent"] != update["before"]:
        facts.append(
            AgentChanged(
                call_id=call_id,
                fact_id=f"{call_id}-{number}-agent",
                agent=update["agent"],
                before=update["before"],
                revision=number,
                answers=answers,
            )
        )
    return facts
