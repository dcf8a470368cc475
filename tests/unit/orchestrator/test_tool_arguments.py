"""Arguments a model wrote: they fit the schema afterwards, or are refused in words that repeat no value."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from orchestrator.core.tool_arguments import BYTES_AT_MOST, DEPTH_AT_MOST, ArgumentsRefused, fingerprint, read

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "count": {"type": "integer", "minimum": 0},
        "tags": {"type": "array", "items": {"type": "string"}},
        "to": {"enum": ["front-desk", "billing"]},
    },
    "required": ["name"],
    "additionalProperties": False,
}
ANYTHING: dict[str, Any] = {"type": "object"}

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
LIKELY = st.fixed_dictionaries(
    {}, optional={"name": JSON, "count": JSON, "tags": JSON, "to": JSON, "another": JSON}
)  # close enough to the schema that some fit it


@given(JSON | LIKELY)
def test_what_is_read_fits_the_schema_and_is_what_was_written(value: Any) -> None:
    try:
        arguments = read(json.dumps(value), SCHEMA)
    except ArgumentsRefused:
        assert not isinstance(value, dict) or not _is_plain(value) or not Draft202012Validator(SCHEMA).is_valid(value)
    else:
        assert arguments == value
        assert Draft202012Validator(SCHEMA).is_valid(arguments)


def _is_plain(value: Any) -> bool:
    written = json.dumps(value)
    return "\\u0000" not in written and "\\ud" not in written and "Infinity" not in written


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        arguments = read(text, SCHEMA)
    except ArgumentsRefused:
        return
    assert Draft202012Validator(SCHEMA).is_valid(arguments)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('"name"', "not a JSON object"),
        ('{"count": NaN, "name": "a"}', "not JSON"),
        ('{"count": 1e999, "name": "a"}', "too large"),
        ('{"count": ' + "9" * 5_000 + ', "name": "a"}', "not JSON"),
        ('{"name": "' + "a" * BYTES_AT_MOST + '"}', "longer than"),
        ("[" * 8_000, "not JSON"),
        ('{"tags": ' + "[" * DEPTH_AT_MOST + "]" * DEPTH_AT_MOST + ', "name": "a"}', "nested deeper"),
        ('{"name": "a\\u0000b"}', "no text"),
        ('{"name": "a\\ud800b"}', "no text"),
        ("{}", "missing: name"),
        ('{"name": "a", "sudo": true}', "not known; there are: name, count, tags, to"),
        ('{"name": 7}', "name: must fit type"),
        ('{"name": "a", "count": -1}', "count: must fit minimum: 0"),
        ('{"name": "a", "to": "president"}', 'to: must fit enum: ["front-desk", "billing"]'),
        ('{"name": "a", "tags": ["b", 7]}', "tags.1: must fit type"),
    ],
)
def test_what_is_wrong_is_said(text: str, why: str) -> None:
    with pytest.raises(ArgumentsRefused, match=why.replace("[", r"\[").replace("]", r"\]")):
        read(text, SCHEMA)


def test_what_is_said_does_not_repeat_what_the_model_wrote() -> None:
    with pytest.raises(ArgumentsRefused) as refused:
        read('{"name": "Ann-Marie of the very long name"}', SCHEMA)
    assert "Ann-Marie" not in str(refused.value)


def test_no_arguments_at_all_are_an_empty_object() -> None:
    assert read("", ANYTHING) == {}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "$ref": "https://example.com/schema.json"},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/gone"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/properties/a"}}},
    ],
)
def test_a_schema_that_leads_nowhere_refuses_and_fetches_nothing(schema: dict[str, Any]) -> None:
    with pytest.raises(ArgumentsRefused, match="cannot be checked"):
        read('{"a": 1}', schema)


def test_order_and_spaces_make_no_other_request() -> None:
    assert fingerprint("pay", '{"a": 1, "b": [2]}') == fingerprint("pay", '{"b":[2],"a":1}')


def test_another_name_or_value_is_another_request() -> None:
    prints = {fingerprint("pay", '{"a": 1}'), fingerprint("pay", '{"a": 2}'), fingerprint("buy", '{"a": 1}')}
    assert len({*prints, fingerprint("pay", "{"), fingerprint("pay", "\ud800")}) == 5
