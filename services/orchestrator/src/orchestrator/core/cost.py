"""What responses cost: tokens by kind times a versioned table of prices, in whole numbers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PICODOLLARS_PER_MICRODOLLAR: Final = 1_000_000
_SNAPSHOT: Final = re.compile(r"-\d{4}-\d{2}-\d{2}")
_TOKENS_AT_MOST: Final = 1_000_000_000
"""No response has more; whoever reports more must not overflow the column that keeps its price."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars for a million tokens of one kind, which is picodollars for one."""

    input: int
    cached: int
    output: int


@dataclass(frozen=True, slots=True)
class ModelPrice:
    """None: the table does not say, so a response with tokens of that kind has no known cost."""

    text: Rates | None = None
    audio: Rates | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of one kind in one response. The cached ones are part of the input."""

    input: int
    cached: int
    output: int

    @property
    def is_none(self) -> bool:
        """True if there are none to pay for."""
        return not (self.input or self.output)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model as they stood at `version`."""

    version: str
    models: Mapping[str, ModelPrice]

    def price_of(self, model: str) -> ModelPrice | None:
        """The longest entry `model` begins with, if all that follows is the date of a snapshot; None: not known.

        Not any beginning will do: `gpt-realtime-3` is not `gpt-realtime`, and a wrong price is worse than none.
        """
        fitting = [name for name in self.models if _is_snapshot_of(model, name)]
        return self.models[max(fitting, key=len)] if fitting else None

    def cost(self, model: str, text: Tokens, audio: Tokens) -> int | None:
        """Picodollars of one response, exact; None if a price it needs is not known: never 0 for that."""
        price = self.price_of(model)
        if price is None:
            return None
        parts = [_cost_of(tokens, rates) for tokens, rates in ((text, price.text), (audio, price.audio))]
        return None if None in parts else sum(part for part in parts if part is not None)


def microdollars(picodollars: int) -> int:
    """Rounded half up, once: after everything has been added."""
    return (picodollars + PICODOLLARS_PER_MICRODOLLAR // 2) // PICODOLLARS_PER_MICRODOLLAR


def _is_snapshot_of(model: str, name: str) -> bool:
    return model == name or (model.startswith(name) and _SNAPSHOT.fullmatch(model[len(name) :]) is not None)


def _cost_of(tokens: Tokens, rates: Rates | None) -> int | None:
    """Cached tokens cost the cached price, the rest of the input the full one."""
    if tokens.is_none:
        return 0
    if rates is None:
        return None
    given, answered = min(tokens.input, _TOKENS_AT_MOST), min(tokens.output, _TOKENS_AT_MOST)
    cached = min(tokens.cached, given)
    return (given - cached) * rates.input + cached * rates.cached + answered * rates.output
