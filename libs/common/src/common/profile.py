"""The agent profile: who answers a call and how; read from YAML by the edge, carried to the talker in the offer."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field

from common.agents import FRONT, AgentName, OutputRules, Routing, Specialist, ToolGrant
from common.persona import Persona
from common.profile_part import InstructionsText, Part

PROFILE_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"


class ServerVad(Part):
    """Turns end after silence (OpenAI `server_vad`)."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(300, ge=0, le=2_000)
    silence_duration_ms: int = Field(500, ge=100, le=5_000)
    idle_timeout_ms: int | None = Field(None, ge=1_000, le=120_000)


class SemanticVad(Part):
    """Turns end when the caller sounds finished (OpenAI `semantic_vad`)."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Transcription(Part):
    """How the caller's words are written down; without them a handover would forget what the caller said."""

    model: str = "gpt-transcribe"
    prompt: str | None = None


class Limits(Part):
    """When a call is ended by us."""

    max_call_s: int = Field(3_600, ge=10, le=86_400)
    max_output_tokens: int | Literal["inf"] = Field("inf")


class Sentences(Part):
    """What the carrier itself speaks when no agent can (TwiML `<Say>`)."""

    unavailable: str = "We are sorry, nobody can take your call right now. Please call again in a few minutes."
    interrupted: str = "We are sorry, the connection to our assistant was lost. Please call again."
    one_moment: str = "One moment, please. We are connecting you again."
    transferring: str = "We are sorry, our assistant is not available. We are connecting you to a colleague."
    call_back: str = "We are sorry, the connection to our assistant was lost. We will call you back."
    say_language: str = "en-US"


class Apology(Part):
    """The caller is told (`Sentences.interrupted`) and the call ends."""

    type: Literal["apology"] = "apology"


class TransferToHuman(Part):
    """The carrier dials a human; if nobody answers, the apology follows."""

    type: Literal["transfer"] = "transfer"
    number: str = Field(pattern=r"^\+[1-9]\d{6,14}$")
    ring_s: int = Field(30, ge=5, le=120)


class TransferTarget(Part):
    """A human callers may be given to, by the name in `transfers`."""

    number: str = Field(pattern=r"^\+[1-9]\d{6,14}$")
    ring_s: int = Field(30, ge=5, le=120)


class Menu(Part):
    """What the keypad menu offers when no model can be had."""

    hold: bool = True
    message: bool = True
    callback: bool = True
    transfer: str | None = None
    """A name of `transfers`; None: no human is offered."""


class Fallback(Part):
    """How the fallback talker serves this agent's calls."""

    prompts: str | None = Field(None, pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    """The folder of prompts; None: the one named like the language."""
    voice: str | None = None
    """The pipeline's voice; None: the endpoint's."""
    transcription: tuple[str, ...] = ()
    """Names of endpoints of the pipeline, in the order to try; none given: all there are."""
    chat: tuple[str, ...] = ()
    speech: tuple[str, ...] = ()
    menu: Menu = Menu()


class CallBack(Part):
    """The caller is told that somebody will call back (`Sentences.call_back`), and it is noted as a fact."""

    type: Literal["callback"] = "callback"


LastResort = Annotated[Apology | TransferToHuman | CallBack, Field(discriminator="type")]


class AgentProfile(Part):
    """One agent. `instructions` are final here: files read, placeholders filled."""

    name: str = Field(pattern=PROFILE_NAME)
    numbers: tuple[str, ...] = ()
    """Dialled numbers in E.164 this agent answers; `*` answers every other number."""
    language: str = Field("en", pattern=r"^[a-z]{2}$")
    voice: str = "marin"
    model: str | None = None
    """None: the worker's default."""
    greeting: str = Field(min_length=1, max_length=2_000)
    instructions: InstructionsText
    persona: Persona | None = None
    """Conversation settings as fields; `instructions` hold them already, written out."""
    turn_detection: TurnDetection = ServerVad()
    transcription: Transcription = Transcription()
    noise_reduction: Literal["near_field", "far_field"] | None = None
    limits: Limits = Limits()
    sentences: Sentences = Sentences()
    last_resort: LastResort = Apology()
    """What becomes of a call that no talker can be found for."""
    fallback: Fallback = Fallback()
    transfers: dict[str, TransferTarget] = Field(default_factory=dict)
    """Humans by name: nobody else is ever dialled for a caller."""
    tools: tuple[ToolGrant, ...] = ()
    """Tools of the agent that answers the call."""
    rules: OutputRules = OutputRules()
    """What that agent must not say, and what it must."""
    agents: dict[AgentName, Specialist] = Field(default_factory=dict, max_length=32)
    """Who else may take the conversation over; steered by the orchestrator."""
    routing: Routing = Routing()
    graph: str | None = Field(None, pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
    """A compiled graph of your own in place of router and agents, as `package.module:name` (docs/graphs.md)."""
    country: str = Field("US", pattern=r"^[A-Z]{2}$")
    """ISO 3166: whose national form callers' numbers are shown in."""

    def for_talkers(self) -> Self:
        """What a talker needs of it: others' instructions are heavy, and come by revisions."""
        others = {"agents": {}, "routing": Routing(), "rules": OutputRules(), "graph": None, "persona": None}
        return self.model_copy(update=others)

    def agent_or_front(self, agent: str) -> str:
        """`agent`; `FRONT` if there is none of that name, as when the profile has changed since the call began."""
        return agent if agent in self.agents else FRONT

    def rules_of(self, agent: str) -> OutputRules:
        """What `agent` (or the front, if there is none of that name) must not say, and what it must."""
        return self.agents[agent].rules if agent in self.agents else self.rules

    def tools_of(self, agent: str) -> tuple[str, ...]:
        """The tools `agent` (or the front, if there is none of that name) is granted, in the profile's order."""
        return self.agents[agent].tools if agent in self.agents else tuple(tool.name for tool in self.tools)

    @property
    def granted(self) -> frozenset[str]:
        """The tools any of its agents is granted."""
        return frozenset(self.tools_of(FRONT)).union(*map(self.tools_of, self.agents))
