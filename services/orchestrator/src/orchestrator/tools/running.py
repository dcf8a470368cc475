"""One request for a tool, from its checks to its result, at most once over all replicas."""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, assert_never

from pydantic import TypeAdapter

from common import logs, metrics
from common.errors import StorageUnavailable
from common.messages.tools import ToolOrder, ToolRequest, ToolResult
from common.profile import AgentProfile
from orchestrator.core import tool_arguments, tool_policy
from orchestrator.core.run_state import RunState
from orchestrator.core.tool_arguments import ArgumentsRefused
from orchestrator.core.tool_output import Failure
from orchestrator.core.tool_policy import Ask, Go, Refuse, Wait
from orchestrator.core.tool_rules import ToolRules
from orchestrator.stores.tool_runs import Ending, NewRun, RunKey, StoredRun
from orchestrator.tools.context import ToolContext
from orchestrator.tools.execution import Outcome, execute, not_known, refused, to_be_confirmed
from orchestrator.tools.tool import Tool
from orchestrator.tools.workshop import Workshop

log = logs.get("tools")

AGAIN: Final = "again"
"""The label of a request whose result was known already."""
_NO_STORE: Final = "It cannot be done safely at the moment."
_POLL_S: Final = 0.1
_GRACE_S: Final = 60.0
"""Beyond a tool's own time, until a replica that lives must have written its result."""
_WRITE_WITHIN_S: Final = 1.0
_WRITE_AGAIN_S: Final = 1.0
_WRITTEN_WITHIN_S: Final = 600.0
_ORDER: Final[TypeAdapter[ToolOrder]] = TypeAdapter(ToolOrder)


@dataclass(frozen=True, slots=True)
class _Job:
    """A request whose checks are passed."""

    tool: Tool
    profile: AgentProfile
    arguments: Mapping[str, Any]

    @property
    def rules(self) -> ToolRules:
        return self.tool.rules


class Run:
    """Await `carry` in a task of its own; whoever wants the result awaits `answer`."""

    def __init__(self, shop: Workshop, request: ToolRequest) -> None:
        self._shop, self._request = shop, request
        self.key = RunKey(request.call_id, request.tool_call_id)
        self.fingerprint = tool_arguments.fingerprint(request.name, request.arguments)
        self.answer: asyncio.Future[ToolResult] = asyncio.get_running_loop().create_future()
        self._filler = ""
        self._unwritten: Outcome | None = None
        self._is_begun_for_good = False
        self._tool_class = "unknown"

    def take_filler(self) -> str:
        """What the caller should hear meanwhile: said once, and only by who runs the tool."""
        filler, self._filler = self._filler, ""
        return filler

    async def carry(self) -> None:
        """Check, claim, run, answer; then see that the result is written, however long the database is away."""
        try:
            outcome = await self._outcome()
        except Exception:  # one request must not end the others
            log.exception("a request for a tool failed")
            outcome = not_known() if self._is_begun_for_good else refused(Failure.FAILED, "It failed unexpectedly.")
        metrics.TOOL_CALLS.labels(self._tool_class, outcome.result).inc()
        self.answer.set_result(self._told(outcome))
        if self._unwritten is not None:
            await self._write_at_last(self._unwritten)

    async def abandon(self) -> None:
        """This process ends before the tool has: nobody will know. Call once `carry` was cancelled."""
        if self._unwritten is not None:
            await self._written(self._unwritten)
        elif self._is_begun_for_good and not self.answer.done():
            await self._written(not_known())

    async def _outcome(self) -> Outcome:
        job = self._checked()
        if isinstance(job, Outcome):
            return job
        try:
            return await self._once(job)
        except StorageUnavailable:
            if not job.rules.may_run_again:
                return refused(Failure.STORAGE, _NO_STORE)
        return await self._run(job, is_kept=False)

    def _checked(self) -> _Job | Outcome:
        """What can be said of a request without asking anybody."""
        name = self._request.name
        tool, profile = self._shop.registry.find(name), self._shop.profiles().get(self._request.profile)
        if tool is None:
            return refused(Failure.UNKNOWN_TOOL, "There is no such tool.")
        self._tool_class = tool.rules.tool_class.value
        if profile is None or not tool_policy.is_granted(profile, name):
            return refused(Failure.NOT_GRANTED, "You may not use this tool.")
        if not tool.is_described:
            return refused(Failure.UNAVAILABLE, "It cannot be used at the moment.")
        try:
            arguments = tool_arguments.read(self._request.arguments, tool.parameters_for(profile))
        except ArgumentsRefused as why:
            return refused(Failure.ARGUMENTS, str(why))
        fault = tool.body.fault(arguments)
        return _Job(tool, profile, arguments) if fault is None else refused(Failure.ARGUMENTS, fault)

    async def _once(self, job: _Job) -> Outcome:
        """Run it here, or wait for who does."""
        if not self._shop.slots.take():
            return await self._elsewhere(job)
        try:
            decided = await self._shop.claiming.claim(self._new(job), job.rules, job.profile.language)
            match decided:
                case Refuse():
                    return refused(decided.failure, decided.message)
                case Ask() | Wait():
                    return to_be_confirmed()
                case Go():
                    return await self._run(job, is_kept=True)
                case StoredRun():
                    pass
                case _:
                    assert_never(decided)
        finally:
            self._shop.slots.give_back()
        return await self._follow(job, decided)

    async def _elsewhere(self, job: _Job) -> Outcome:
        """There is no room here; but it may run somewhere already."""
        with contextlib.suppress(StorageUnavailable):
            stored = await self._shop.runs.read(self.key)
            if stored is not None:
                return await self._follow(job, stored)
        return refused(Failure.BUSY, "Too much is going on. Try again in a moment.")

    async def _follow(self, job: _Job, stored: StoredRun) -> Outcome:
        """Somebody has claimed it before: their result, or what has to be made of it if they are gone."""
        until = time.monotonic() + (job.tool.timeout_s or 0) + _GRACE_S
        while True:
            if stored.fingerprint != self.fingerprint:
                return conflict()
            if stored.state is not RunState.RUNNING:
                return _again(stored.ending)
            if self._is_gone(stored.owner) and (outcome := await self._after(job, stored)) is not None:
                return outcome
            if time.monotonic() > until:
                return not_known()
            await asyncio.sleep(_POLL_S)
            stored = await self._look_again(stored)

    async def _after(self, job: _Job, stored: StoredRun) -> Outcome | None:
        """The replica that ran it is gone. None: somebody else was faster to see that."""
        if job.rules.may_run_again:
            is_ours = await self._shop.runs.take_over(self.key, stored.owner, self._shop.replica_id)
            return await self._run(job, is_kept=True) if is_ours else None
        lost = not_known()
        is_ended = await self._shop.runs.end(self.key, stored.owner, RunState.FAILED, _ending(lost))
        return lost if is_ended else None

    async def _look_again(self, before: StoredRun) -> StoredRun:
        try:
            return await self._shop.runs.read(self.key) or before
        except StorageUnavailable:
            return before

    async def _run(self, job: _Job, *, is_kept: bool) -> Outcome:
        self._is_begun_for_good = is_kept and not job.rules.may_run_again
        self._filler = job.tool.filler_in(job.profile.language)
        outcome = await execute(job.tool, self._context(job), job.arguments)
        if not is_kept:
            return outcome
        try:
            if await self._written(outcome):
                return outcome
            stored = await self._shop.runs.read(self.key)
            return outcome if stored is None else _again(stored.ending)
        except StorageUnavailable:
            self._unwritten = outcome
            return outcome

    async def _written(self, outcome: Outcome) -> bool:
        state = RunState.FAILED if outcome.is_error else RunState.DONE
        try:
            async with asyncio.timeout(_WRITE_WITHIN_S):
                return await self._shop.runs.end(self.key, self._shop.replica_id, state, _ending(outcome))
        except TimeoutError:
            raise StorageUnavailable("the database does not answer in time") from None

    async def _write_at_last(self, outcome: Outcome) -> None:
        """Until then this process answers from memory."""
        until = time.monotonic() + _WRITTEN_WITHIN_S
        while time.monotonic() < until:
            try:
                await self._written(outcome)
                return
            except StorageUnavailable:
                await asyncio.sleep(_WRITE_AGAIN_S)
        log.warning("the result of a tool could not be written")

    def _is_gone(self, owner: str) -> bool:
        """What this process owns and does not remember is gone, too."""
        return owner == self._shop.replica_id or self._shop.owners.is_gone(owner, time.monotonic())

    def _new(self, job: _Job) -> NewRun:
        rules = job.rules
        return NewRun(self.key, rules.name, rules.tool_class, self.fingerprint, self._shop.replica_id)

    def _context(self, job: _Job) -> ToolContext:
        call_id, tool_call_id = self.key.call_id, self.key.tool_call_id
        return ToolContext(
            call_id=call_id,
            tool_call_id=tool_call_id,
            idempotency_key=hashlib.sha256(f"{call_id}\0{tool_call_id}".encode()).hexdigest()[:32],
            profile=job.profile,
            look_up_caller=lambda: self._shop.facts.caller_number(call_id, job.profile.country),
            resources=self._shop.resources,
        )

    def _told(self, outcome: Outcome) -> ToolResult:
        return ToolResult(
            tool_call_id=self.key.tool_call_id,
            output=outcome.output,
            is_error=outcome.is_error,
            order=outcome.order,
        )


def conflict() -> Outcome:
    """The same key for another request: one of the two is a mistake, and nothing is run for it."""
    return refused(Failure.CONFLICT, "This request was made before, with another tool or other arguments.")


def _ending(outcome: Outcome) -> Ending:
    order = "" if outcome.order is None else outcome.order.model_dump_json()
    return Ending(outcome.output, outcome.is_error, order)


def _again(ending: Ending) -> Outcome:
    order = _ORDER.validate_json(ending.order) if ending.order else None
    return Outcome(ending.output, AGAIN, ending.is_error, order)
