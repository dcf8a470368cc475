"""Reading settings from the environment: once, frozen, and refusing what it does not understand."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from common.errors import ConfigError

T = TypeVar("T", bound="ServiceSettings")

Port = Annotated[int, Field(ge=0, le=65_535)]
Replicas = Annotated[Literal[1, 3, 5], BeforeValidator(int)]


@dataclass(frozen=True, slots=True)
class Prefixes:
    """What a service's variables begin with, if one word is not enough."""

    own: tuple[str, ...]
    others: tuple[str, ...] = ()
    """Longer ones, of which the variables are another service's."""

    def claim(self, variable: str) -> bool:
        """True if the variable must be this service's."""
        return variable.startswith(self.own) and not variable.startswith(self.others)


def whole_url(url: str) -> SplitResult | None:
    """The parts of an http or https URL with a host; None: it is none."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole else None


def _is_api_base(url: str) -> str:
    """What is wrong is said without repeating the URL: it may hold what should not be shown."""
    parts = whole_url(url)
    if parts is None:
        raise ValueError("must be an http:// or https:// URL")
    if parts.username is not None:
        raise ValueError("must not hold a user or a password: keys come from variables of their own")
    return url


ApiBaseUrl = Annotated[str, AfterValidator(_is_api_base)]
"""Where an API like OpenAI's is, such as `https://api.openai.com/v1`."""


class ServiceSettings(BaseSettings):
    """What every service reads. A service's own fields carry its prefix as their alias-free name, e.g. `EDGE_PORT`.

    Field names are the variables in lower case; the table in `.env.example` is tested against them.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    nats_url: str = Field("nats://127.0.0.1:4222", description="NATS servers, comma-separated")
    nats_replicas: Replicas = Field(1, description="Copies of each stream and bucket: 1, or 3 or 5 in a NATS cluster")
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    log_format: str = Field("json", pattern="^(json|text)$", description="json for machines, text for people")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        return ()

    @property
    def nats_servers(self) -> list[str]:
        """`nats_url` as a list."""
        return [server.strip() for server in self.nats_url.split(",") if server.strip()]


def load(cls: type[T], prefix: str | Prefixes) -> T:
    """Read `cls` from the environment. Raises `ConfigError` naming the variable: missing, wrong or misspelt.

    `prefix` is the service's own, such as `EDGE_`: any variable with it that no field reads is refused, since
    pydantic-settings would ignore a misspelt one in silence.
    """
    refuse_unknown(prefix, (name.upper() for name in cls.model_fields), os.environ)
    try:
        return cls()
    except ValidationError as error:
        raise ConfigError("; ".join(_explain(each) for each in error.errors())) from None
    except SettingsError as error:
        raise ConfigError(f"{_named(str(error)).upper()}: not valid JSON") from None


def refuse_unknown(prefix: str | Prefixes, known: Iterable[str], environ: Mapping[str, str]) -> None:
    """Raise `ConfigError` if a variable with `prefix` is none of `known`."""
    names = set(known)
    prefixes = Prefixes((prefix,)) if isinstance(prefix, str) else prefix
    for variable in sorted(environ):
        if prefixes.claim(variable) and variable not in names:
            close = get_close_matches(variable, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"{variable} is not a setting of this service{hint}")


def _named(message: str) -> str:
    """The field in pydantic-settings' message about a list or an object it could not parse."""
    found = re.search(r'field "(\w+)"', message)
    return found[1] if found else "settings"


def _explain(error: Any) -> str:
    variable = str(error["loc"][0]).upper() if error["loc"] else "settings"
    if error["type"] == "missing":
        return f"{variable} is required but not set"
    return f"{variable}: {error['msg']}"
