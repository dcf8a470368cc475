"""Schemas of tools' arguments, from whoever wrote them: sound, small enough for a model, closed to unknown fields."""

import json
from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

_BYTES_AT_MOST: Final = 8_192
_OPEN: Final = ("additionalProperties", "unevaluatedProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref")
"""With any of these a schema has said itself which other fields there may be, or somebody else says it."""
_UNTRUSTED: Final = ("pattern", "patternProperties")
"""Regular expressions can take for ever; whoever sent them checks its arguments itself."""


class SchemaUnusable(Exception):
    """A tool cannot be offered with this schema. The message says why."""


def usable(schema: object, *, is_trusted: bool = True) -> dict[str, Any]:
    """The schema to offer and to check with. Raises `SchemaUnusable`.

    `is_trusted`: an operator wrote it. Else it came over the network, and its regular expressions are left out.
    """
    if not isinstance(schema, Mapping) or schema.get("type") != "object":
        raise SchemaUnusable('must be a JSON Schema of type = "object"')
    try:
        written = json.dumps(schema)
        read: dict[str, Any] = json.loads(written)
        Draft202012Validator.check_schema(read)
    except SchemaError as error:
        raise SchemaUnusable(f"not JSON Schema: {'.'.join(map(str, error.absolute_path)) or error.validator}") from None
    except (TypeError, ValueError, RecursionError):
        raise SchemaUnusable("not JSON Schema") from None
    if len(written.encode()) > _BYTES_AT_MOST:
        raise SchemaUnusable(f"longer than {_BYTES_AT_MOST} bytes: a model would have to read it in every call")
    if _points_elsewhere(read):
        raise SchemaUnusable("$ref may only point into the schema itself, as #/$defs/Name")
    return closed(read if is_trusted else _without(read, _UNTRUSTED))


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` with `additionalProperties: false` wherever it lists fields without a word about others."""
    is_listing = schema.get("type") == "object" or "properties" in schema
    shut = {**schema, "additionalProperties": False} if is_listing and not any(key in schema for key in _OPEN) else {}
    result: dict[str, Any] = {**schema, **shut}
    if "properties" in schema:
        result["properties"] = {name: _closed_if_schema(each) for name, each in schema["properties"].items()}
    if isinstance(schema.get("items"), Mapping):
        result["items"] = closed(schema["items"])
    return result


def _closed_if_schema(schema: object) -> object:
    return closed(schema) if isinstance(schema, Mapping) else schema


def _without(schema: Any, keywords: tuple[str, ...]) -> Any:
    """A field may be called like a keyword: names of fields are left alone."""
    if isinstance(schema, list):
        return [_without(each, keywords) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _without(value, keywords) for key, value in schema.items() if key not in keywords}
    for names in ("properties", "$defs"):
        if isinstance(schema.get(names), dict):
            result[names] = {name: _without(each, keywords) for name, each in schema[names].items()}
    return result


def _points_elsewhere(schema: object) -> bool:
    if isinstance(schema, list):
        return any(map(_points_elsewhere, schema))
    if not isinstance(schema, dict):
        return False
    for key in ("$ref", "$dynamicRef", "$id"):
        given = schema.get(key)
        if isinstance(given, str) and (key == "$id" or not given.startswith("#")):
            return True
    return any(map(_points_elsewhere, schema.values()))
