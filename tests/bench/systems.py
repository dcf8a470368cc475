"""The systems under test: which processes they are, how each is started, where it says that it is ready."""

import os
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
ACCOUNT_SID: Final = "AC" + "0" * 31 + "b"
AUTH_TOKEN: Final = "bench-auth-token"
CALLER_NUMBER: Final = "+15550001111"
DIALLED_NUMBER: Final = "+15550002222"
"""Any: a profile in `agents/` answers every number no other one does."""

_HOST: Final = "127.0.0.1"
_API_KEY: Final = "sk-bench"
_SPARE_CALLS: Final = 8


@dataclass(frozen=True, slots=True)
class Part:
    """One process: its name in the rows, how to start it, and the address that answers once it is ready.

    `ready` is a URL that answers 200, or `host:port` that accepts a connection. Parts are started in order, each
    when the one before is ready.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ready: str


@dataclass(frozen=True, slots=True)
class System:
    """A system under test and the webhook that answers its calls."""

    name: str
    parts: tuple[Part, ...]
    webhook_url: str


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a system is told of the trial it is started for."""

    calls: int
    model_port: int
    scratch: Path

    @property
    def openai(self) -> dict[str, str]:
        return {"OPENAI_API_KEY": _API_KEY, "OPENAI_BASE_URL": f"http://{_HOST}:{self.model_port}/v1"}


def trunkline(trial: Circumstances) -> System:
    """nats-server, one edge and one realtime worker."""
    nats, edge, edge_ops, worker_ops = free_ports(4)
    public_url = f"http://{_HOST}:{edge}"
    bus = {"NATS_URL": f"nats://{_HOST}:{nats}"}
    capacity = str(trial.calls + _SPARE_CALLS)
    edge_environment = {
        **bus,
        "PUBLIC_BASE_URL": public_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "EDGE_HOST": _HOST,
        "EDGE_PORT": str(edge),
        "EDGE_OPS_PORT": str(edge_ops),
        "EDGE_AGENT_PROFILES": str(ROOT / "agents"),
        "EDGE_MAX_CALLS": capacity,
        "EDGE_CALL_RECORDS": str(trial.scratch / "calls.jsonl"),
    }
    worker_environment = {
        **bus,
        **trial.openai,
        "REALTIME_WORKER_CAPACITY": capacity,
        "REALTIME_WORKER_WARM_SESSIONS": "0",
        "REALTIME_WORKER_OPS_PORT": str(worker_ops),
    }
    return System(
        name="trunkline",
        parts=(
            Part("nats", _nats_command(nats, trial.scratch), {}, f"{_HOST}:{nats}"),
            Part("worker", _python("realtime_worker"), worker_environment, _readyz(worker_ops)),
            Part("edge", _python("edge"), edge_environment, _readyz(edge_ops)),
        ),
        webhook_url=f"{public_url}/twilio/voice",
    )


def bridge(trial: Circumstances) -> System:
    """The plain bridge: one process."""
    (port,) = free_ports(1)
    public_url = f"http://{_HOST}:{port}"
    environment = {"PORT": str(port), "PUBLIC_BASE_URL": public_url, **trial.openai}
    return System(
        name="bridge",
        parts=(Part("bridge", _python("tests.bench.bridge"), environment, _readyz(port)),),
        webhook_url=f"{public_url}/twilio/voice",
    )


SYSTEMS: Final[Mapping[str, Callable[[Circumstances], System]]] = {
    "trunkline": trunkline,
    "bridge": bridge,
}


def free_ports(count: int) -> list[int]:
    """Ports nobody has now; all are held until all are known, so none is given twice."""
    held = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def clean_environment(part: Part) -> dict[str, str]:
    """The part's environment and nothing of ours that could change what it does or whom it talks to."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, **part.environment}


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def _nats_command(port: int, scratch: Path) -> tuple[str, ...]:
    binary = Path(sys.executable).parent / "nats-server"
    return (str(binary), "-a", _HOST, "-p", str(port), "-js", "-sd", str(scratch / "jetstream"))


def _readyz(port: int) -> str:
    return f"http://{_HOST}:{port}/readyz"
