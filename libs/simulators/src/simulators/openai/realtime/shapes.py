"""Checks of JSON values against the `openai` SDK's own parameter types, unknown fields refused at every depth.

The SDK declares client events as `TypedDict`s. Their hints are compiled once into plain closures, because that gives
the real API's error codes and parameter paths, which a validator's union errors do not; a test compares the verdicts
with pydantic's.
"""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal

import typing_extensions

from simulators.openai.realtime.refusals import (
    Refusal,
    invalid_type,
    missing_parameter,
    unknown_parameter,
    unsupported_value,
)

Check = Callable[[object, str], None]
"""Raises `Refusal` unless the value (first) at the parameter path (second) fits."""

NULLABLE: Final = frozenset(
    {
        "session.audio.input.noise_reduction",
        "session.audio.input.transcription",
        "session.audio.input.turn_detection",
        "session.tracing",
    }
)
"""`null` switches these off; the SDK's docstrings say so, not all of its types do."""

_SCALARS: Final[Mapping[Any, tuple[tuple[type, ...], str]]] = {
    str: ((str,), "a string"),
    int: ((int,), "an integer"),
    float: ((float, int), "a number"),
    bool: ((bool,), "a boolean"),
    NoneType: ((NoneType,), "null"),
}
_DISCRIMINATORS: Final = ("type", "role")


@cache
def check_of(hint: Any) -> Check:
    """The check for one type of the SDK: a TypedDict, or anything that occurs in its fields."""
    if typing_extensions.is_typeddict(hint):
        return _typed_dict(hint)
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, UnionType):
        return _union(args)
    if origin is Literal:
        return _literal(args)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(check_of(args[1]))
    if isinstance(origin, type) and issubclass(origin, Iterable):
        return _array(check_of(args[0]))
    if hint in (object, Any):
        return lambda value, path: None
    return _scalar(*_SCALARS[hint])


def field_names(typed_dict: Any) -> frozenset[str]:
    """What a TypedDict may hold."""
    return frozenset(_fields(typed_dict))


def _scalar(types: tuple[type, ...], expected: str) -> Check:
    wants_bool = bool in types

    def check(value: object, path: str) -> None:
        if not isinstance(value, types) or (isinstance(value, bool) and not wants_bool):
            raise invalid_type(path, expected, value)

    return check


def _literal(values: Sequence[object]) -> Check:
    def check(value: object, path: str) -> None:
        if isinstance(value, (dict, list)) or value not in values:
            raise unsupported_value(path, value, values)

    return check


def _array(item: Check) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise invalid_type(path, "an array", value)
        for index, element in enumerate(value):
            item(element, f"{path}[{index}]")

    return check


def _mapping(item: Check) -> Check:
    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path, "an object", value)
        for key, element in value.items():
            item(element, f"{path}.{key}")

    return check


class _Field(typing.NamedTuple):
    hint: Any
    required: bool


@cache
def _fields(typed_dict: Any) -> Mapping[str, _Field]:
    """The fields of a TypedDict. Its `__required_keys__` is wrong when hints are strings, as the SDK's are."""
    hints = typing_extensions.get_type_hints(typed_dict, include_extras=True)
    bases = filter(typing_extensions.is_typeddict, typing_extensions.get_original_bases(typed_dict))
    inherited = {name: field for base in bases for name, field in _fields(base).items()}
    total = typed_dict.__total__
    return {name: inherited.get(name) or _field(hint, total) for name, hint in hints.items()}


def _field(hint: Any, total: bool) -> _Field:
    origin = typing_extensions.get_origin(hint)
    if origin is typing_extensions.Required:
        return _Field(typing.get_args(hint)[0], True)
    if origin is typing_extensions.NotRequired:
        return _Field(typing.get_args(hint)[0], False)
    return _Field(hint, total)


def _typed_dict(typed_dict: Any) -> Check:
    fields = _fields(typed_dict)
    checks: dict[str, Check] = {}

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path, "an object", value)
        if not checks:  # compiled at first use, because the SDK's types may contain themselves
            checks.update({name: check_of(field.hint) for name, field in fields.items()})
        for name in value:
            if name not in fields:
                raise unknown_parameter(_join(path, name))
        for name, field in fields.items():
            at = _join(path, name)
            if name not in value:
                if field.required:
                    raise missing_parameter(at)
            elif value[name] is not None or at not in NULLABLE:
                checks[name](value[name], at)

    return check


def _union(members: Sequence[Any]) -> Check:
    objects = [member for member in members if typing_extensions.is_typeddict(member)]
    others = [check_of(member) for member in members if not typing_extensions.is_typeddict(member)]

    def check(value: object, path: str) -> None:
        if isinstance(value, dict) and objects:
            _any_of([check_of(member) for member in _candidates(objects, value, path)], value, path)
        else:
            _any_of(others or [check_of(objects[0])], value, path)

    return check


def _any_of(checks: Sequence[Check], value: object, path: str) -> None:
    """Pass if one check does; else raise the likeliest complaint: deepest in the value, about more than a type."""
    refusals: list[Refusal] = []
    for check in checks:
        try:
            return check(value, path)
        except Refusal as refusal:
            refusals.append(refusal)
    raise max(refusals, key=lambda refusal: ((refusal.param or "").count("."), refusal.code != "invalid_type"))


def _candidates(members: Sequence[Any], value: Mapping[str, object], path: str) -> Sequence[Any]:
    """The members whose `type`, then `role`, agree with the value's."""
    for key in _DISCRIMINATORS:
        declared = {index: _literals(member, key) for index, member in enumerate(members)}
        if not any(declared.values()):
            continue
        if key not in value:
            if all(declared.values()) and all(_fields(member)[key].required for member in members):
                raise missing_parameter(_join(path, key))
            continue
        fitting = [member for index, member in enumerate(members) if value[key] in declared[index]]
        if not fitting:
            raise unsupported_value(_join(path, key), value[key], [v for vs in declared.values() for v in vs])
        members = fitting
    return members


@cache
def _literals(member: Any, key: str) -> tuple[object, ...]:
    """The values a TypedDict's field may have, if it is a Literal."""
    field = _fields(member).get(key)
    return typing.get_args(field.hint) if field and typing.get_origin(field.hint) is Literal else ()


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
