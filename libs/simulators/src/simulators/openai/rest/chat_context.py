"""The messages of a chat as the conversation that the script's rules look at."""

from collections.abc import Iterator
from typing import Final

from simulators.openai.realtime.conversation import Item
from simulators.openai.realtime.refusals import Json
from simulators.openai.realtime.replies import Context
from simulators.openai.rest.refusing import not_simulated

_INSTRUCTING: Final = ("system", "developer")


def context_of(body: Json) -> Context:
    """Instructions are the system's messages; everything else are items. Raises `ApiError` for images and the like."""
    instructions = [_text(m, i) for i, m in enumerate(body["messages"]) if m["role"] in _INSTRUCTING]
    items = [item for index, message in enumerate(body["messages"]) for item in _items(message, index)]
    return Context(items, "\n".join(instructions), body["model"])


def _items(message: Json, index: int) -> Iterator[Item]:
    text = _text(message, index)
    match message["role"]:
        case "user":
            yield Item(f"msg_{index}", _body("user", "input_text", text), "seeded", said=text)
        case "assistant":
            if text:
                yield Item(f"msg_{index}", _body("assistant", "output_text", text), "seeded", said=text)
            for call in message.get("tool_calls") or ():
                function = {"type": "function_call", "call_id": call["id"], **call["function"]}
                yield Item(call["id"], function, "seeded")
        case "tool":
            output = {"type": "function_call_output", "call_id": message["tool_call_id"], "output": text}
            yield Item(f"msg_{index}", output, "seeded")


def _body(role: str, kind: str, text: str) -> Json:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _text(message: Json, index: int) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    for place, part in enumerate(content):
        if part["type"] not in ("text", "refusal"):
            raise not_simulated(f"messages[{index}].content[{place}].type", f"content of the type '{part['type']}'")
    return "".join(part.get("text") or part.get("refusal") or "" for part in content)
