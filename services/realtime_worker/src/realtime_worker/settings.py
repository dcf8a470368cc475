"""The settings of a realtime worker."""

import os
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from common.errors import ConfigError
from common.settings import ApiBaseUrl, Port, ServiceSettings

PREFIX = "REALTIME_WORKER_"
FIRST_ENDPOINT: Final = "openai"
"""What the endpoint at `OPENAI_BASE_URL` is called."""


class EndpointSetting(BaseModel):
    """One Realtime endpoint, with the key that is looked up by its name."""

    model_config = ConfigDict(frozen=True)

    name: str
    base_url: str
    api_key: SecretStr
    model: str = ""


class _OtherEndpoint(BaseModel):
    """As it is written in `REALTIME_WORKER_OTHER_ENDPOINTS`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,30}$")
    base_url: ApiBaseUrl
    key_name: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    model: str = ""


_OTHER_ENDPOINTS = TypeAdapter(list[_OtherEndpoint])


class RealtimeWorkerSettings(ServiceSettings):
    """Read once, in `__main__`."""

    openai_api_key: SecretStr = Field(min_length=1, description="OpenAI API key")
    openai_base_url: ApiBaseUrl = Field(
        "https://api.openai.com/v1", description="API base URL; the Realtime socket's URL is derived from it"
    )
    realtime_worker_model: str = Field(
        "gpt-realtime-2.1", min_length=1, description="Realtime model of agents that name none"
    )
    realtime_worker_other_endpoints: str = Field(
        "",
        description="Where to go when it fails: JSON list of name, base_url, key_name (a variable), maybe model",
    )
    realtime_worker_capacity: int = Field(50, ge=1, le=2_000, description="Calls one worker carries at most")
    realtime_worker_warm_sessions: int = Field(0, ge=0, le=200, description="Speech sessions kept open ahead of need")
    realtime_worker_warm_max_age_s: float = Field(
        600.0, gt=0, le=3_000, description="Age at which an unused warm session is replaced"
    )
    realtime_worker_open_timeout_s: float = Field(
        3.0, gt=0, le=60, description="Longest wait for a speech session to be ready"
    )
    realtime_worker_answer_timeout_s: float = Field(
        4.0, gt=0, le=60, description="Caller's last word to agent's first audio before another talker is asked for"
    )
    realtime_worker_response_retries: int = Field(
        1, ge=0, le=10, description="How often a failed answer is asked for again while the caller waits"
    )
    realtime_worker_orphan_after_s: float = Field(
        30.0, gt=0, le=600, description="Without caller audio and without word from the edge a session is closed"
    )
    realtime_worker_lowered_at_least_s: float = Field(
        60.0, ge=0, le=3_600, description="A call at another endpoint stays there for so long before it is brought back"
    )
    realtime_worker_drain_deadline_s: float = Field(
        600.0, ge=0, le=90_000, description="Longest wait for running calls to be handed over when ending"
    )
    realtime_worker_session_max_age_s: float = Field(
        3_300.0, gt=0, le=3_600, description="Age at which a speech session's call is handed over to another session"
    )
    realtime_worker_ops_port: Port = Field(9102, description="Port of /livez, /readyz and /metrics; 0: any")

    @property
    def secrets(self) -> tuple[str, ...]:
        """Values no log line may show."""
        return tuple(each.api_key.get_secret_value() for each in self.endpoints())

    def endpoints(self, environ: Mapping[str, str] = os.environ) -> tuple[EndpointSetting, ...]:
        """Where sessions can be had, the first choice first. Raises `ConfigError` naming what is wrong."""
        first = EndpointSetting(name=FIRST_ENDPOINT, base_url=self.openai_base_url, api_key=self.openai_api_key)
        others = tuple(_with_key(each, environ) for each in _read(self.realtime_worker_other_endpoints))
        names = [first.name, *(each.name for each in others)]
        if len(set(names)) < len(names):
            raise ConfigError(f"REALTIME_WORKER_OTHER_ENDPOINTS: a name is there twice: {', '.join(names)}")
        return (first, *others)


def other_key_names(text: str) -> tuple[str, ...]:
    """The variables that `REALTIME_WORKER_OTHER_ENDPOINTS` takes keys from. Raises `ConfigError`."""
    return tuple(each.key_name for each in _read(text))


def _read(text: str) -> list[_OtherEndpoint]:
    try:
        return _OTHER_ENDPOINTS.validate_json(text) if text.strip() else []
    except ValidationError as error:
        raise ConfigError(f"REALTIME_WORKER_OTHER_ENDPOINTS: {_first_fault(error)}") from None


def _with_key(given: _OtherEndpoint, environ: Mapping[str, str]) -> EndpointSetting:
    key = environ.get(given.key_name, "")
    if not key:
        raise ConfigError(
            f"REALTIME_WORKER_OTHER_ENDPOINTS: {given.name} wants the key in {given.key_name}, which is not set"
        )
    return EndpointSetting(name=given.name, base_url=given.base_url, api_key=SecretStr(key), model=given.model)


def _first_fault(error: ValidationError) -> str:
    """Where and why, never what was given: it may hold a key."""
    fault: Any = error.errors()[0]
    where = ".".join(str(part) for part in fault["loc"])
    return f"{where}: {fault['msg']}" if where else "not a JSON list of endpoints"
