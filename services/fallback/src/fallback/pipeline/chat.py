"""The second stage: the conversation into the agent's next words, as they are written, or into tool calls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import openai
from openai.types.chat import ChatCompletionChunk

from common.agents import ToolGrant
from common.errors import RemoteProtocolError, UpstreamUnavailable
from common.pipeline import ChatEndpoint
from fallback.core.memory import ChatMessage
from fallback.core.vocabulary import ToolCall
from fallback.pipeline.clients import Clients
from fallback.pipeline.failures import translated
from talker.port import Usage

_GO_ON: Final = (
    "Your last message broke off there. Continue it from exactly that point, without repeating anything and without "
    "an apology."
)
_TOOLS_AT_MOST: Final = 8
_NAME_AT_MOST: Final = 256
_ARGUMENTS_AT_MOST: Final = 32_768
_CHARACTERS_AT_MOST: Final = 20_000
"""Of one answer. A stream that has no end must have one here."""


@dataclass(frozen=True, slots=True)
class Written:
    """The model has ended."""

    tools: tuple[ToolCall, ...]
    usage: Usage | None


Piece: TypeAlias = str | Written


@dataclass(slots=True)
class _Tool:
    tool_call_id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Chat:
    """One answer."""

    clients: Clients
    messages: tuple[ChatMessage, ...]
    tools: tuple[ToolGrant, ...] = ()
    _said: str = ""
    _tools: dict[int, _Tool] = field(default_factory=dict)
    _usage: Usage | None = None

    async def begin(self, endpoint: ChatEndpoint) -> AsyncIterator[Piece]:
        """Text as it comes, then `Written`. Raises a `TrunklineError`."""
        self._tools, self._usage = {}, None
        is_begun, is_ended = False, False
        with translated("chat"):
            stream = await self._ask(endpoint)
            async with stream:
                async for chunk in stream:
                    text, finish = self._take(chunk)
                    is_begun = True
                    is_ended = is_ended or finish is not None
                    if text:
                        self._said += text
                        yield text
        if not is_begun:
            raise RemoteProtocolError("the chat endpoint answered no stream")
        if not is_ended:
            raise UpstreamUnavailable("the chat endpoint's stream broke off")
        yield Written(self._wanted(), self._usage)

    async def _ask(self, endpoint: ChatEndpoint) -> openai.AsyncStream[ChatCompletionChunk]:
        broken: tuple[ChatMessage, ...] = ()
        if self._said:
            broken = ({"role": "assistant", "content": self._said}, {"role": "system", "content": _GO_ON})
        messages: Any = [*self.messages, *broken]
        tools: Any = [_described(tool) for tool in self.tools] or openai.omit
        stream: openai.AsyncStream[ChatCompletionChunk] = await self.clients.of(endpoint).chat.completions.create(
            model=endpoint.model,
            messages=messages,
            tools=tools,
            max_completion_tokens=endpoint.max_output_tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        return stream

    def _take(self, chunk: ChatCompletionChunk) -> tuple[str, str | None]:
        if chunk.usage is not None:
            details = chunk.usage.prompt_tokens_details
            self._usage = Usage(
                input_text_tokens=chunk.usage.prompt_tokens,
                cached_text_tokens=(details.cached_tokens or 0) if details is not None else 0,
                output_text_tokens=chunk.usage.completion_tokens,
            )
        if not chunk.choices:
            return "", None
        choice = chunk.choices[0]
        for piece in choice.delta.tool_calls or ():
            self._take_tool(piece.index, piece.id, piece.function)
        text = choice.delta.content or ""
        if len(self._said) + len(text) > _CHARACTERS_AT_MOST:
            raise RemoteProtocolError("the chat endpoint does not end")
        return text, choice.finish_reason

    def _take_tool(self, index: int, tool_call_id: str | None, function: Any) -> None:
        tool = self._tools.setdefault(index, _Tool())
        tool.tool_call_id = tool.tool_call_id or tool_call_id or ""
        if function is not None:
            tool.name += function.name or ""
            tool.arguments += function.arguments or ""
        is_long = len(tool.arguments) > _ARGUMENTS_AT_MOST or len(tool.name) > _NAME_AT_MOST
        if len(self._tools) > _TOOLS_AT_MOST or is_long:
            raise RemoteProtocolError("the chat endpoint asks for more than any answer needs")

    def _wanted(self) -> tuple[ToolCall, ...]:
        wanted = (tool for _, tool in sorted(self._tools.items()))
        return tuple(ToolCall(tool.tool_call_id, tool.name, tool.arguments or "{}") for tool in wanted)


def _described(tool: ToolGrant) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
