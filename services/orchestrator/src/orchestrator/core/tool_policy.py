"""Whether a request for a tool may run, given what ran in its call before."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from common.profile import AgentProfile
from orchestrator.core.confirmation import Agreement, Verdict
from orchestrator.core.run_state import RunState
from orchestrator.core.tool_output import Failure
from orchestrator.core.tool_rules import TRANSFER, ToolClass, ToolRules

_MINUTE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one call, over all its tools."""

    per_call: int = 30
    per_minute: int = 10
    money_per_call: int = 1


@dataclass(frozen=True, slots=True)
class PastRun:
    """A request of the same call that was not refused. `age_s`: since it began."""

    tool_call_id: str
    name: str
    tool_class: ToolClass
    fingerprint: str
    state: RunState
    is_error: bool
    age_s: float

    @property
    def counts(self) -> bool:
        """True if it was carried out, or may have been: not if the caller was asked instead."""
        return self.state not in (RunState.ASKED, RunState.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Refuse:
    """It does not run, and nothing of it is kept."""

    failure: Failure
    message: str


@dataclass(frozen=True, slots=True)
class Ask:
    """It does not run before the caller has said yes; that it was asked for is kept."""


@dataclass(frozen=True, slots=True)
class Go:
    """It runs. `uses_up`: the request whose yes this is; it is good for one run."""

    uses_up: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """It cannot be said yet: look again soon. Nothing of it is kept."""


Decision: TypeAlias = Refuse | Ask | Wait | Go


def is_granted(profile: AgentProfile, name: str) -> bool:
    """True if any agent of the profile may ask for the tool: which of them speaks now, only the talker knows."""
    return name in profile.granted


def decide(
    rules: ToolRules, past: Sequence[PastRun], verdict: Verdict, limits: Limits, failed_transfers: int = 0
) -> Decision:
    """What becomes of a request whose arguments are in order."""
    refused = _over_a_limit(rules, past, limits, failed_transfers)
    if refused is not None:
        return refused
    if not rules.is_confirmed:
        return Go()
    is_unused = any(run.tool_call_id == verdict.asked_by and run.state is RunState.ASKED for run in past)
    return Go(verdict.asked_by) if verdict.agreement is Agreement.GIVEN and is_unused else Ask()


def asked_before(past: Sequence[PastRun], fingerprint: str) -> tuple[str, ...]:
    """Requests for the same that were answered with the question, and not used up."""
    return tuple(run.tool_call_id for run in past if run.fingerprint == fingerprint and run.state is RunState.ASKED)


def _over_a_limit(rules: ToolRules, past: Sequence[PastRun], limits: Limits, failed_transfers: int) -> Refuse | None:
    counted = [run for run in past if run.counts]
    if len(past) >= limits.per_call:
        return _refused("This call has used all its tools. Go on without, or offer a human.")
    if sum(run.age_s < _MINUTE_S for run in past) >= limits.per_minute:
        return _refused("Too many tools within a minute. Talk to the caller before you use another.")
    if rules.tool_class is ToolClass.MONEY:
        money = sum(run.tool_class is ToolClass.MONEY for run in counted)
        if money >= limits.money_per_call:
            return _refused("No more payments are possible in this call.")
    if rules.per_call is not None and sum(run.name == rules.name for run in counted) >= rules.per_call:
        return _refused(f"{rules.name} cannot be used again in this call.")
    if rules.name == TRANSFER and _transfers(counted) > failed_transfers:
        return _refused("The caller is being transferred already.")
    return None


def _transfers(counted: Sequence[PastRun]) -> int:
    return sum(run.name == TRANSFER and not run.is_error for run in counted)


def _refused(message: str) -> Refuse:
    return Refuse(Failure.LIMIT, message)
