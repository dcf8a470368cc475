"""`@tool`: a typed Python function becomes a tool, its schema made of its signature and docstring."""

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import to_jsonable_python

from common.agents import TOOL_NAME
from common.errors import ConfigError
from orchestrator.core.tool_output import DEFAULT_BYTES, MOST_BYTES
from orchestrator.core.tool_rules import ToolClass, rules_of
from orchestrator.core.tool_schema import SchemaUnusable, usable
from orchestrator.tools.context import ToolContext
from orchestrator.tools.threads import in_thread
from orchestrator.tools.tool import DESCRIPTION_AT_MOST, Filler, Ordered, Tool, ToolError

F = TypeVar("F", bound=Callable[..., Any])

_MARK: Final = "__trunkline_tool__"
_ARGUMENT: Final = re.compile(r"^(\w+)(?: *\([^)]*\))?: *(.*)$")
_TAKES_A_NAME: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def tool(
    tool_class: Literal["read", "write", "money", "telephony"],
    *,
    timeout_s: float | None = None,
    filler: Filler = "",
    confirm: bool | None = None,
    per_call: int | None = None,
    output_bytes: int = DEFAULT_BYTES,
) -> Callable[[F], F]:
    """Offer the function below to agents; profiles grant it by its name. The function itself stays as it is.

    `confirm`: the caller has to say yes first; None: only if it moves money. `per_call`: how often in one call.
    The docstring's first paragraph tells the model what it does, its `Args:` what each argument means. Raises
    `ConfigError` at once if no tool can be made of it.
    """

    def declare(function: F) -> F:
        where = f"{function.__module__}.{function.__qualname__}"
        if not 0 < output_bytes <= MOST_BYTES or (timeout_s is not None and timeout_s <= 0):
            raise ConfigError(f"{where}: timeout_s must be above 0, output_bytes between 1 and {MOST_BYTES}")
        description, arguments = _described(function, where)
        body = _PythonBody(function, where, arguments)
        made = Tool(
            name=_name(function, where),
            description=description,
            parameters=body.schema(where),
            rules=rules_of(function.__name__, ToolClass(tool_class), is_confirmed=confirm, per_call=per_call),
            body=body,
            timeout_s=timeout_s,
            filler=filler,
            output_bytes=output_bytes,
        )
        setattr(function, _MARK, made)
        return function

    return declare


def declared(thing: object) -> Tool | None:
    """The tool that was made of a function; None: it is no tool."""
    found = getattr(thing, _MARK, None) if inspect.isfunction(thing) else None
    return found if isinstance(found, Tool) else None


class _PythonBody:
    def __init__(self, function: Callable[..., Any], where: str, told: Mapping[str, str]) -> None:
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)
        hints = _hints(function, where)
        taken = dict(inspect.signature(function).parameters)
        self._context_as = next((name for name in taken if hints.get(name) is ToolContext), None)
        fields: dict[str, Any] = {
            name: _field(parameter, hints, told, where) for name, parameter in taken.items() if name != self._context_as
        }
        self._model = _model(fields, where)

    def schema(self, where: str) -> dict[str, Any]:
        try:
            schema = self._model.model_json_schema(schema_generator=_Untitled)
            return usable({key: value for key, value in schema.items() if key != "title"})
        except (SchemaUnusable, PydanticUserError) as error:
            raise ConfigError(f"{where}: its arguments: {error}") from None

    def fault(self, arguments: Mapping[str, Any]) -> str | None:
        """What the types refuse that the schema lets pass, such as the 31st of February."""
        try:
            self._model.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        return None

    async def run(self, context: ToolContext, arguments: Mapping[str, Any]) -> object:
        read = self._model.model_validate(arguments)
        given = {name: getattr(read, name) for name in type(read).model_fields}
        if self._context_as is not None:
            given[self._context_as] = context
        if self._is_async:
            answer = await self._function(**given)
        else:
            answer = await in_thread(lambda: self._function(**given))
        return answer if isinstance(answer, Ordered) else to_jsonable_python(answer)


class _Untitled(GenerateJsonSchema):
    """A title for every field would only repeat its name, in every session."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _name(function: Callable[..., Any], where: str) -> str:
    name = function.__name__
    if not re.fullmatch(TOOL_NAME, name):
        raise ConfigError(f"{where}: a tool's name has small letters, digits and _, 64 at most")
    return name


def _hints(function: Callable[..., Any], where: str) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(f"{where}: its types cannot be read: {error}") from None


def _field(
    parameter: inspect.Parameter, hints: Mapping[str, Any], told: Mapping[str, str], where: str
) -> tuple[Any, Any]:
    name = parameter.name
    if parameter.kind not in _TAKES_A_NAME or name not in hints:
        raise ConfigError(f"{where}: every argument needs a name and a type: {name}")
    if name.startswith("_") or hasattr(BaseModel, name):
        raise ConfigError(f"{where}: an argument cannot be called {name}")
    default = ... if parameter.default is inspect.Parameter.empty else parameter.default
    return hints[name], Field(default, description=told[name]) if name in told else default


def _model(fields: dict[str, Any], where: str) -> type[BaseModel]:
    try:
        return create_model("Arguments", __config__=ConfigDict(extra="forbid"), **fields)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError) as error:
        raise ConfigError(f"{where}: its arguments: {type(error).__name__}") from None


def _described(function: Callable[..., Any], where: str) -> tuple[str, dict[str, str]]:
    """What a docstring says of the function, and of each argument."""
    written = inspect.getdoc(function) or ""
    before, _, after = written.partition("\nArgs:\n")
    description = " ".join(before.split("\n\n")[0].split())
    if not description or len(description) > DESCRIPTION_AT_MOST:
        raise ConfigError(f"{where}: its docstring tells the model what it does, in 1 to {DESCRIPTION_AT_MOST} letters")
    return description, _arguments(after)


def _arguments(section: str) -> dict[str, str]:
    told: dict[str, str] = {}
    name, indent = "", None
    for line in section.split("\n"):
        depth = len(line) - len(line.lstrip())
        if not line.strip() or depth == 0:
            break
        indent = depth if indent is None else indent
        found = _ARGUMENT.match(line.strip()) if depth == indent else None
        if found is not None:
            name = found[1]
            told[name] = found[2]
        elif name:
            told[name] += f" {line.strip()}"
    return told


__all__ = ["ToolContext", "ToolError", "declared", "tool"]
