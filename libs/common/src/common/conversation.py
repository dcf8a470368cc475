"""The conversation of a call: what was said and done, in order, as a talker needs it to go on; folded from facts."""

from collections.abc import Callable, Sequence
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

PROMPT: Final = "prompt"
"""What ids of agent turns begin with that are recordings, made ahead and played when no model could speak."""
KEYS: Final = "keys"
"""What ids of caller turns begin with that are keys pressed."""
MESSAGE: Final = "message"
"""What ids of caller turns begin with that are messages left."""
_RECORDED: Final = (f"{PROMPT}-", f"{KEYS}-", f"{MESSAGE}-")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Turn(_Frozen):
    """What one speaker said. Of the agent, only what the caller heard."""

    kind: Literal["turn"] = "turn"
    speaker: Literal["caller", "agent"]
    item_id: str
    text: str
    start_ms: int = Field(ge=0)
    end_ms: int = Field(ge=0)
    is_interrupted: bool = False
    is_unfinished: bool = False
    """Its talker was lost before all of it had been said."""

    @property
    def is_recorded(self) -> bool:
        """True for prompts, keys and messages: they ask the agent nothing, and answer nothing."""
        return self.item_id.startswith(_RECORDED)


class ToolTurn(_Frozen):
    """A tool the model asked for, and what came of it. `output` None: not yet known."""

    kind: Literal["tool"] = "tool"
    item_id: str
    tool_call_id: str
    name: str
    arguments: str
    start_ms: int = Field(ge=0)
    output: str | None = None


AnyTurn: TypeAlias = Annotated[Turn | ToolTurn, Field(discriminator="kind")]


class Conversation:
    """The turns of one call in their order, whatever order their facts arrived in."""

    def __init__(self) -> None:
        self._turns: dict[str, Turn] = {}
        self._tools: dict[str, ToolTurn] = {}
        self._outputs: dict[str, str] = {}

    def add(self, turn: Turn) -> None:
        """Take a turn; the same item again replaces it (a fact may arrive twice)."""
        self._turns[turn.item_id] = turn

    def tool_called(self, tool: ToolTurn) -> None:
        """Take a tool call; its result may have come before."""
        self._tools[tool.tool_call_id] = tool

    def tool_returned(self, tool_call_id: str, output: str) -> None:
        """Take a tool's result. Of several the first counts: the tool ran once."""
        self._outputs.setdefault(tool_call_id, output)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was said, ordered by when it began."""
        return tuple(sorted(self._turns.values(), key=lambda turn: turn.start_ms))

    @property
    def everything(self) -> tuple[AnyTurn, ...]:
        """Turns and tool calls, ordered by when they began."""
        tools = (tool.model_copy(update={"output": self._outputs.get(key)}) for key, tool in self._tools.items())
        return tuple(sorted((*self._turns.values(), *tools), key=lambda turn: turn.start_ms))

    @property
    def known_until_ms(self) -> int:
        """The end of the last caller turn that is known in words: caller audio after it is not yet a fact."""
        return max((turn.end_ms for turn in self._turns.values() if turn.speaker == "caller"), default=0)


def characters(turn: AnyTurn) -> int:
    """How long a turn is in words."""
    match turn:
        case Turn(text=text):
            return len(text)
        case ToolTurn(arguments=arguments, output=output):
            return len(arguments) + len(output or "")


def encoded_bytes(turn: AnyTurn) -> int:
    """How long a turn is in a message."""
    return len(turn.model_dump_json().encode())


def newest(
    turns: Sequence[AnyTurn], most: int, size: Callable[[AnyTurn], int] = characters
) -> tuple[tuple[AnyTurn, ...], int]:
    """The newest turns whose sizes make at most `most`, and how many older ones that leaves out."""
    room = most
    kept: list[AnyTurn] = []
    for turn in reversed(turns):
        room -= size(turn)
        if room < 0:
            break
        kept.append(turn)
    return tuple(reversed(kept)), len(turns) - len(kept)
