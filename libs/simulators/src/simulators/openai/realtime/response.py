"""One response of the model, from `response.created` to `response.done`, as a schedule of events."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Any, Final

import msgspec

from simulators.openai.realtime.conversation import Conversation, Item
from simulators.openai.realtime.ids import Ids
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.replies import Reply
from simulators.openai.realtime.usage import Tokens, of_item, usage
from simulators.people.pcmu import BYTES_PER_MS

OPENING_LEAD_S: Final = 0.03
"""Item and content part are announced so long before their first audio."""
TRANSCRIPT_LEAD_MS: Final = 150
FAILURE_AFTER_S: Final = 0.05
TEXT_PIECE_S: Final = 0.02
_ARGUMENT_PIECE: Final = 16
_CHARACTERS_WITHOUT_SPACES: Final = 2

Step = Callable[[float], list[Json]]


@dataclass(frozen=True, slots=True)
class Terms:
    """What the response was asked for."""

    instructions: str
    output_modalities: list[str]
    max_output_tokens: int | str
    audio_output: Json
    metadata: dict[str, str] | None
    context: Tokens
    cached: Tokens
    conversation: Conversation | None
    """Where its items go; None out of band."""

    @property
    def is_spoken(self) -> bool:
        """Audio with transcript, rather than text."""
        return self.output_modalities == ["audio"]


@dataclass(frozen=True, slots=True)
class Failure:
    """How a response fails: the error of its status details."""

    code: str
    message: str
    kind: str = "server_error"


@dataclass(slots=True)
class Times:
    """Monotonic seconds, for the record."""

    started: float
    first_audio: float | None = None
    ended: float | None = None


@dataclass(slots=True)
class _Output:
    """One output item while it grows."""

    index: int
    item: Item
    full_audio: bytes = b""
    sent_bytes: int = 0
    sent_text: str = ""
    has_part: bool = False
    is_open: bool = True
    status: str = "in_progress"


@dataclass(slots=True)
class Response:
    """Ask `next_deadline`, call `advance` then; `cancel` closes it early. Each returns events without ids."""

    response_id: str
    terms: Terms
    ids: Ids
    times: Times
    status: str = "in_progress"
    reason: str | None = None
    failure: Failure | None = None
    usage: Json | None = None
    reply: Reply | None = None
    """What it was going to say and do; None if it fails."""
    first_cell: int | None = None
    """Where its speech begins among the watermark's cells of the session."""
    _outputs: list[_Output] = field(default_factory=list)
    _steps: deque[tuple[float, Step]] = field(default_factory=deque)

    @property
    def is_active(self) -> bool:
        """Not yet done."""
        return self.times.ended is None

    @property
    def is_default(self) -> bool:
        """It writes to the default conversation."""
        return self.terms.conversation is not None

    @property
    def audio_ms(self) -> int:
        """Audio sent so far."""
        return sum(output.sent_bytes for output in self._outputs) // BYTES_PER_MS

    @property
    def item_ids(self) -> list[str]:
        """The items it made so far."""
        return [output.item.item_id for output in self._outputs]

    def begin(self, reply: Reply, now: float) -> list[Json]:
        """Start and schedule what `reply` says and calls."""
        self.reply = reply
        first = now + reply.first_audio_s
        end = first
        if reply.text and self.terms.is_spoken and reply.voice is not None:
            end = self._schedule_speech(reply, first)
        elif reply.text:
            end = self._schedule_text(reply, first)
        if reply.tool is not None:
            self._plan(end, partial(self._call, *reply.tool))
        self._plan(end, partial(self._finish, "completed", None))
        return [{"type": "response.created", "response": self._wire()}]

    def begin_failing(self, failure: Failure, now: float) -> list[Json]:
        """Start a response that will say nothing and fail."""
        self.failure = failure
        self._plan(now + FAILURE_AFTER_S, partial(self._finish, "failed", None))
        return [{"type": "response.created", "response": self._wire()}]

    def next_deadline(self) -> float | None:
        """When the next step is due."""
        return self._steps[0][0] if self._steps else None

    def advance(self, now: float) -> list[Json]:
        """The events of all steps due by now."""
        events: list[Json] = []
        while self._steps and self._steps[0][0] <= now:
            events += self._steps.popleft()[1](now)
        return events

    def cancel(self, reason: str, now: float) -> list[Json]:
        """Stop at once; `reason` is turn_detected or client_cancelled. What was sent stays in the conversation."""
        self._steps.clear()
        closing = [self._close(output, "incomplete") for output in self._outputs if output.is_open]
        return list(chain.from_iterable(closing)) + self._finish("cancelled", reason, now)

    def _plan(self, at: float, step: Step) -> None:
        self._steps.append((at, step))

    def _schedule_speech(self, reply: Reply, first: float) -> float:
        assert reply.voice is not None
        output = self._new_message()
        output.full_audio = reply.voice.pcmu
        self._plan(first - min(OPENING_LEAD_S, reply.first_audio_s), partial(self._open, output))
        at, words = first, deque(_spread(reply.text, reply.voice.duration_ms))
        for number, delta in enumerate(reply.voice.deltas(reply.delta_ms)):
            at = first + number * reply.delta_ms / reply.speed / 1000
            until_ms = (number + 1) * reply.delta_ms + TRANSCRIPT_LEAD_MS
            while words and words[0][0] <= until_ms:
                self._plan(at, partial(self._say, output, words.popleft()[1]))
            self._plan(at, partial(self._sound, output, delta, reply.delta_ms * BYTES_PER_MS))
        for _, word in words:
            self._plan(at, partial(self._say, output, word))
        self._plan(at, partial(self._complete, output))
        return at

    def _schedule_text(self, reply: Reply, first: float) -> float:
        output = self._new_message()
        self._plan(first, partial(self._open, output))
        at = first
        for _, word in _spread(reply.text, 1):
            self._plan(at, partial(self._say, output, word))
            at += TEXT_PIECE_S
        self._plan(at, partial(self._complete, output))
        return at

    def _new_message(self) -> _Output:
        item_id = self.ids.new("item")
        body = {
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "in_progress",
            "role": "assistant",
            "content": [],
        }
        return _Output(0, Item(item_id, body, "live", is_done=False))

    def _open(self, output: _Output, now: float) -> list[Json]:
        events = self._announce(output, now)
        kind = "output_audio" if self.terms.is_spoken else "output_text"
        field_name = "transcript" if self.terms.is_spoken else "text"
        output.item.body["content"].append({"type": kind, field_name: ""})
        output.has_part = True
        part = {"type": "audio" if self.terms.is_spoken else "text", field_name: ""}
        return [*events, {"type": "response.content_part.added", **self._at(output), "part": part}]

    def _announce(self, output: _Output, now: float) -> list[Json]:
        """The item appears, in the response and in the conversation."""
        output.index = len(self._outputs)
        output.item.created_monotonic_s = now
        self._outputs.append(output)
        events: list[Json] = [
            {
                "type": "response.output_item.added",
                "response_id": self.response_id,
                "output_index": output.index,
                "item": output.item.wire(),
            }
        ]
        if self.terms.conversation is not None:
            previous = self.terms.conversation.append(output.item)
            events.append({"type": "conversation.item.added", "previous_item_id": previous, "item": output.item.wire()})
        return events

    def _say(self, output: _Output, piece: str, now: float) -> list[Json]:
        output.sent_text += piece
        part = output.item.body["content"][0]
        spoken = self.terms.is_spoken
        if output.item.truncated_at_ms is None:
            part["transcript" if spoken else "text"] = output.sent_text
        output.item.said = output.sent_text
        kind = "response.output_audio_transcript.delta" if spoken else "response.output_text.delta"
        return [{"type": kind, **self._at(output), "delta": piece}]

    def _sound(self, output: _Output, delta: str, size: int, now: float) -> list[Json]:
        if self.times.first_audio is None:
            self.times.first_audio = now
        output.sent_bytes = min(output.sent_bytes + size, len(output.full_audio))
        if output.item.truncated_at_ms is None:
            output.item.audio = output.full_audio[: output.sent_bytes]
        return [{"type": "response.output_audio.delta", **self._at(output), "delta": delta}]

    def _call(self, name: str, arguments: dict[str, object], now: float) -> list[Json]:
        item_id, written = self.ids.new("item"), msgspec.json.encode(arguments).decode()
        body = {
            "id": item_id,
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": self.ids.new("call"),
            "arguments": "",
        }
        output = _Output(0, Item(item_id, body, "live", is_done=False))
        events = self._announce(output, now)
        at = {
            "response_id": self.response_id,
            "item_id": item_id,
            "output_index": output.index,
            "call_id": body["call_id"],
        }
        pieces = (written[start : start + _ARGUMENT_PIECE] for start in range(0, len(written), _ARGUMENT_PIECE))
        deltas = [{"type": "response.function_call_arguments.delta", **at, "delta": piece} for piece in pieces]
        body["arguments"] = written
        done = {"type": "response.function_call_arguments.done", **at, "name": name, "arguments": written}
        return [*events, *deltas, done, *self._close_item(output, "completed")]

    def _complete(self, output: _Output, now: float) -> list[Json]:
        return self._close(output, "completed")

    def _close(self, output: _Output, status: str) -> list[Json]:
        """The `done` events of a message, with exactly what was sent of it."""
        at, spoken, text = self._at(output), self.terms.is_spoken, output.sent_text
        events: list[Json] = []
        if spoken:
            events.append({"type": "response.output_audio.done", **at})
            events.append({"type": "response.output_audio_transcript.done", **at, "transcript": text})
        else:
            events.append({"type": "response.output_text.done", **at, "text": text})
        part = {"type": "audio", "transcript": text} if spoken else {"type": "text", "text": text}
        events.append({"type": "response.content_part.done", **at, "part": part})
        return events + self._close_item(output, status)

    def _close_item(self, output: _Output, status: str) -> list[Json]:
        output.is_open, output.status = False, status
        output.item.is_done = True
        output.item.body["status"] = status
        done = {
            "type": "response.output_item.done",
            "response_id": self.response_id,
            "output_index": output.index,
            "item": output.item.wire(),
        }
        if self.terms.conversation is None:
            return [done]
        previous = self.terms.conversation.id_before(output.item.item_id)
        item_done = {"type": "conversation.item.done", "previous_item_id": previous, "item": output.item.wire()}
        return [item_done, done]

    def _finish(self, status: str, reason: str | None, now: float) -> list[Json]:
        self.status, self.reason, self.times.ended = status, reason, now
        spent = sum((of_item(output.item) for output in self._outputs), Tokens())
        failed = status == "failed"
        self.usage = usage(Tokens() if failed else self.terms.context, self.terms.cached, spent)
        return [{"type": "response.done", "response": self._wire()}]

    def _at(self, output: _Output) -> Json:
        return {
            "response_id": self.response_id,
            "item_id": output.item.item_id,
            "output_index": output.index,
            "content_index": 0,
        }

    def _wire(self) -> Json:
        terms = self.terms
        return {
            "object": "realtime.response",
            "id": self.response_id,
            "status": self.status,
            "status_details": self._status_details(),
            "output": [output.item.wire() for output in self._outputs],
            "conversation_id": terms.conversation.conversation_id if terms.conversation else None,
            "output_modalities": terms.output_modalities,
            "max_output_tokens": terms.max_output_tokens,
            "audio": {"output": terms.audio_output},
            "usage": self.usage,
            "metadata": terms.metadata,
        }

    def _status_details(self) -> Json | None:
        details: dict[str, Any] = {"type": self.status}
        if self.reason is not None:
            return details | {"reason": self.reason}
        if self.status == "failed" and self.failure is not None:
            error = {"type": self.failure.kind, "code": self.failure.code, "message": self.failure.message}
            return details | {"error": error}
        return None


def _spread(text: str, duration_ms: int) -> list[tuple[float, str]]:
    """The text in pieces (words with their space, or a few characters), each with where in the audio it begins."""
    words = text.split(" ")
    pieces = [words[0], *(f" {word}" for word in words[1:])]
    if len(words) == 1:
        step = _CHARACTERS_WITHOUT_SPACES
        pieces = [text[start : start + step] for start in range(0, len(text), step)]
    return [(index / len(pieces) * duration_ms, piece) for index, piece in enumerate(pieces)]
