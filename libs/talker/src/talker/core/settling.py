"""From the cut to the first word: tells a session of its call, and knows when the model may speak and what first."""

from dataclasses import replace
from typing import Final, TypeGuard

from common.conversation import AnyTurn, ToolTurn, Turn
from common.fsm import Machine
from common.messages.commands import CutOver
from talker.core import seeding, telling
from talker.core.phase import PHASES, Phase, Step
from talker.core.revisions import Revisions
from talker.core.seeded_turns import SeededTurns
from talker.core.seeding import Situation
from talker.core.subject import Patience, Subject
from talker.core.vocabulary import Command
from talker.core.waiting import NEVER
from talker.port import Configure, Respond

_MENU: Final = 3
"""The service level at which nothing but recordings speaks (`design.md` section 8)."""


class Settling:
    """`begin` at the cut, `caught_up` when all is replayed, `configured` when the provider confirms."""

    def __init__(self, subject: Subject, patience: Patience, revisions: Revisions) -> None:
        self._subject = subject
        self._patience = patience
        self._machine = Machine(PHASES, Phase.CANDIDATE)
        self._configures_due = 0
        self._replayed_ms = -1
        self._revisions = revisions
        self._asked_ms = -1
        self.situation = Situation()
        """How the call stood at the cut."""
        self.turns = SeededTurns()
        """What the session was told was said."""
        self.open_tools: tuple[ToolTurn, ...] = ()
        """Tools among it that somebody has to be asked for again."""
        self.deadline = NEVER
        """When waiting for the replay, or for the provider's word, is no longer worth it."""

    @property
    def phase(self) -> Phase:
        """What the session is to the call."""
        return self._machine.state

    @property
    def is_settled(self) -> bool:
        """True once the model answers by itself."""
        return self.phase is Phase.TALKING

    def begin(self, cut: CutOver, *, answers_by_itself: bool, now: float) -> tuple[Command, ...]:
        """Tell the session what was said. Of a call that has just begun there is nothing to tell: it `is_settled`."""
        if cut.instructions is not None:
            self._revisions.take(cut.instructions, None)
        self.situation = seeding.situation(
            cut.conversation, was_on_hold=cut.service_level == _MENU, human_unreached=cut.human_unreached
        )
        if self.situation.is_new and answers_by_itself and not cut.omitted_turns:
            self._machine.move(Step.GREETED)
            return ()
        self._machine.move(Step.SEEDED)
        self.deadline = now + self._patience.replay_s
        hush = (self._configure(answers_by_itself=False),) if answers_by_itself else ()
        return (*hush, *self._tell(cut))

    def _tell(self, cut: CutOver) -> tuple[Command, ...]:
        seed = seeding.seed(cut, self._subject.model, self._revisions.newest.instructions)
        self.turns = SeededTurns(seed.steps)
        self.open_tools = seed.open_tools
        self._asked_ms = max((turn.end_ms for turn in cut.conversation if _is_callers(turn)), default=-1)
        if not seed.omitted:
            return seed.steps
        return (*seed.steps, telling.conversation_trimmed(self._subject, cut.leg_clock_ms, seed.omitted, seed.kept))

    def _configure(self, *, answers_by_itself: bool) -> Configure:
        self._configures_due += 1
        self._revisions.configuring()
        return Configure(self._revisions.profile(self._subject.profile), answers_by_itself)

    def note_turn(self, end_ms: int) -> None:
        """The caller's turn that ended here on the leg's clock was found before the model answers by itself."""
        if not self.is_settled:
            self._replayed_ms = max(self._replayed_ms, end_ms)

    def caught_up(self, now: float) -> tuple[Configure, ...]:
        """All the caller said is with the model; from the provider's word on it answers by itself."""
        if self.phase is not Phase.REPLAYING:
            return ()
        self._machine.move(Step.CAUGHT_UP)
        self.deadline = now + self._patience.answer_s
        return (self._configure(answers_by_itself=True),)

    def configured(self) -> bool:
        """The provider confirms. True if that settles it: then `opening` says what to ask for."""
        self._configures_due = max(0, self._configures_due - 1)
        if self.phase is not Phase.SETTLING or self._configures_due:
            return False
        self._machine.move(Step.CONFIGURED)
        self.deadline = NEVER
        return True

    def opening(self) -> Respond | None:
        """What to ask for first, if anything."""
        return self.situation.opening(
            self._subject.profile.greeting, self._revisions.newest.instructions, self._replayed_ms
        )

    @property
    def waits_for_tool(self) -> bool:
        """True if the caller has said nothing since a tool was asked for whose result is not known."""
        if not self.open_tools or self.situation.was_on_hold or self.situation.human_unreached:
            return False
        return max(turn.start_ms for turn in self.open_tools) >= max(self._asked_ms, self._replayed_ms)

    @property
    def asked_ms(self) -> int:
        """Where on the leg's clock the turn ended that `opening` answers."""
        return max(self._replayed_ms, self.situation.asked_ms or 0)

    def apologise(self) -> Respond:
        """Ask for an apology to a caller who is back from a transfer. What was not settled yet begins with it."""
        self.situation = replace(self.situation, human_unreached=True)
        return seeding.apologise(self._revisions.newest.instructions)

    def go_on(self) -> Respond:
        """Ask for the rest of a turn that broke off."""
        return seeding.go_on(self._revisions.newest.instructions)

    def end(self) -> None:
        """The speech session is gone."""
        self._machine.move(Step.ENDED)
        self.deadline = NEVER


def _is_callers(turn: AnyTurn) -> TypeGuard[Turn]:
    return isinstance(turn, Turn) and turn.speaker == "caller" and not turn.is_recorded
