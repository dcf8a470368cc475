"""The agent profile: who answers a call and how; read from YAML by the edge, carried to the talker in the offer."""

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PROFILE_NAME: Final = r"^[a-z0-9][a-z0-9-]{0,39}$"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerVad(_Part):
    """Turns end after silence (OpenAI `server_vad`)."""

    type: Literal["server_vad"] = "server_vad"
    threshold: float = Field(0.5, ge=0, le=1)
    prefix_padding_ms: int = Field(300, ge=0, le=2_000)
    silence_duration_ms: int = Field(500, ge=100, le=5_000)
    idle_timeout_ms: int | None = Field(None, ge=1_000, le=120_000)


class SemanticVad(_Part):
    """Turns end when the caller sounds finished (OpenAI `semantic_vad`)."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Transcription(_Part):
    """How the caller's words are written down; without them a handover would forget what the caller said."""

    model: str = "gpt-transcribe"
    prompt: str | None = None


class Limits(_Part):
    """When a call is ended by us."""

    max_call_s: int = Field(3_600, ge=10, le=86_400)
    max_output_tokens: int | Literal["inf"] = Field("inf")


class Sentences(_Part):
    """What the carrier itself speaks when no agent can (TwiML `<Say>`)."""

    unavailable: str = "We are sorry, nobody can take your call right now. Please call again in a few minutes."
    interrupted: str = "We are sorry, the connection to our assistant was lost. Please call again."
    one_moment: str = "One moment, please. We are connecting you again."
    transferring: str = "We are sorry, our assistant is not available. We are connecting you to a colleague."
    call_back: str = "We are sorry, the connection to our assistant was lost. We will call you back."
    say_language: str = "en-US"


class Apology(_Part):
    """The caller is told (`Sentences.interrupted`) and the call ends."""

    type: Literal["apology"] = "apology"


class TransferToHuman(_Part):
    """The carrier dials a human; if nobody answers, the apology follows."""

    type: Literal["transfer"] = "transfer"
    number: str = Field(pattern=r"^\+[1-9]\d{6,14}$")
    ring_s: int = Field(30, ge=5, le=120)


class TransferTarget(_Part):
    """A human callers may be given to, by the name in `transfers`."""

    number: str = Field(pattern=r"^\+[1-9]\d{6,14}$")
    ring_s: int = Field(30, ge=5, le=120)


class Menu(_Part):
    """What the keypad menu offers when no model can be had."""

    hold: bool = True
    message: bool = True
    callback: bool = True
    transfer: str | None = None
    """A name of `transfers`; None: no human is offered."""


class Fallback(_Part):
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


class ToolGrant(_Part):
    """A tool the agent may ask for."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    description: str = Field(min_length=1, max_length=1_024)
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    """JSON Schema of the arguments."""


class CallBack(_Part):
    """The caller is told that somebody will call back (`Sentences.call_back`), and it is noted as a fact."""

    type: Literal["callback"] = "callback"


LastResort = Annotated[Apology | TransferToHuman | CallBack, Field(discriminator="type")]


def _fits_a_message(text: str) -> str:
    if len(text.encode()) > 65_536:
        raise ValueError("must not be longer than 64 KiB")
    return text


InstructionsText = Annotated[str, Field(min_length=1), AfterValidator(_fits_a_message)]
"""They travel in one message of the bus, beside the conversation."""


class AgentProfile(_Part):
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
