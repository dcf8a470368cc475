"""The tools the model has asked for and waits for; what came of them goes back in one go, in the model's order."""

import re
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from common.agents import TOOL_NAME
from common.conversation import ToolTurn
from talker.core import telling
from talker.core.subject import Subject
from talker.core.vocabulary import Command, CountToolRefused, RefusalOfTool, RunTool, ToolAnswered, ToolOrders
from talker.port import AddToolOutput, ToolWanted

ARGUMENTS_BYTES: Final = 16 * 1024
ROUNDS_AT_MOST: Final = 6
"""Rounds of tools to one turn of the caller; then the model has to speak."""
_STUBBORN: Final = 2
"""A model that asks for tools all the same is asked for its answer so often, then left alone."""
CALLS_AT_MOST: Final = 16
"""In one round."""
REFUSALS: Final[dict[RefusalOfTool, str]] = {
    "unknown": '{"error": "there is no such tool"}',
    "oversized": '{"error": "the arguments are too long"}',
    "too_many": '{"error": "too many tools were asked for; tell the caller what you know"}',
}
"""What the model is told, as data."""


@dataclass(slots=True)
class _Call:
    output: str | None = None
    is_filled: bool = False
    """The caller was asked for patience."""


@dataclass(slots=True)
class _Round:
    calls: dict[str, _Call]
    asks: bool
    """The session has to be asked for its answer, once everything is there."""
    orders: list[ToolOrders] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return all(call.output is not None for call in self.calls.values())


@dataclass(frozen=True, slots=True)
class Given:
    """What is to be done about tools now."""

    commands: tuple[Command, ...] = ()
    is_answer_due: bool = False
    """The session knows everything it waited for, and has to be asked for its answer."""
    orders: tuple[ToolOrders, ...] = ()
    """What was ordered by the tools whose results the session has been given."""


class ToolCalls:
    """By the calls' ids; of a call that is not waited for nothing comes."""

    def __init__(self, *, passes_on: bool) -> None:
        """`passes_on`: the session waits for the results of its tools, and goes on, by itself."""
        self._passes_on = passes_on
        self._rounds: list[_Round] = []
        self._asked_in_a_row = 0

    @property
    def is_pending(self) -> bool:
        """True if a result is waited for."""
        return bool(self._rounds)

    @property
    def may_ask(self) -> bool:
        """False once the model has asked for so many tools that it has to speak now."""
        return self._asked_in_a_row < ROUNDS_AT_MOST

    def caller_began(self) -> None:
        """The caller speaks: what the model does about that is another matter."""
        self._asked_in_a_row = 0

    def wanted(self, subject: Subject, at_ms: int, tools: Sequence[ToolWanted], granted: Set[str]) -> Given:
        """The model asks for these, all at once. What it may not have it is told; the rest is run."""
        round_ = _Round({}, asks=not self._passes_on and self._asked_in_a_row < ROUNDS_AT_MOST + _STUBBORN)
        commands: list[Command] = []
        for number, tool in enumerate(tools):
            if any(tool.tool_call_id in each.calls for each in (*self._rounds, round_)):
                continue
            why = self._refusal(tool, number, granted)
            round_.calls[tool.tool_call_id] = _Call(REFUSALS[why] if why else None)
            if why:
                commands.append(CountToolRefused(why))
            else:
                commands.append(telling.tool_called(subject, at_ms, tool))
                commands.append(RunTool(tool.tool_call_id, tool.name, tool.arguments))
        self._asked_in_a_row += 1
        if round_.calls:
            self._rounds.append(round_)
        return self._given(commands)

    def _refusal(self, tool: ToolWanted, number: int, granted: Set[str]) -> RefusalOfTool | None:
        if tool.name not in granted:
            return "unknown"
        if len(tool.arguments.encode(errors="replace")) > ARGUMENTS_BYTES:
            return "oversized"
        has_limits = not self._passes_on
        return "too_many" if has_limits and (number >= CALLS_AT_MOST or not self.may_ask) else None

    def resume(self, calls: Iterable[ToolTurn]) -> tuple[RunTool, ...]:
        """The talker before asked for these and was gone before anything came of them: ask again, by the same ids."""
        running = {tool_call_id for each in self._rounds for tool_call_id in each.calls}
        found = {call.tool_call_id: call for call in calls if call.tool_call_id not in running}
        if found:
            self._rounds.append(_Round({tool_call_id: _Call() for tool_call_id in found}, asks=True))
        return tuple(RunTool(each, call.name, call.arguments) for each, call in found.items())

    def answered(self, subject: Subject, at_ms: int, event: ToolAnswered) -> Given:
        """What came of one."""
        round_ = next((each for each in self._rounds if event.tool_call_id in each.calls), None)
        if round_ is None or round_.calls[event.tool_call_id].output is not None:
            return Given()
        round_.calls[event.tool_call_id].output = event.output
        if event.order is not None:
            round_.orders.append(event.order)
        returned = telling.tool_returned(subject, at_ms, event)
        return self._given([returned])

    def fills(self, tool_call_id: str) -> bool:
        """The caller is about to be asked for patience because of this one. False if it is no longer needed."""
        call = next((each.calls[tool_call_id] for each in self._rounds if tool_call_id in each.calls), None)
        if call is None or call.output is not None or call.is_filled:
            return False
        call.is_filled = True
        return True

    def _given(self, before: Iterable[Command]) -> Given:
        """All rounds that are complete, given back."""
        done = [each for each in self._rounds if each.is_complete]
        self._rounds = [each for each in self._rounds if not each.is_complete]
        return Given(
            (*before, *(output for each in done for output in _outputs(each))),
            any(each.asks for each in done),
            tuple(order for each in done for order in each.orders),
        )


def can_resume(turn: ToolTurn) -> bool:
    """True if a call whose result is not known can be asked for again: its name comes from a message of somebody."""
    is_named = re.fullmatch(TOOL_NAME, turn.name) is not None
    return turn.output is None and is_named and len(turn.arguments.encode(errors="replace")) <= ARGUMENTS_BYTES


def _outputs(done: _Round) -> Iterator[AddToolOutput]:
    for tool_call_id, call in done.calls.items():
        yield AddToolOutput(tool_call_id, call.output or "")
