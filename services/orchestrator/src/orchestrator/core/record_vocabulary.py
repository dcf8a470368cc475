"""The words the records are written in: rows, and columns of rows that several facts make together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from common.messages.facts import AnyFact

Value: TypeAlias = str | int | bool | datetime | None
Group: TypeAlias = Literal[
    "start", "end", "level", "agent", "transfer", "called", "returned", "changed", "told", "applied"
]


@dataclass(frozen=True, slots=True)
class Stamp:
    """Where and when the stream has a message."""

    sequence: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Row:
    """A row of its own. If it is there already, it stays as it is."""

    table: str
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Claim:
    """Columns of a row that several facts make together. Of two facts of one group, the later in the stream counts."""

    table: str
    key: Mapping[str, Value]
    group: Group
    sequence: int
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Fill:
    """The same, for columns that keep what they have."""

    table: str
    key: Mapping[str, Value]
    values: Mapping[str, Value]


Entry: TypeAlias = Row | Claim | Fill


def row(table: str, fact: AnyFact, stamp: Stamp, **values: Value) -> Row:
    """A row that `fact` alone makes."""
    head: dict[str, Value] = {
        "fact_id": fact.fact_id,
        "call_id": fact.call_id,
        "sequence": stamp.sequence,
        "epoch": fact.epoch,
        "at_ms": fact.at_ms,
    }
    return Row(table, {**head, **values})


def claim(fact: AnyFact, stamp: Stamp, group: Group, values: Mapping[str, Value]) -> Claim:
    """Columns of the call's own row."""
    return Claim("calls", {"call_id": fact.call_id}, group, stamp.sequence, values)
