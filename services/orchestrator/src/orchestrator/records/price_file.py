"""Reads the price table from a file: the one that comes with the orchestrator, or the operator's own."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import ConfigError
from orchestrator.core.cost import ModelPrice, PriceTable, Rates

OWN_FILE: Final = Path(__file__).with_name("prices.toml")
_MICRODOLLARS: Final = 1_000_000

Dollars = Annotated[Decimal, Field(ge=0, le=1_000, decimal_places=6)]


class _Written(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Rates(_Written):
    input: Dollars
    cached: Dollars
    output: Dollars


class _Model(_Written):
    text: _Rates | None = None
    audio: _Rates | None = None


class _File(_Written):
    version: str = Field(min_length=1, max_length=40)
    models: dict[str, _Model]


def load(path: Path | None) -> PriceTable:
    """The table in `path`; None: our own. Raises `ConfigError` naming what is wrong with the operator's."""
    file = path or OWN_FILE
    try:
        written = _File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"), parse_float=Decimal))
    except OSError as error:
        raise ConfigError(f"ORCHESTRATOR_PRICES: {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"ORCHESTRATOR_PRICES: {file}: not TOML: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"ORCHESTRATOR_PRICES: {file}: {where}: {first['msg']}") from None
    return PriceTable(written.version, {name: _price(model) for name, model in written.models.items()})


def _price(model: _Model) -> ModelPrice:
    return ModelPrice(_rates(model.text), _rates(model.audio))


def _rates(written: _Rates | None) -> Rates | None:
    if written is None:
        return None
    return Rates(*(int(dollars * _MICRODOLLARS) for dollars in (written.input, written.cached, written.output)))
