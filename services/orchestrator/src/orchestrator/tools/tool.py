"""A tool, wherever it comes from: what a model is told of it, its rules, what carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from common.messages.tools import ToolOrder
from common.profile import AgentProfile
from orchestrator.core.tool_output import DEFAULT_BYTES
from orchestrator.core.tool_rules import ToolRules
from orchestrator.tools.context import ToolContext

DESCRIPTION_AT_MOST: Final = 1_024

Filler: TypeAlias = str | Mapping[str, str]
"""What a caller hears while the tool takes longer: one text, or one for each language. Empty: nothing."""


class ToolError(Exception):
    """The tool could not do it. The message is told to the model: say what would help, name no secret."""


class OutcomeUnknown(Exception):
    """It was begun, and nobody can tell whether it was carried out: an answer was lost on its way."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """A result together with what the talker is to do."""

    told: object
    order: ToolOrder


class Body(Protocol):
    """What carries a tool out."""

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """None, or what is wrong with arguments that fit the schema; asked before anything is claimed or counted."""
        ...

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        """Do it. What it returns is JSON, or `Ordered`. Raises `ToolError`, `OutcomeUnknown`."""
        ...


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool. Without a description it is not known yet, and no model is offered it."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    """JSON Schema of its arguments, closed to unknown fields."""
    rules: ToolRules
    body: Body
    timeout_s: float | None = None
    """None: what the orchestrator allows every tool."""
    filler: Filler = ""
    output_bytes: int = DEFAULT_BYTES
    is_outside: bool = False
    """What it answers was written by others."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """Arguments whose values the profile lists, by the profile's field: `{"to": "transfers"}`."""

    @property
    def is_described(self) -> bool:
        """True once a model can be offered it."""
        return bool(self.description)

    def parameters_for(self, profile: AgentProfile | None) -> dict[str, Any]:
        """The schema as it is for this profile's agents."""
        schema = dict(self.parameters)
        for argument, listed_in in self.choices.items() if profile is not None else ():
            named = {**schema["properties"][argument], "enum": list(getattr(profile, listed_in))}
            schema = {**schema, "properties": {**schema["properties"], argument: named}}
        return schema

    def filler_in(self, language: str) -> str:
        """What the caller hears meanwhile."""
        return self.filler if isinstance(self.filler, str) else self.filler.get(language, "")
