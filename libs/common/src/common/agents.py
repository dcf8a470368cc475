"""The agents behind one profile: who takes the conversation over when, with which tools and under which rules."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import Field, model_validator

from common.profile_part import InstructionsText, Part

FRONT: Final = "front"
"""The agent that answers the call: the profile itself."""
AGENT_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"
TOOL_NAME: Final = r"^[a-z][a-z0-9_]{0,63}$"

AgentName: TypeAlias = Annotated[str, Field(pattern=AGENT_NAME)]
ToolName: TypeAlias = Annotated[str, Field(pattern=TOOL_NAME)]


class ToolGrant(Part):
    """A tool the agent may ask for; in YAML its name will do, whoever runs tools knows the rest."""

    name: ToolName
    description: str = Field("", max_length=1_024)
    """Empty: not known here; the model is offered the tool once the orchestrator has described it."""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of the arguments."""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given

    @property
    def is_described(self) -> bool:
        """True if a model can be offered it."""
        return bool(self.description)


class OutputRules(Part):
    """What an agent must not say, and what it must: checked after each of its turns, and corrected."""

    forbidden: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field((), max_length=100)
    """Words or phrases, in any case, that no turn may hold."""
    must_say: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = Field((), max_length=20)
    """Disclosures the caller has to hear within the first `must_say_within_turns` agent turns."""
    must_say_within_turns: int = Field(2, ge=1, le=20)


class Specialist(Part):
    """An agent the router may give the caller to."""

    when: str = Field(min_length=1, max_length=1_000)
    """When the caller is this agent's, in words for the router."""
    instructions: InstructionsText
    tools: tuple[ToolName, ...] = ()
    model: str | None = None
    """The chat model that decides about hand-overs while this agent has the caller; None: `routing.model`."""
    hands_over_to: tuple[AgentName, ...] | None = None
    """Whom it may give the caller to; None: anybody."""
    after_tools: dict[ToolName, AgentName] = Field(default_factory=dict)
    """Once this tool has returned without an error, the caller goes to that agent, whatever the router thinks."""
    otherwise: AgentName | None = None
    """Who takes the caller when the router finds that nobody fits; None: the caller stays."""
    rules: OutputRules = OutputRules()


class Routing(Part):
    """How it is decided which agent has the caller."""

    model: str | None = None
    """The chat model that decides; None: the orchestrator's own."""
    timeout_s: float = Field(4.0, gt=0, le=30)
    """Longest wait for it; then everything stays as it is until the caller's next turn."""
    turns: int = Field(12, ge=1, le=100)
    """How many of the last turns it is shown."""
