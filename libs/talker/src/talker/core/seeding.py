"""What a new session is told of a running call, and what it is asked for first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeGuard

from common.conversation import AnyTurn, ToolTurn, Turn
from common.messages.commands import CutOver
from talker.core.budget import fitting, room_tokens
from talker.core.tools import can_resume
from talker.port import AddToolCall, AddToolOutput, AddTurn, Respond

CONTINUED: Final = (
    "This phone call is already under way and the conversation above has taken place. Carry on from there, "
    "in the same language. Do not greet the caller again, do not introduce yourself again and do not mention "
    "any interruption."
)
"""Models drift or introduce themselves anew after a swap unless told (strands-agents/harness-sdk#4104)."""

TRIMMED: Final = (
    "Earlier parts of this phone call are missing here. If the caller refers to them, ask instead of guessing."
)
GO_ON: Final = (
    "Your last turn broke off in the middle: the caller has heard only the words that you remember of it. Go on from "
    "exactly there, without repeating anything, without a greeting and without an apology."
)
BACK: Final = (
    "While you were away the caller was on hold and heard recordings. In the language of the call, say in one short "
    "sentence that you are back. Then answer what the caller asked last; if nothing is open, ask how you can help."
)
UNREACHED: Final = (
    "You had given the caller to a colleague, but the colleague could not be reached, and the caller is back with you. "
    "In the language of the call, apologise for that in one short sentence and ask how to go on."
)
PATIENCE: Final = (
    "What you asked for takes a while. In the language of the call, ask the caller for a moment of patience, in a few "
    "words. Say nothing else."
)
NO_RESULT: Final = '{"error": "the result of this call is not known; it may or may not have been carried out"}'
"""A call without an output would stand in the model's way for the rest of the session."""

Step: TypeAlias = AddTurn | AddToolCall | AddToolOutput


@dataclass(frozen=True, slots=True)
class Seed:
    """What to put into the session's memory, in order."""

    steps: tuple[Step, ...]
    kept: int
    omitted: int
    """Turns that nobody will tell it: too many for the message, or for the model's context."""
    open_tools: tuple[ToolTurn, ...] = ()
    """Tool calls among them that wait for what comes of them: they are to be asked for again."""


def seed(cut: CutOver, model: str, instructions: str) -> Seed:
    """The conversation as items. Nothing for a call in which nothing was said."""
    kept, left_out = fitting(cut.conversation, room_tokens(model, instructions))
    omitted = left_out + cut.omitted_turns
    if not omitted and not any(map(_is_heard, kept)):
        return Seed((), 0, 0)
    missing = (AddTurn("system", TRIMMED),) if omitted else ()
    told = tuple(step for turn in kept for step in _steps(turn))
    open_tools = tuple(turn for turn in kept if isinstance(turn, ToolTurn) and can_resume(turn))
    return Seed((*missing, *told, AddTurn("system", CONTINUED)), len(kept), omitted, open_tools)


def _is_heard(turn: AnyTurn) -> bool:
    return isinstance(turn, ToolTurn) or bool(turn.text.strip())


def _steps(turn: AnyTurn) -> tuple[Step, ...]:
    match turn:
        case Turn(text=text) if not text.strip():
            return ()
        case Turn(speaker=speaker, text=text, item_id=item_id):
            return (AddTurn(speaker, text, item_id),)
        case ToolTurn():
            call = AddToolCall(turn.tool_call_id, turn.name, turn.arguments, turn.item_id)
            if can_resume(turn):
                return (call,)
            output = NO_RESULT if turn.output is None else turn.output
            return call, AddToolOutput(turn.tool_call_id, output, f"{turn.item_id}_output")


@dataclass(frozen=True, slots=True)
class Situation:
    """How a conversation stands. Times are the leg's clock."""

    is_new: bool = True
    """The caller has heard nobody yet, and nothing the caller said was understood."""
    agent_began_ms: int = -1
    """When the agent's last turn began; -1: the agent has said nothing."""
    asked_ms: int | None = None
    """When the caller's last turn ended, if nobody has begun to answer it."""
    is_unfinished: bool = False
    """The agent's last turn broke off, and the caller has said nothing since."""
    was_on_hold: bool = False
    """No model has attended to the caller for a while: recordings did."""
    human_unreached: bool = False
    """The caller is back from a transfer that came to nothing, and nobody has said so yet."""

    def opening(self, greeting: str, instructions: str, replayed_ms: int) -> Respond | None:
        """What to ask for first. `replayed_ms`: where the last turn that was found in replayed audio ended, else -1."""
        if self.human_unreached:
            return apologise(instructions)
        if self.is_new and replayed_ms < 0:
            return greet(greeting)
        if self.was_on_hold:
            return Respond(f"{instructions}\n\n{BACK}")
        if self.asked_ms is not None or replayed_ms > self.agent_began_ms:
            return Respond()
        return go_on(instructions) if self.is_unfinished else None


def situation(
    conversation: Sequence[AnyTurn], *, was_on_hold: bool = False, human_unreached: bool = False
) -> Situation:
    """Read it from what was said. A turn that nobody heard does not count.

    `was_on_hold`: the call was served by recordings until now (level 3). `human_unreached`: a transfer has failed.
    """
    if not any(map(_is_heard, conversation)):
        return Situation(human_unreached=human_unreached)
    agent = [turn for turn in conversation if _is_agents(turn)]
    began_ms = agent[-1].start_ms if agent else -1
    asked = [end_ms for turn in conversation if (end_ms := _asks_at(turn)) is not None and end_ms > began_ms]
    return Situation(
        is_new=False,
        agent_began_ms=began_ms,
        asked_ms=max(asked, default=None),
        is_unfinished=bool(agent) and agent[-1].is_unfinished,
        was_on_hold=was_on_hold,
        human_unreached=human_unreached,
    )


def _is_agents(turn: AnyTurn) -> TypeGuard[Turn]:
    """True for what a model said and the caller heard."""
    return isinstance(turn, Turn) and turn.speaker == "agent" and not turn.is_recorded and bool(turn.text.strip())


def _asks_at(turn: AnyTurn) -> int | None:
    """When an answer to this turn was due: a tool's result wants one as the caller does."""
    match turn:
        case Turn(speaker="caller", end_ms=end_ms) if not turn.is_recorded:
            return end_ms
        case ToolTurn(start_ms=start_ms):
            return start_ms
        case _:
            return None


def greet(greeting: str) -> Respond:
    """The first words of a call."""
    return Respond(_exactly(greeting), words=greeting)


def _exactly(words: str) -> str:
    return f"Say exactly this to the caller, word for word, and nothing else: {words}"


def have_patience(filler: str | None) -> Respond:
    """A word while a tool runs; None: the model finds one. That must not make it ask for the tool again."""
    return Respond(_exactly(filler) if filler else PATIENCE, words=filler or "", may_use_tools=False)


def apologise(instructions: str) -> Respond:
    """The first words to a caller whom no human could be found for."""
    return Respond(f"{instructions}\n\n{UNREACHED}", may_use_tools=False, human_unreached=True)


def go_on(instructions: str) -> Respond:
    """The rest of a turn that broke off. A response's instructions replace the agent's, so they come along."""
    return Respond(f"{instructions}\n\n{GO_ON}")
