"""The part of the orchestrator that runs tools: takes requests from the bus, answers each in time."""

import asyncio
import os
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, Final

from nats.aio.msg import Msg

from common import ids, logs, subjects
from common.bus.connection import Bus
from common.ending import end_tasks
from common.errors import RemoteProtocolError, StorageUnavailable
from common.messages.tools import ToolPending, ToolRequest, ToolResult
from common.profile import AgentProfile
from orchestrator.core import tool_arguments
from orchestrator.core.owners import Owners
from orchestrator.core.tool_output import confirmation_required
from orchestrator.core.tool_policy import Limits
from orchestrator.settings import OrchestratorSettings
from orchestrator.stores.database import Database
from orchestrator.stores.tasks import SqlTaskStore
from orchestrator.stores.tool_runs import ID_AT_MOST, Ending, RunKey, ToolRuns
from orchestrator.tools.booking_desk import TASKS
from orchestrator.tools.call_facts import CallFacts
from orchestrator.tools.claiming import Claiming
from orchestrator.tools.context import Resources
from orchestrator.tools.registry import Registry
from orchestrator.tools.running import Run, conflict
from orchestrator.tools.slots import Slots
from orchestrator.tools.sources import Sources, gather
from orchestrator.tools.task_store import TaskStore
from orchestrator.tools.workshop import Workshop

log = logs.get("tools")

QUEUE: Final = "orchestrator"
ANSWER_WITHIN_S: Final = 1.5
"""A talker is told by then that it takes longer."""
AT_ONCE: Final = 64
"""Tools that run at the same time."""
_KNOWN_AT_MOST: Final = 1_000
_WAITING_AT_MOST: Final = 4_000
_TICK_S: Final = 0.25
_LAGS_AFTER_S: Final = 1.0
_CLEAN_EVERY_S: Final = 3_600.0
_KEPT_FOR: Final = timedelta(days=2)
"""Longer than any call. The facts are the record of what was done."""
_ABANDON_WITHIN_S: Final = 1.5
_TOOL_CALL_ID: Final = re.compile(rf"[\x21-\x7e]{{1,{ID_AT_MOST}}}")


class ToolRunner:
    """A `Part`."""

    name = "tools"

    def __init__(self, bus: Bus, sources: Sources, shop: Workshop) -> None:
        self._bus, self._sources, self._shop = bus, sources, shop
        self._runs: dict[RunKey, Run] = {}
        self._carried: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Task[None]] = set()
        self._stop_listening: Callable[[], Awaitable[None]] | None = None

    @property
    def registry(self) -> Registry:
        """Every tool there is: `check` profiles with it, and describe `grants`."""
        return self._shop.registry

    async def start(self) -> None:
        """Connect tools' services, listen to the other replicas, then take requests."""
        self._sources.open()
        self._shop.owners.was_deaf(time.monotonic())
        self._bus.on_back(lambda _gap_s: self._shop.owners.was_deaf(time.monotonic()))
        await self._bus.subscribe(subjects.heartbeats_of("orchestrator"), self._on_heartbeat)
        self._stop_listening = await self._bus.subscribe(subjects.tool("*"), self._on_request, queue=QUEUE)

    async def run(self) -> None:
        """Notice when this process was too busy to hear heartbeats; delete old runs."""
        clean_at = time.monotonic()
        while True:
            before = time.monotonic()
            if before >= clean_at:
                await self._clean()
                clean_at = before + _CLEAN_EVERY_S
            await asyncio.sleep(_TICK_S)
            if time.monotonic() - before > _LAGS_AFTER_S:
                self._shop.owners.was_deaf(time.monotonic())

    async def drain(self) -> None:
        """Take no more requests; return when those that run are answered and written."""
        await self._no_more()
        while pending := self._carried | self._waiting:
            await asyncio.wait(pending)

    async def close(self) -> None:
        """End what still runs; of that it is written that nobody knows."""
        await self._no_more()
        await end_tasks(self._carried | self._waiting)
        abandoned = [asyncio.create_task(self._abandon(run)) for run in self._runs.values()]
        if abandoned:
            await asyncio.wait(abandoned)
        await self._sources.close()

    async def _no_more(self) -> None:
        stop, self._stop_listening = self._stop_listening, None
        if stop is not None and self._bus.is_connected:
            await stop()

    async def _abandon(self, run: Run) -> None:
        try:
            async with asyncio.timeout(_ABANDON_WITHIN_S):
                await run.abandon()
        except (StorageUnavailable, TimeoutError):
            log.warning("a tool was cut off, and that could not be written")

    def _on_heartbeat(self, message: Msg) -> None:
        self._shop.owners.heard(subjects.last_token(message.subject), time.monotonic())

    def _on_request(self, message: Msg) -> bytes | None:
        """What can be answered at once is; everything else goes on in tasks."""
        request = ToolRequest.decode(message.data)
        _check(message, request)
        key = RunKey(request.call_id, request.tool_call_id)
        run = self._runs.get(key)
        if run is not None and run.fingerprint != tool_arguments.fingerprint(request.name, request.arguments):
            outcome = conflict()
            return ToolResult(tool_call_id=key.tool_call_id, output=outcome.output, is_error=True).encode()
        if len(self._waiting) >= _WAITING_AT_MOST or (run is None and len(self._runs) >= _KNOWN_AT_MOST):
            return ToolPending(tool_call_id=key.tool_call_id).encode()  # it may run elsewhere: nothing final is said
        self._start(self._waiting, self._answer(run or self._begin(key, request), message.reply))
        return None

    def _begin(self, key: RunKey, request: ToolRequest) -> Run:
        run = self._runs[key] = Run(self._shop, request)
        self._start(self._carried, self._carry(run))
        return run

    async def _carry(self, run: Run) -> None:
        """A run that was cut off stays known until `close` has seen to it."""
        await run.carry()
        del self._runs[run.key]

    async def _answer(self, run: Run, reply: str) -> None:
        done, _ = await asyncio.wait({run.answer}, timeout=ANSWER_WITHIN_S)
        pending = ToolPending(tool_call_id=run.key.tool_call_id, filler="" if done else run.take_filler())
        await self._bus.publish(reply, (run.answer.result() if done else pending).encode())

    async def _clean(self) -> None:
        try:
            await self._shop.runs.forget_older_than(_KEPT_FOR)
        except StorageUnavailable:
            log.debug("old runs of tools are deleted another time")

    def _start(self, among: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)


def build(
    settings: OrchestratorSettings,
    bus: Bus,
    database: Database,
    profiles: Callable[[], Mapping[str, AgentProfile]],
    replica_id: str,
    *,
    task_store: TaskStore | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ToolRunner:
    """The part, not started. Raises `ConfigError` for the file of tools, and for profiles that grant what is not there.

    `task_store` None: the booking desk's tasks are kept in `database`.
    """
    file = settings.tools()
    sources = gather(file, bus, environ, settings.orchestrator_tool_timeout_s)
    for profile in profiles().values():
        sources.registry.check(profile)
    runs, facts = ToolRuns(database), CallFacts(bus)
    limits = Limits(file.limits.per_call, file.limits.per_minute, file.limits.money_per_call)
    resources: Resources = {TASKS: task_store or SqlTaskStore(database)}
    shop = Workshop(
        replica_id,
        sources.registry,
        profiles,
        runs,
        Claiming(runs, facts, limits, Ending(confirmation_required(), is_error=True)),
        facts,
        Owners(time.monotonic()),
        Slots(AT_ONCE),
        resources,
    )
    return ToolRunner(bus, sources, shop)


def _check(message: Msg, request: ToolRequest) -> None:
    """Raise `RemoteProtocolError` for a request nobody could have sent by mistake alone."""
    if not message.reply:
        raise RemoteProtocolError("a request for a tool that wants no answer")
    if subjects.last_token(message.subject) != request.name:
        raise RemoteProtocolError("a request for another tool than its subject says")
    if not ids.is_subject_token(request.call_id) or not _TOOL_CALL_ID.fullmatch(request.tool_call_id):
        raise RemoteProtocolError("a request for a tool with ids that are none")
