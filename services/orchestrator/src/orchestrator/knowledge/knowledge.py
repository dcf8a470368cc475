"""What agents are told, as far as it is known now: asked at a call's start, answered without waiting."""

import asyncio
from contextlib import suppress
from typing import Final

from common import logs, metrics
from common.agents import FRONT
from common.errors import ConfigError
from common.profile import AgentProfile
from common.profile_part import INSTRUCTIONS_BYTES_AT_MOST
from common.profile_watch import ProfileWatch
from common.profiles import Profiles
from common.wording import Unfilled, Wording
from orchestrator.core.answers import AnswerList
from orchestrator.core.telling import Told, TooLong, tell
from orchestrator.knowledge.source import Source
from orchestrator.knowledge.watched import Watched

log = logs.get("knowledge")

_FIRST_LOOK_S: Final = 3.0
_KEPT_FREE_BYTES: Final = 4_096
"""For what the orchestrator says around an agent's instructions."""


class Knowledge:
    """A part of the orchestrator (`orchestrator.part`): profiles, the prompt in their instructions' place, answers.

    Everything is the newest that was good. What is away or broken changes nothing, is counted and said once.
    """

    name = "knowledge"

    def __init__(
        self, profiles: ProfileWatch, prompt: Source[str] | None = None, answers: Source[AnswerList] | None = None
    ) -> None:
        """`prompt`: instructions for the front agent of every profile in place of its own."""
        self._profiles = profiles
        self._prompt = Watched(prompt, self._accept_prompt, self._forget) if prompt is not None else None
        self._answers = Watched(answers, _accept_answers, self._forget) if answers is not None else None
        self._watched: list[Watched[str] | Watched[AnswerList]] = [
            each for each in (self._prompt, self._answers) if each is not None
        ]
        self._told: dict[tuple[str, str], str] = {}
        self._told_of: Profiles | None = None

    @property
    def profiles(self) -> Profiles:
        """Every agent as the files say now."""
        return self._profiles.current

    async def start(self) -> None:
        """Read everything once. Raises `ConfigError` if a file is missing or wrong; a table is waited for in `run`."""
        for watched in self._watched:
            why: str | None = None
            with suppress(TimeoutError):
                async with asyncio.timeout(_FIRST_LOOK_S):
                    why = await watched.look()
            if why is not None and watched.source.is_local:
                raise ConfigError(why)

    async def run(self) -> None:
        """Read again and again, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._profiles.run())
            for watched in self._watched:
                tasks.create_task(watched.run())

    async def drain(self) -> None:
        """Calls that end may still ask."""

    async def close(self) -> None:
        """There is nothing to let go of."""

    def instructions(self, profile: AgentProfile, agent: str = FRONT) -> str:
        """What `agent` of `profile` is told now, by the newest files of that name. Never waits, never raises.

        A profile that is not there any more, or that what is known does not fit to, keeps its own instructions.
        """
        if self._told_of is not self.profiles:
            self._told, self._told_of = {}, self.profiles
        if (profile.name, agent) not in self._told:
            self._told[profile.name, agent] = self._tell(profile, agent)
        return self._told[profile.name, agent]

    # --- putting it together ------------------------------------------------------------------------------------------

    def _tell(self, profile: AgentProfile, agent: str) -> str:
        wording = self.profiles.wordings.get(profile.name, {}).get(agent)
        if wording is None:
            return _own(profile, agent)
        answers = self._answers.value if self._answers is not None else None
        try:
            told = tell(self._with_prompt(wording, agent), answers, self._room(profile, agent))
        except (Unfilled, TooLong) as error:
            log.warning("a profile keeps its own instructions", extra=logs.fields(agent=profile.name, why=str(error)))
            return _own(profile, agent)
        self._say_left_out(profile, told)
        return told.text

    def _with_prompt(self, wording: Wording, agent: str) -> Wording:
        prompt = self._prompt.value if self._prompt is not None and agent == FRONT else None
        return wording if prompt is None else wording.saying(prompt)

    def _room(self, profile: AgentProfile, agent: str) -> int:
        """A specialist is told the front agent's instructions too, in one message."""
        if agent == FRONT:
            others = max((len(each.instructions.encode()) for each in profile.agents.values()), default=0)
        else:
            others = len(self.instructions(profile).encode())
        return INSTRUCTIONS_BYTES_AT_MOST - _KEPT_FREE_BYTES - others

    def _say_left_out(self, profile: AgentProfile, told: Told) -> None:
        if told.left_out:
            metrics.KNOWLEDGE_DROPPED.labels("no_room").inc(told.left_out)
            log.warning(
                "answers have no room in instructions",
                extra=logs.fields(agent=profile.name, left_out=told.left_out),
            )

    # --- what is new --------------------------------------------------------------------------------------------------

    def _accept_prompt(self, prompt: str) -> None:
        """It has to fit to every profile."""
        if not prompt.strip():
            raise ConfigError("the instructions are empty")
        for name, wordings in self.profiles.wordings.items():
            if (front := wordings.get(FRONT)) is not None:
                try:
                    tell(front.saying(prompt), None)
                except (Unfilled, TooLong) as error:
                    raise ConfigError(f"the instructions do not fit to profile {name}: {error}") from None

    def _forget(self, news: str | AnswerList) -> None:
        self._told = {}
        if isinstance(news, AnswerList) and (news.malformed or news.too_many):
            metrics.KNOWLEDGE_DROPPED.labels("malformed").inc(news.malformed)
            metrics.KNOWLEDGE_DROPPED.labels("too_many").inc(news.too_many)
            log.warning("answers are left out", extra=logs.fields(malformed=news.malformed, too_many=news.too_many))


def _accept_answers(_answers: AnswerList) -> None:
    """Any list will do: what has no room is left out."""


def _own(profile: AgentProfile, agent: str) -> str:
    specialist = profile.agents.get(agent)
    return profile.instructions if specialist is None else specialist.instructions
