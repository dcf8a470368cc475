"""What the stack runs with: the real environment, `.env` beneath it, and what is made up for a local run."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from common.errors import ConfigError
from trunkline.stack.key_names import NO_PIPELINE_FILE, pipeline_file
from trunkline.stack.ports import free_port, is_free

DEFAULT_EDGE_PORT: Final = 8080
DEFAULT_EDGE_OPS_PORT: Final = 9101
DEFAULT_WORKER_OPS_PORT: Final = 9102
DEFAULT_FALLBACK_OPS_PORT: Final = 9103
DEFAULT_ORCHESTRATOR_OPS_PORT: Final = 9104
DEFAULT_ORCHESTRATOR_PORT: Final = 8090
VOICE_PATH: Final = "/twilio/voice"
_RECORDS_KEY: Final = "ORCHESTRATOR_API_KEY"


@dataclass(frozen=True, slots=True)
class StackEnvironment:
    """Every setting of the stack, resolved. `values` is the whole environment the services' own is cut from."""

    values: Mapping[str, str]
    edge_port: int
    public_base_url: str
    account_sid: str
    auth_token: str
    made_up: tuple[str, ...]
    """Names of the settings nobody gave, which were made up for this run."""
    made_up_records_key: str | None = None
    """The key of the orchestrator's API, if nobody gave one."""

    @property
    def voice_url(self) -> str:
        """Where Twilio's voice webhook goes."""
        return self.public_base_url + VOICE_PATH

    @property
    def uses_simulated_model(self) -> bool:
        """True without `OPENAI_API_KEY`: the simulator stands where OpenAI would."""
        return not self.values.get("OPENAI_API_KEY")

    @property
    def unused_pipeline(self) -> Path | None:
        """The file beside the agents, if the simulator stands in for what it names."""
        is_used = self.values.get("FALLBACK_PIPELINE") != NO_PIPELINE_FILE
        return None if is_used else pipeline_file({**self.values, "FALLBACK_PIPELINE": ""})

    @property
    def needs_nats(self) -> bool:
        """True without `NATS_URL`: the stack brings its own server."""
        return not self.values.get("NATS_URL")


def read(environ: Mapping[str, str], env_file: Path, *, is_required: bool) -> dict[str, str]:
    """`environ` over the settings of `env_file`; what is set to nothing is not set. Raises `ConfigError` if a
    required file is not there."""
    if is_required and not env_file.is_file():
        raise ConfigError(f"there is no {env_file}: copy .env.example to it, or leave --env-file out")
    from_file = dotenv_values(env_file, interpolate=False) if env_file.is_file() else {}
    return {name: value for name, value in {**from_file, **environ}.items() if value}


def resolve(values: Mapping[str, str]) -> StackEnvironment:
    """Fill in what is missing for a run on this machine. Raises `ConfigError` naming what cannot be."""
    if values.get("OPENAI_BASE_URL") and not values.get("OPENAI_API_KEY"):
        raise ConfigError(
            "OPENAI_BASE_URL is set but OPENAI_API_KEY is not: set both (any text if that peer wants no key), "
            "or neither to talk to the simulator"
        )
    edge_port = port_of(values, "EDGE_PORT", DEFAULT_EDGE_PORT) or free_port()
    if not is_free(edge_port):
        raise ConfigError(f"EDGE_PORT {edge_port} is in use: stop what listens there, or set EDGE_PORT (0: any free)")
    made_up = {
        "PUBLIC_BASE_URL": f"http://127.0.0.1:{edge_port}",
        "TWILIO_ACCOUNT_SID": "AC" + secrets.token_hex(16),
        "TWILIO_AUTH_TOKEN": secrets.token_hex(16),
    }
    missing = tuple(name for name in made_up if not values.get(name))
    records_key = None if values.get(_RECORDS_KEY) else secrets.token_hex(16)
    filled = {**values, **_pipeline(values), **{name: made_up[name] for name in missing}}
    if records_key is not None:
        filled[_RECORDS_KEY] = records_key
    return StackEnvironment(
        values=filled,
        edge_port=edge_port,
        public_base_url=filled["PUBLIC_BASE_URL"].rstrip("/"),
        account_sid=filled["TWILIO_ACCOUNT_SID"],
        auth_token=filled["TWILIO_AUTH_TOKEN"],
        made_up=missing,
        made_up_records_key=records_key,
    )


def _pipeline(values: Mapping[str, str]) -> dict[str, str]:
    """The file beside the agents is the fallback service's too. Where a simulator stands in, no other is spoken to."""
    if values.get("FALLBACK_PIPELINE"):
        return {}
    file = pipeline_file(values) if values.get("OPENAI_API_KEY") else Path(NO_PIPELINE_FILE)
    return {"FALLBACK_PIPELINE": str(file)} if file else {}


def port_of(values: Mapping[str, str], name: str, default: int) -> int:
    """A port setting. Raises `ConfigError` if it is not a number a port can have."""
    text = values.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and int(text) <= 65_535):
        raise ConfigError(f"{name}: {text!r} is not a port (0 to 65535)")
    return int(text)
