"""Arguments as the model wrote them: read, checked against the tool's schema, refused in words the model can act on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from referencing import Registry
from referencing.exceptions import Unresolvable

BYTES_AT_MOST: Final = 16_384
DEPTH_AT_MOST: Final = 20
_SHOWN_AT_MOST: Final = 300


class ArgumentsRefused(Exception):
    """They cannot be used. The message is for the model; it quotes the schema and the names of fields, no values."""


def read(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments in `text`. Raises `ArgumentsRefused`."""
    arguments = _parsed(text)
    _check_values(arguments)
    try:
        fault = best_match(_validator(schema).iter_errors(arguments))
    except (RecursionError, Unresolvable):
        raise ArgumentsRefused("the arguments cannot be checked against the tool's schema") from None
    if fault is not None:
        raise ArgumentsRefused(_in_words(fault))
    return arguments


def fingerprint(name: str, text: str) -> str:
    """The same for the same tool with the same arguments, however the model has spaced and ordered them."""
    try:
        written = json.dumps(_parsed(text), sort_keys=True)
    except (ArgumentsRefused, RecursionError):
        written = text
    return hashlib.sha256(f"{name}\0{written}".encode("utf-8", "surrogatepass")).hexdigest()


def _parsed(text: str) -> dict[str, Any]:
    if len(text.encode("utf-8", "surrogatepass")) > BYTES_AT_MOST:
        raise ArgumentsRefused(f"the arguments are longer than {BYTES_AT_MOST} bytes")
    try:
        arguments = json.loads(text or "{}", parse_constant=_not_a_number)
    except (ValueError, RecursionError):
        raise ArgumentsRefused("the arguments are not JSON") from None
    if not isinstance(arguments, dict):
        raise ArgumentsRefused("the arguments are not a JSON object")
    return arguments


def _not_a_number(_name: str) -> NoReturn:
    raise ValueError


def _check_values(arguments: dict[str, Any]) -> None:
    """Nothing is nested without end, and every text can be stored and sent on."""
    for depth, value in _walk(arguments):
        if depth > DEPTH_AT_MOST:
            raise ArgumentsRefused(f"the arguments are nested deeper than {DEPTH_AT_MOST}")
        if isinstance(value, str) and ("\0" in value or any("\ud800" <= each <= "\udfff" for each in value)):
            raise ArgumentsRefused("the arguments hold characters that are no text")
        if isinstance(value, float) and value in (float("inf"), float("-inf")):
            raise ArgumentsRefused("the arguments hold a number that is too large")


def _walk(value: object) -> Iterator[tuple[int, object]]:
    """Every value with its depth, names of fields included; without recursion, since depth is what is looked for."""
    open_ends: list[tuple[int, object]] = [(1, value)]
    while open_ends:
        depth, each = open_ends.pop()
        yield depth, each
        if isinstance(each, dict):
            open_ends += [(depth + 1, inner) for pair in each.items() for inner in pair]
        elif isinstance(each, list):
            open_ends += [(depth + 1, inner) for inner in each]


def _validator(schema: Mapping[str, Any]) -> Draft202012Validator:
    """An empty registry: a schema that points elsewhere is not fetched."""
    return Draft202012Validator(dict(schema), registry=Registry())


def _in_words(fault: ValidationError) -> str:
    """Where, and which rule of the schema; the value is the model's own, and may be a caller's words."""
    where = ".".join(str(part) for part in fault.absolute_path)
    if fault.validator == "required" and isinstance(fault.instance, dict):
        wanted: Any = fault.validator_value
        missing = [name for name in wanted if name not in fault.instance]
        why = f"missing: {', '.join(missing)}"
    elif fault.validator in ("additionalProperties", "unevaluatedProperties"):
        known = ", ".join(fault.schema.get("properties", {})) if isinstance(fault.schema, dict) else ""
        why = f"a field that is not known; there are: {known or 'none'}"
    else:
        why = f"must fit {fault.validator}: {json.dumps(fault.validator_value, default=str)}"
    return f"{where}: {why}"[:_SHOWN_AT_MOST] if where else why[:_SHOWN_AT_MOST]
