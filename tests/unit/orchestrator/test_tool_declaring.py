"""Python functions as tools: what a model is told of them, and what cannot be one."""

import asyncio
import threading
from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from common.errors import ConfigError
from common.profile import AgentProfile
from orchestrator.core.tool_rules import ToolClass
from orchestrator.tools import threads
from orchestrator.tools.context import Resource, ToolContext
from orchestrator.tools.declaring import declared, tool
from orchestrator.tools.tool import Tool, ToolError

PROFILE = AgentProfile(name="desk", greeting="Hello", instructions="Help.", language="de")


class Guest(BaseModel):
    """Somebody who comes along."""

    name: str
    age: int = 18


@tool("write", timeout_s=3.0, filler={"en": "One moment."}, confirm=True, per_call=2, output_bytes=1_000)
async def book(
    context: ToolContext,
    day: date,
    people: Annotated[int, Field(ge=1, le=8)] = 2,
    *,
    room: Literal["garden", "hall"] = "hall",
    guests: list[Guest] | None = None,
) -> dict[str, Any]:
    """Books a table
    for the caller.

    Nothing of this paragraph is told.

    Args:
        day: The day, as 2026-03-31,
            which must not be over.
        people (int): How many come.
    """
    return {"day": day, "people": people, "room": room, "guests": guests, "language": context.language}


@tool("read")
def slowly(word: str) -> str:
    """Says in which thread it was."""
    if word == "raise":
        raise ToolError("No such word.")
    return threading.current_thread().name


def the(function: Callable[..., Any]) -> Tool:
    found = declared(function)
    assert found is not None
    return found


def context() -> ToolContext:
    async def nobody() -> str:
        return ""

    return ToolContext("CA1", "call_1", "key", PROFILE, nobody)


def test_the_schema_comes_from_the_signature_and_the_docstring() -> None:
    parameters = the(book).parameters
    properties = parameters["properties"]
    assert list(properties) == ["day", "people", "room", "guests"]
    assert properties["day"] == {
        "type": "string",
        "format": "date",
        "description": "The day, as 2026-03-31, which must not be over.",
    }
    assert properties["people"]["description"] == "How many come."
    assert (properties["people"]["minimum"], properties["people"]["maximum"]) == (1, 8)
    assert properties["room"]["enum"] == ["garden", "hall"]
    assert parameters["required"] == ["day"]
    assert parameters["additionalProperties"] is False


def test_name_rules_and_the_rest_are_as_declared() -> None:
    made = the(book)
    assert (made.name, made.description) == ("book", "Books a table for the caller.")
    assert (made.rules.tool_class, made.rules.is_confirmed, made.rules.per_call) == (ToolClass.WRITE, True, 2)
    assert (made.timeout_s, made.output_bytes) == (3.0, 1_000)
    assert (made.filler_in("en"), made.filler_in("fr")) == ("One moment.", "")


async def test_arguments_arrive_typed_and_the_context_beside_them() -> None:
    answer = await the(book).body.run(context(), {"day": "2026-03-31", "guests": [{"name": "Ann"}]})
    assert answer == {
        "day": "2026-03-31",
        "people": 2,
        "room": "hall",
        "guests": [{"name": "Ann", "age": 18}],
        "language": "de",
    }


def test_what_only_the_types_know_is_refused_beforehand() -> None:
    fault = the(book).body.fault({"day": "2026-02-31"})
    assert fault is not None
    assert fault.startswith("day: ")
    assert the(book).body.fault({"day": "2026-02-28"}) is None


async def test_a_plain_function_runs_beside_the_loop() -> None:
    assert await the(slowly).body.run(context(), {"word": "a"}) == "tool"
    with pytest.raises(ToolError, match="No such word"):
        await the(slowly).body.run(context(), {"word": "raise"})


async def test_functions_that_never_return_do_not_take_all_threads_there_are() -> None:
    gate = threading.Event()
    waiting = [asyncio.create_task(threads.in_thread(gate.wait)) for _ in range(threads.AT_MOST)]
    await asyncio.sleep(0)
    with pytest.raises(ToolError, match="Try again"):
        await threads.in_thread(lambda: None)
    gate.set()
    await asyncio.gather(*waiting)
    assert await threads.in_thread(lambda: 7) == 7


def test_the_function_itself_stays_a_function() -> None:
    assert slowly("a") == "MainThread"
    assert declared(threading) is None
    assert declared(the) is None


def test_a_resource_that_is_not_there_is_our_mistake() -> None:
    from common.errors import LocalProtocolError

    with pytest.raises(LocalProtocolError, match="no resource rooms"):
        context().resource(Resource[int]("rooms"))


def _untyped(word) -> str:  # type: ignore[no-untyped-def]
    """Says it."""
    return str(word)


def _many(*words: str) -> str:
    """Says them."""
    return "".join(words)


def _hidden(_word: str) -> str:
    """Says it."""
    return ""


def _strange(word: threading.Thread) -> str:
    """Says it."""
    return ""


def silent(word: str) -> str:
    return word


def Loud(word: str) -> str:  # noqa: N802 - the mistake that is tried
    """Says it."""
    return word


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (_untyped, "needs a name and a type: word"),
        (_many, "needs a name and a type: words"),
        (_hidden, "cannot be called _word"),
        (_strange, "its arguments"),
        (silent, "its docstring tells"),
        (Loud, "a tool's name"),
    ],
)
def test_what_cannot_be_a_tool_says_why_and_where(function: Callable[..., Any], why: str) -> None:
    with pytest.raises(ConfigError, match=f"{function.__name__}: .*{why}"):
        tool("read")(function)


def test_impossible_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="timeout_s must be above 0"):
        tool("read", timeout_s=0)(slowly)
    with pytest.raises(ConfigError, match="output_bytes between"):
        tool("read", output_bytes=1_000_000)(slowly)
