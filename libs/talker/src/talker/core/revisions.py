"""What the agent is told and may ask for while the call runs: the revision in force, and the one that waits."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from common.agents import ToolGrant
from common.messages.instructions import Instructions
from common.profile import AgentProfile
from talker.port import CommandName, Instruct


@dataclass(frozen=True, slots=True)
class Terms:
    """What a session knows of its agent."""

    instructions: str
    tools: tuple[ToolGrant, ...]

    @property
    def granted(self) -> frozenset[str]:
        """Names of the tools."""
        return frozenset(tool.name for tool in self.tools)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A revision that is newer than all before."""

    revision: int
    agent: str
    terms: Terms
    is_urgent: bool
    asks_for_answer: bool
    received_at: float | None
    """None: before the cut."""


Applied: TypeAlias = Accepted
"""The same, in force."""


@dataclass(frozen=True, slots=True)
class _Update:
    name: CommandName
    terms: Terms | None = None
    revision: Accepted | None = None


class Revisions:
    """`take` what comes, ask for what is `due`; note what is `sent` and how the session answers, in its order."""

    def __init__(self, profile: AgentProfile) -> None:
        self._in_force = Terms(profile.instructions, described(profile.tools))
        self._newest: Accepted | None = None
        self._is_waiting = False
        self._applied = 0
        self._updates: deque[_Update] = deque()

    @property
    def is_waiting(self) -> bool:
        """True if a revision is to be sent."""
        return self._is_waiting

    @property
    def newest(self) -> Terms:
        """What is or will be in force."""
        return self._in_force if self._newest is None else self._newest.terms

    @property
    def granted(self) -> frozenset[str]:
        """The tools that may be asked for: while a change is under way, by what was so and by what will be."""
        return frozenset().union(*(terms.granted for terms in self._possible()))

    def take(self, told: Instructions, received_at: float | None) -> Literal["stale", "repeated"] | None:
        """A revision was published. One that is not higher than all before is refused; publishers repeat theirs.

        One that takes the place of one that waits is as urgent, and wants an answer as much. `received_at`: None if it
        was published before the cut; then the answer it wants is the affair of the talker before.
        """
        before = self._newest
        if before is not None and told.revision <= before.revision:
            return "stale" if told.revision < before.revision else "repeated"
        waiting = before if self._is_waiting else None
        self._newest = Accepted(
            told.revision,
            told.agent,
            Terms(told.instructions, described(told.tools)),
            is_urgent=told.urgency == "at_once" or (waiting is not None and waiting.is_urgent),
            asks_for_answer=received_at is not None
            and (told.asks_for_answer or (waiting is not None and waiting.asks_for_answer)),
            received_at=received_at,
        )
        self._is_waiting = True
        return None

    def due(self, *, is_between: bool) -> Instruct | Applied | None:
        """What to tell the session now, only what changes; or the revision that is in force because nothing does.

        `is_between`: no answer is under way. Who is urgent does not wait for that.
        """
        waiting = self._newest
        if waiting is None or not self._is_waiting or not (is_between or waiting.is_urgent):
            return None
        self._is_waiting = False
        possible = self._possible()
        texts = {terms.instructions for terms in possible}
        tools = {terms.tools == waiting.terms.tools for terms in possible}
        instruct = Instruct(
            waiting.terms.instructions if texts != {waiting.terms.instructions} else None,
            waiting.terms.tools if tools != {True} else None,
        )
        if instruct == Instruct():
            return self._apply(waiting)
        self._updates.append(_Update("instruct", waiting.terms, waiting))
        return instruct

    def profile(self, profile: AgentProfile) -> AgentProfile:
        """The agent as the newest revision has it, for a session that is configured as a whole."""
        if self._newest is None:
            return profile
        return profile.model_copy(update={"instructions": self.newest.instructions, "tools": self.newest.tools})

    def configuring(self) -> None:
        """The session is configured as a whole, with `profile`."""
        self._is_waiting = False
        self._updates.append(_Update("configure", self.newest, self._newest))

    def checking(self) -> None:
        """The session is sent an update that changes nothing."""
        self._updates.append(_Update("check"))

    def confirmed(self) -> Applied | None:
        """The session confirms the oldest of what it was sent. The revision that puts in force, if any."""
        if not self._updates:
            return None
        update = self._updates.popleft()
        self._in_force = update.terms or self._in_force
        return self._apply(update.revision) if update.revision is not None else None

    def refused(self, name: CommandName | None) -> Literal["refused"] | None:
        """The session does not take the oldest of this kind; "refused" if that was a revision: the one before stays."""
        update = next((each for each in self._updates if each.name == name), None)
        if update is None:
            return None
        self._updates.remove(update)
        return "refused" if name == "instruct" else None

    def _apply(self, revision: Accepted) -> Applied | None:
        if revision.revision <= self._applied:
            return None
        self._applied = revision.revision
        return revision

    def _possible(self) -> tuple[Terms, ...]:
        """What may be in force at this moment or the next: nobody knows when the session reads what it was sent."""
        return (self._in_force, *(update.terms for update in self._updates if update.terms is not None))


def described(tools: Iterable[ToolGrant]) -> tuple[ToolGrant, ...]:
    """The tools a model can be offered, in their order."""
    return tuple(tool for tool in tools if tool.is_described)
