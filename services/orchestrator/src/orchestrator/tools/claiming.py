"""Claims a request in the database, patiently while that is away, and follows requests that others have claimed."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from common.errors import StorageUnavailable
from orchestrator.core import tool_policy
from orchestrator.core.confirmation import Agreement, Talk, Verdict, agreed
from orchestrator.core.run_state import RunState
from orchestrator.core.tool_policy import Decision, Go, Limits, PastRun, Wait
from orchestrator.core.tool_rules import TRANSFER, ToolRules
from orchestrator.stores.tool_runs import Ending, NewRun, StoredRun, ToolRuns
from orchestrator.tools.call_facts import CallFacts

_DATABASE_WITHIN_S: Final = 3.0
_DATABASE_FOR_A_READER_S: Final = 1.0
_TRY_AGAIN_S: Final = 0.2
_WORDS_WITHIN_S: Final = 4.0
"""A caller's yes is transcribed after the model has heard it: so long are its words waited for."""
_LOOK_AGAIN_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class Claiming:
    """Who decides whether a request runs here. Both methods raise `StorageUnavailable`."""

    runs: ToolRuns
    facts: CallFacts
    limits: Limits
    question: Ending

    async def claim(self, new: NewRun, rules: ToolRules, language: str) -> Decision | StoredRun:
        """Claim it: `Refuse`, `Ask` or `Go`, never `Wait`; or what others have made of it already."""
        until = time.monotonic() + _WORDS_WITHIN_S
        while True:
            talk, is_all = await self._talk(new, rules)
            judge = _Judge(new, rules, language, self.limits, talk, is_all, is_last=time.monotonic() > until)
            decided = await self._claimed(new, rules, judge)
            if not isinstance(decided, Wait):
                return decided
            await asyncio.sleep(_LOOK_AGAIN_S)

    async def _talk(self, new: NewRun, rules: ToolRules) -> tuple[Talk, bool]:
        if rules.is_confirmed or rules.name == TRANSFER:
            return await self.facts.talk(new.key.call_id)
        return Talk(), True

    async def _claimed(self, new: NewRun, rules: ToolRules, judge: "_Judge") -> Decision | StoredRun:
        """A commit whose answer was lost is found again as our own: only this very claim can have made it."""
        try:
            async with asyncio.timeout(_DATABASE_FOR_A_READER_S if rules.may_run_again else _DATABASE_WITHIN_S):
                has_failed = False
                while True:
                    try:
                        decided = await self.runs.claim(new, judge, self.question)
                    except StorageUnavailable:
                        if rules.may_run_again:
                            raise
                        has_failed = True
                        await asyncio.sleep(_TRY_AGAIN_S)
                        continue
                    return Go() if has_failed and _is_ours(decided, new) else decided
        except TimeoutError:
            raise StorageUnavailable("the database does not answer in time") from None


@dataclass(frozen=True, slots=True)
class _Judge:
    """The policy with all it needs, as `ToolRuns.claim` asks it."""

    new: NewRun
    rules: ToolRules
    language: str
    limits: Limits
    talk: Talk
    is_all: bool
    is_last: bool

    def __call__(self, past: Sequence[PastRun]) -> Decision:
        verdict = self._verdict(past)
        if verdict.agreement is Agreement.OPEN and not self.is_last:
            return Wait()
        return tool_policy.decide(self.rules, past, verdict, self.limits, self.talk.failed_transfers)

    def _verdict(self, past: Sequence[PastRun]) -> Verdict:
        """A yes among facts that are not all may have been taken back in the rest."""
        asked = tool_policy.asked_before(past, self.new.fingerprint) if self.rules.is_confirmed else ()
        if asked and not self.is_all:
            return Verdict(Agreement.OPEN)
        return agreed(self.talk, self.new.key.tool_call_id, asked, self.language)


def _is_ours(decided: Decision | StoredRun, new: NewRun) -> bool:
    return (
        isinstance(decided, StoredRun)
        and decided.owner == new.owner
        and decided.state is RunState.RUNNING
        and decided.fingerprint == new.fingerprint
    )
