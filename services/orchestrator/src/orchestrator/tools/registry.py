"""Every tool there is, by name."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from common.agents import AGENT_NAME, FRONT, ToolGrant
from common.errors import ConfigError
from common.profile import AgentProfile
from orchestrator.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class Entry:
    """A tool as it is now, and where it comes from, in words for the operator."""

    source: str
    name: str
    tool: Callable[[], Tool]


class Registry:
    """Raises `ConfigError` if two sources have a tool of the same name."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            other = self._entries.setdefault(entry.name, entry)
            if other is not entry:
                raise ConfigError(f"{entry.source}: {entry.name}: {other.source} has a tool of that name already")

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order of their sources."""
        return tuple(self._entries)

    def find(self, name: str) -> Tool | None:
        """The tool as it is now."""
        entry = self._entries.get(name)
        return None if entry is None else entry.tool()

    def grants(self, names: Iterable[str], profile: AgentProfile | None = None) -> tuple[ToolGrant, ...]:
        """What a model is told of these tools, in this order; names nobody knows are left out.

        `profile` fills in what depends on it, such as whom a caller may be transferred to. A tool of an MCP server
        that was not reached yet has no description, so that no model is offered it.
        """
        found = (self.find(name) for name in dict.fromkeys(names))
        return tuple(
            ToolGrant(name=tool.name, description=tool.description, parameters=tool.parameters_for(profile))
            for tool in found
            if tool is not None
        )

    def check(self, profile: AgentProfile) -> None:
        """Raise `ConfigError` naming profile, agent and tool if an agent is granted what cannot work."""
        for agent in (FRONT, *profile.agents):
            for name in profile.tools_of(agent):
                self._check(profile, name, f"profile {profile.name}: agent {agent}: tools: {name}")

    def _check(self, profile: AgentProfile, name: str, where: str) -> None:
        tool = self.find(name)
        if tool is None:
            raise ConfigError(f"{where}: there is no such tool; there are: {', '.join(sorted(self._entries))}")
        for listed_in in tool.choices.values():
            listed = list(getattr(profile, listed_in))
            if not listed:
                raise ConfigError(f"{where}: the profile has no {listed_in} to choose from")
            if not all(re.fullmatch(AGENT_NAME, each) for each in listed):
                raise ConfigError(f"{where}: names of {listed_in} have small letters, digits and -, 40 at most")
