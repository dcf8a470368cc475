"""Schemas of tools: closed to unknown fields, and refused when a model or a validator could not live with them."""

from typing import Any

import pytest

from orchestrator.core.tool_arguments import ArgumentsRefused, read
from orchestrator.core.tool_schema import SchemaUnusable, usable

NESTED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "address": {"type": "object", "properties": {"street": {"type": "string"}}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"sku": {"type": "string"}}}},
    },
}


@pytest.mark.parametrize(
    "text", ['{"other": 1}', '{"address": {"street": "a", "other": 1}}', '{"items": [{"sku": "a", "other": 1}]}']
)
def test_fields_nobody_listed_are_refused_at_any_depth(text: str) -> None:
    with pytest.raises(ArgumentsRefused, match="not known"):
        read(text, usable(NESTED))


@pytest.mark.parametrize(
    "open_schema",
    [
        {"type": "object", "additionalProperties": {"type": "integer"}},
        {"type": "object", "allOf": [{"properties": {"other": {"type": "integer"}}}]},
        {"type": "object", "patternProperties": {"^o": {"type": "integer"}}},
    ],
)
def test_a_schema_that_speaks_of_other_fields_is_left_as_it_is(open_schema: dict[str, Any]) -> None:
    assert read('{"other": 1}', usable(open_schema)) == {"other": 1}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (None, "JSON Schema of type"),
        ({"type": "string"}, "JSON Schema of type"),
        ({}, "JSON Schema of type"),
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "properties.a.type"),
        ({"type": "object", "required": "a"}, "required"),
        ({"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}}, "may only point into"),
        ({"type": "object", "$id": "https://example.com/a.json"}, "may only point into"),
        ({"type": "object", "description": "x" * 9_000}, "longer than"),
        ({"type": "object", "default": object()}, "not JSON Schema"),
    ],
)
def test_schemas_that_cannot_be_used_are_refused_with_a_reason(schema: object, why: str) -> None:
    with pytest.raises(SchemaUnusable, match=why):
        usable(schema)


def test_expressions_of_others_are_not_run_and_fields_named_like_them_stay() -> None:
    schema = {
        "type": "object",
        "properties": {"pattern": {"type": "string", "pattern": "^(a+)+$"}},
        "required": ["pattern"],
    }
    assert usable(schema, is_trusted=False)["properties"] == {"pattern": {"type": "string"}}
    assert usable(schema)["properties"]["pattern"]["pattern"] == "^(a+)+$"
