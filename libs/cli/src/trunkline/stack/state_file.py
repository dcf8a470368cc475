"""The running stack's addresses, left by `trunkline up` for the other commands, readable by its owner alone."""

import os
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from common.errors import ConfigError

DEFAULT_PATH: Final = Path("build/run/stack.json")


class StackState(BaseModel):
    """Where a stack is reached. Credentials are here only if they were made up for its run."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    nats_url: str
    edge_port: int
    public_base_url: str
    voice_url: str
    account_sid: str
    auth_token: str | None = None
    """None: the operator's own; commands read `TWILIO_AUTH_TOKEN` as the stack did."""
    uses_simulated_model: bool
    records_url: str = ""
    """The orchestrator's API; empty: there is none."""
    records_key: str | None = None
    """None: the operator's own; commands read `ORCHESTRATOR_API_KEY` as the stack did."""
    processes: dict[str, int]
    """Ops port by process name, of the services that have one."""
    pids: dict[str, int] = {}
    """Process id by process name, of everything that ran when this was written."""

    @property
    def local_voice_url(self) -> str:
        """The voice webhook on this machine, whatever its public address."""
        return f"http://127.0.0.1:{self.edge_port}/twilio/voice"


def write(state: StackState, path: Path = DEFAULT_PATH) -> None:
    """Leave `state` at `path`, mode 0600 from its first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(state.model_dump_json(indent=2))
    partial.replace(path)


def read(path: Path = DEFAULT_PATH) -> StackState:
    """The state of the stack that runs. Raises `ConfigError` saying what to do when none does."""
    try:
        state = StackState.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError("no stack is running here: start one with `make up` (or `trunkline up`)") from None
    except ValidationError:
        raise ConfigError(f"{path} is of another version: stop the stack and start it again") from None
    if not _is_alive(state.pid):
        raise ConfigError("the stack that ran here has ended: start one with `make up` (or `trunkline up`)")
    return state


def running(path: Path = DEFAULT_PATH) -> StackState | None:
    """The state of the stack that runs, if any."""
    try:
        return read(path)
    except ConfigError:
        return None


def remove(path: Path = DEFAULT_PATH) -> None:
    """Forget the stack."""
    path.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
