"""What the chat model is to know of the call: turns as the caller heard them, tool calls with their results."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from common.heard_text import Piece, heard_text
from common.pcmu import BYTES_PER_MS
from talker.core.seeding import NO_RESULT
from talker.port import AgentAudio, AgentText, CallerTranscribed, SpeechEvent

CHARACTERS_AT_MOST: Final = 48_000
"""Some 12,000 tokens, half an hour of talk. Older turns are left out of what the model is told."""
OUTPUT_CHARACTERS_AT_MOST: Final = 16_000
"""Of a tool's result: a longer one would push the caller's question out."""

Speaker: TypeAlias = Literal["caller", "agent", "system"]
ChatMessage: TypeAlias = dict[str, Any]
"""As the chat-completions API takes it."""
_ROLES: Final = {"caller": "user", "agent": "assistant", "system": "system"}


@dataclass(slots=True)
class _Turn:
    speaker: Speaker
    pieces: list[Piece] = field(default_factory=list)
    audio_bytes: int = 0
    heard_ms: int | None = None
    """How much of it the caller heard; None: all of it."""
    is_recorded: bool = False
    """A prompt, a key, a message: it asks nothing and answers nothing."""

    @property
    def text(self) -> str:
        audio_ms = self.audio_bytes // BYTES_PER_MS
        if self.heard_ms is None:
            return "".join(piece for _, piece in self.pieces)
        return heard_text(self.pieces, audio_ms, self.heard_ms)

    @property
    def is_said(self) -> bool:
        """True if it is words that ask somebody on the telephone, or answer."""
        return self.speaker != "system" and not self.is_recorded and bool(self.text.strip())


@dataclass(slots=True)
class _Tool:
    tool_call_id: str
    name: str
    arguments: str
    output: str | None = None


class Memory:
    """Items in their order, by id. What is said of an item that is not there is ignored."""

    def __init__(self) -> None:
        self._items: OrderedDict[str, _Turn | _Tool] = OrderedDict()
        self._tool_items: dict[str, str] = {}
        """Which tool call an item is of, or the result of."""
        self._unnamed = 0

    def add_turn(self, speaker: Speaker, text: str, item_id: str, after: str | None) -> None:
        """A turn, whole. `after`: the item it follows; empty: it is the first; None: the newest."""
        item_id = item_id or self._name()
        self._items[item_id] = _Turn(speaker, [(0, text)])
        if after is not None:
            self._move_after(item_id, after)

    def expect(self, item_id: str) -> None:
        """The agent is going to say this item here, whatever comes meanwhile."""
        self._items.setdefault(item_id, _Turn("agent"))

    def say(self, item_id: str, text: str) -> None:
        """The agent begins to say this, after whatever audio the item has."""
        turn = self._items.setdefault(item_id, _Turn("agent"))
        if isinstance(turn, _Turn):
            turn.pieces.append((turn.audio_bytes // BYTES_PER_MS, text))

    def sound(self, item_id: str, audio_bytes: int) -> None:
        """So much more of the agent's item is audio."""
        turn = self._items.get(item_id)
        if isinstance(turn, _Turn):
            turn.audio_bytes += audio_bytes

    def overhear(self, event: SpeechEvent) -> None:
        """What is said beside the model is part of the conversation as well."""
        match event:
            case AgentText(item_id=item_id, text=text):
                self._items.setdefault(item_id, _Turn("agent", is_recorded=True))
                self.say(item_id, text)
            case AgentAudio(item_id=item_id, pcmu=pcmu):
                self.sound(item_id, len(pcmu))
            case CallerTranscribed(item_id, text) if text.strip():
                self._items[item_id] = _Turn("caller", [(0, text)], is_recorded=True)
            case _:
                pass

    def truncate(self, item_id: str, heard_ms: int) -> None:
        """The caller heard only so much of it."""
        turn = self._items.get(item_id)
        if isinstance(turn, _Turn):
            turn.heard_ms = heard_ms

    def delete(self, item_id: str) -> None:
        """The caller heard nothing of it."""
        self._items.pop(item_id, None)

    def call_tool(self, tool_call_id: str, name: str, arguments: str, item_id: str = "") -> None:
        """The agent asked for a tool."""
        self._tool_items[item_id] = tool_call_id
        self._items[tool_call_id] = _Tool(tool_call_id, name, arguments)

    def tool_answered(self, tool_call_id: str, output: str, item_id: str = "") -> None:
        """What came of it."""
        self._tool_items[item_id] = tool_call_id
        tool = self._items.get(tool_call_id)
        if isinstance(tool, _Tool):
            tool.output = output

    @property
    def has_question(self) -> bool:
        """True if the newest that was said is the caller's, or what came of a tool: the agent has not answered it."""
        said = (each for each in reversed(self._items.values()) if isinstance(each, _Tool) or each.is_said)
        newest = next(said, None)
        return isinstance(newest, _Tool) or (newest is not None and newest.speaker == "caller")

    def messages(self, instructions: str) -> tuple[ChatMessage, ...]:
        """The conversation for the model, the newest of it if it is long; `instructions` come first."""
        kept: list[list[ChatMessage]] = []
        room = CHARACTERS_AT_MOST
        for item in reversed(self._items.values()):
            messages = list(_messages(item))
            room -= sum(len(str(message)) for message in messages)
            if room < 0:
                break
            kept.append(messages)
        told = [message for messages in reversed(kept) for message in messages]
        return ({"role": "system", "content": instructions}, *told)

    def _name(self) -> str:
        self._unnamed += 1
        return f"unnamed-{self._unnamed}"

    def _move_after(self, item_id: str, after: str) -> None:
        order = [each for each in self._items if each != item_id]
        after = after and self._tool_items.get(after, after)
        if after and after not in order:
            return
        order.insert(order.index(after) + 1 if after else 0, item_id)
        for each in order:
            self._items.move_to_end(each)


def _messages(item: _Turn | _Tool) -> Iterator[ChatMessage]:
    match item:
        case _Turn():
            if text := item.text.strip():
                yield {"role": _ROLES[item.speaker], "content": text}
        case _Tool(tool_call_id, name, arguments, output):
            function = {"name": name, "arguments": arguments}
            call = {"id": tool_call_id, "type": "function", "function": function}
            yield {"role": "assistant", "content": None, "tool_calls": [call]}
            told = NO_RESULT if output is None else output[:OUTPUT_CHARACTERS_AT_MOST]
            yield {"role": "tool", "tool_call_id": tool_call_id, "content": told}
