"""What is to be done as soon as nobody speaks: new instructions, an answer that is due, tones, the end of the call."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from common.conversation import ToolTurn
from common.messages.tools import SendDigitsOrder
from common.profile import AgentProfile
from talker.core import telling
from talker.core.floor import Floor
from talker.core.orders import Orders, Stand
from talker.core.revisions import Applied, Revisions
from talker.core.seeding import have_patience
from talker.core.subject import Subject
from talker.core.tools import Given, ToolCalls
from talker.core.vocabulary import (
    Command,
    CountRevision,
    Instructed,
    NoteApplied,
    RevisionResult,
    ToolAnswered,
    ToolWaits,
)
from talker.core.waiting import NEVER
from talker.port import CommandName, Respond, ToolWanted

_BY_ITSELF = frozenset({Floor.CALLER, Floor.AWAITED, Floor.RETRYING})
"""The floors on which an answer follows by itself."""
_BETWEEN = frozenset({Floor.QUIET, Floor.CALLER, Floor.RETRYING})
"""The floors on which no answer can be under way."""


@dataclass(frozen=True, slots=True)
class Scene:
    """How things stand."""

    subject: Subject
    at_ms: int
    """The leg's clock."""
    floor: Floor
    is_answering: bool
    """An answer is under way that the caller hears."""
    is_free: bool
    """No answer is under way, asked for or about to be."""
    heard_at: float
    """When the caller will have heard everything, as far as we can know."""
    now: float


@dataclass(frozen=True, slots=True)
class PlayTones:
    """Let the other side hear these keys."""

    digits: str


Step: TypeAlias = Command | PlayTones


class Agenda:
    """Feed it, then `follow` it: that gives what can be done in the scene as it is."""

    def __init__(self, profile: AgentProfile, *, answers_tool_results: bool) -> None:
        self.revisions = Revisions(profile)
        self.tools = ToolCalls(passes_on=answers_tool_results)
        self._passes_on = answers_tool_results
        self._orders = Orders()
        self._is_result_due = False
        self._is_revision_due = False
        self._digits = ""
        self._filler: ToolWaits | None = None
        self.is_filling = False
        """True while a word of patience is asked for or spoken: nothing depends on it."""
        self._next_deadline = NEVER

    @property
    def next_deadline(self) -> float:
        """When to `follow` it, though nothing has happened."""
        return NEVER if self.is_empty else self._next_deadline

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to follow."""
        is_due = self._is_result_due or self._is_revision_due or self.revisions.is_waiting
        return not (is_due or self._digits or self._filler or self._orders.stand is not Stand.NONE)

    # --- instructions -----------------------------------------------------------------------------------------------

    def instructed(self, event: Instructed, now: float, *, is_talker: bool) -> tuple[Command, ...]:
        """A revision was published. Before the cut its answer is the affair of the talker before."""
        refused = self.revisions.take(event.instructions, now if is_talker else None)
        return () if refused is None else (CountRevision(refused),)

    def confirmed(self, scene: Scene) -> tuple[Command, ...]:
        """The session confirms an update."""
        applied = self.revisions.confirmed()
        return () if applied is None else tuple(self._applied(applied, scene, "applied"))

    def refused(self, name: CommandName | None) -> tuple[Command, ...]:
        """The session does not take an update."""
        result = self.revisions.refused(name)
        return () if result is None else (CountRevision(result),)

    def revise(self, scene: Scene, *, is_between: bool) -> Iterator[Command]:
        """Send the newest revision, if this is its moment."""
        due = self.revisions.due(is_between=is_between)
        if isinstance(due, Applied):
            yield from self._applied(due, scene, "unchanged")
        elif due is not None:
            yield due

    def _applied(self, applied: Applied, scene: Scene, result: RevisionResult) -> Iterator[Command]:
        """An answer that is still to begin, or waits for a tool, is given by the new instructions already."""
        yield CountRevision(result)
        if applied.received_at is not None:
            yield NoteApplied(scene.now - applied.received_at)
        yield telling.instructions_applied(scene.subject, scene.at_ms, applied.revision, applied.agent)
        is_to_begin = scene.floor in _BY_ITSELF and not scene.is_answering
        if applied.asks_for_answer and not is_to_begin and not self.tools.is_pending:
            self._is_revision_due = True

    # --- tools ------------------------------------------------------------------------------------------------------

    def wanted(self, tools: tuple[ToolWanted, ...], subject: Subject, at_ms: int) -> tuple[Command, ...]:
        """The model asks for tools. A session that waits for them by itself knows which it was granted."""
        granted = self.revisions.granted | ({tool.name for tool in tools} if self._passes_on else set())
        return self._note(self.tools.wanted(subject, at_ms, tools, granted))

    def answered(
        self, event: ToolAnswered | ToolWaits, subject: Subject, at_ms: int, *, caller_speaks: bool
    ) -> tuple[Command, ...]:
        """What came of a tool; or it takes longer, and the caller hears a word, if that is possible now.

        `caller_speaks`: the answer to the caller comes by itself, and the model knows the result by then.
        """
        if isinstance(event, ToolWaits):
            self._filler = None if self._passes_on or event.filler == "" else event
            return ()
        was_due = self._is_result_due
        commands = self._note(self.tools.answered(subject, at_ms, event))
        self._is_result_due = was_due if caller_speaks else self._is_result_due
        return commands

    def resume(self, calls: Iterable[ToolTurn]) -> tuple[Command, ...]:
        """Tools the talker before has asked for, and waits for no more."""
        return self.tools.resume(calls)

    def _note(self, given: Given) -> tuple[Command, ...]:
        self._is_result_due = self._is_result_due or given.is_answer_due
        for order in given.orders:
            if isinstance(order, SendDigitsOrder):
                self._digits += order.digits
            else:
                self._orders.take(order)
        return given.commands

    # --- turns ------------------------------------------------------------------------------------------------------

    def caller_began(self) -> None:
        """The model answers the caller by itself, and knows by then what it has been given."""
        self._is_result_due = self._is_revision_due = self.is_filling = False
        self.tools.caller_began()
        self._orders.caller_began()

    def opened(self) -> None:
        """The session is asked for its first answer, and knows by then what it has been given."""
        self._is_result_due = self._is_revision_due = False

    def response_ended(self, *, has_spoken: bool) -> None:
        """An answer that the caller hears has ended. While another is due, it is not the one to what was ordered."""
        was_filler, self.is_filling = self.is_filling, False
        if has_spoken and not was_filler and not self._is_result_due:
            self._orders.answered()

    @property
    def is_farewell_due(self) -> bool:
        """True if the agent is to speak once more before something that was ordered is done."""
        return self._orders.stand is Stand.ORDERED and not self._is_result_due

    def follow(self, scene: Scene) -> Iterator[Step]:
        """What can be done now."""
        is_between = scene.is_free and scene.floor in _BETWEEN
        yield from self.revise(scene, is_between=is_between)
        waits, self._filler = self._filler, None
        self._next_deadline = NEVER
        if not scene.is_free or scene.floor is not Floor.QUIET:
            return
        if self._digits:
            digits, self._digits = self._digits, ""
            yield PlayTones(digits)
        if self._is_result_due or self._is_revision_due:
            self._is_result_due = self._is_revision_due = False
            yield Respond(may_use_tools=self.tools.may_ask)
        elif waits is not None and self.tools.fills(waits.tool_call_id):
            self.is_filling = True
            yield have_patience(waits.filler)
        else:
            yield from self._carry_out(scene)

    def _carry_out(self, scene: Scene) -> Iterator[Command]:
        due_at = self._orders.due_at(scene.heard_at)
        if scene.now >= due_at:
            yield self._orders.carry_out()
        else:
            self._next_deadline = due_at
