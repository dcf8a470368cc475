"""What `chat/completions` answers, whole or in chunks."""

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.replies import Reply
from simulators.openai.realtime.usage import text_tokens
from simulators.openai.rest.answer import Piece, sse
from simulators.openai.script import FALLBACK, Chat

_ARGUMENT_PIECE: Final = 16
_CHARACTERS_WITHOUT_SPACES: Final = 2
DONE: Final = sse("[DONE]")
FinishReason = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True, slots=True)
class Call:
    """A tool that the model calls."""

    call_id: str
    name: str
    arguments: str

    def wire(self) -> Json:
        """As it stands in a message."""
        return {"id": self.call_id, "type": "function", "function": {"name": self.name, "arguments": self.arguments}}


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model says and calls."""

    completion_id: str
    created: int
    model: str
    words: Sequence[str]
    call: Call | None
    finish_reason: FinishReason
    prompt_tokens: int

    @property
    def text(self) -> str:
        """Everything it says."""
        return "".join(self.words)

    def usage(self) -> Json:
        """The tokens it took."""
        spoken = sum(map(text_tokens, self.words))
        called = text_tokens(self.call.name + self.call.arguments) if self.call else 0
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": spoken + called,
            "total_tokens": self.prompt_tokens + spoken + called,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def whole(self) -> Json:
        """The answer in one document."""
        message: Json = {"role": "assistant", "content": self.text or None, "refusal": None, "annotations": []}
        if self.call:
            message["tool_calls"] = [self.call.wire()]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        return {**self._head("chat.completion"), "choices": [choice], "usage": self.usage()}

    def chunks(self, *, with_usage: bool) -> Iterator[Json]:
        """The answer piece by piece; of a tool's call first id and name, then its arguments."""
        yield self._chunk({"role": "assistant", "content": "" if self.words else None, "refusal": None}, with_usage)
        for word in self.words:
            yield self._chunk({"content": word}, with_usage)
        if self.call:
            yield self._chunk(_call_delta({**self.call.wire(), "function": _named(self.call, "")}), with_usage)
            for start in range(0, len(self.call.arguments), _ARGUMENT_PIECE):
                piece = self.call.arguments[start : start + _ARGUMENT_PIECE]
                yield self._chunk(_call_delta({"function": {"arguments": piece}}), with_usage)
        yield self._chunk({}, with_usage, self.finish_reason)
        if with_usage:
            yield {**self._head("chat.completion.chunk"), "choices": [], "usage": self.usage()}

    def _chunk(self, delta: Json, with_usage: bool, finish_reason: FinishReason | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return {**chunk, "usage": None} if with_usage else chunk

    def _head(self, kind: str) -> Json:
        head = {"id": self.completion_id, "object": kind, "created": self.created, "model": self.model}
        return {**head, "service_tier": "default", "system_fingerprint": None}


def _named(call: Call, arguments: str) -> Json:
    return {"name": call.name, "arguments": arguments}


def _call_delta(call: Json) -> Json:
    return {"tool_calls": [{"index": 0, **call}]}


def complete(body: Json, reply: Reply, prompt_tokens: int) -> Completion:
    """`reply`, as far as the request allows it: tools that are offered, stop sequences, the limit of tokens."""
    call = _call(body, reply)
    text = reply.text if reply.text or call else FALLBACK.say or ""
    words = split(_until_stop(text, body.get("stop")))
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    kept = words if limit is None else _within(words, limit)
    is_cut = len(kept) < len(words)
    call = None if is_cut else call
    return Completion(
        f"chatcmpl-{secrets.token_hex(14)}",
        int(time.time()),
        body["model"],
        kept,
        call,
        "length" if is_cut else "tool_calls" if call else "stop",
        prompt_tokens,
    )


def pieces_of(completion: Completion, chat: Chat, *, with_usage: bool) -> Iterator[Piece]:
    """The server-sent events, in time."""
    after_s = chat.first_token_ms / 1000
    for chunk in completion.chunks(with_usage=with_usage):
        yield Piece(sse(chunk), after_s)
        after_s = chat.word_ms / 1000
    yield Piece(DONE)


def split(text: str) -> list[str]:
    """Words with the space before them, or a few characters where words are not spaced."""
    words = text.split(" ")
    if len(words) > 1:
        return [words[0], *(f" {word}" for word in words[1:])]
    return [text[at : at + _CHARACTERS_WITHOUT_SPACES] for at in range(0, len(text), _CHARACTERS_WITHOUT_SPACES)]


def _call(body: Json, reply: Reply) -> Call | None:
    """The reply's call if that tool is offered; another if one is asked for by all means."""
    offered = [tool["function"]["name"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice") or "auto"
    name, arguments = reply.tool or ("", {})
    if isinstance(choice, dict):
        offered = [choice["function"]["name"]]
    elif choice == "none":
        offered = []
    if name not in offered:
        if not offered or choice == "auto":
            return None
        name, arguments = offered[0], {}
    return Call(f"call_{secrets.token_hex(12)}", name, _written(arguments))


def _written(arguments: Mapping[str, object]) -> str:
    return msgspec.json.encode(arguments).decode()


def _until_stop(text: str, stop: str | Sequence[str] | None) -> str:
    stops = [stop] if isinstance(stop, str) else stop or ()
    return text[: min((at for at in map(text.find, filter(None, stops)) if at >= 0), default=len(text))]


def _within(words: Sequence[str], limit: int) -> list[str]:
    kept: list[str] = []
    for word in words:
        limit -= text_tokens(word)
        if limit < 0:
            break
        kept.append(word)
    return kept
