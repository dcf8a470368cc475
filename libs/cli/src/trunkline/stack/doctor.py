"""What can be checked from this machine before a call: each check gives findings with what to do."""

import asyncio
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from pydantic import ValidationError

from common.errors import ConfigError
from common.pipeline import STAGES, load_pipeline
from common.profiles import load_profiles
from common.settings import Prefixes, ServiceSettings, refuse_unknown
from edge.settings import PREFIX as EDGE_PREFIX
from edge.settings import EdgeSettings
from fallback.settings import PREFIX as FALLBACK_PREFIX
from fallback.settings import FallbackSettings
from orchestrator.settings import PREFIXES as ORCHESTRATOR_PREFIXES
from orchestrator.settings import OrchestratorSettings
from realtime_worker.settings import PREFIX as WORKER_PREFIX
from realtime_worker.settings import RealtimeWorkerSettings
from trunkline.stack.environment import DEFAULT_EDGE_PORT, port_of
from trunkline.stack.finding import Finding, Level
from trunkline.stack.key_names import pipeline_file
from trunkline.stack.plan import NATS_SERVER
from trunkline.stack.ports import is_free

Settings = TypeVar("Settings", bound=ServiceSettings)

_CONNECT_WITHIN_S: Final = 2.0
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_STAND_IN: Final = {
    "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
    "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "TWILIO_AUTH_TOKEN": "0" * 32,
    "OPENAI_API_KEY": "none",
}
"""What `trunkline up` makes up stands in here, so that only what is really wrong is found."""


async def examine(values: Mapping[str, str]) -> list[Finding]:
    """Every check, in the order a newcomer would mend them."""
    return [
        python_version(),
        nats_binary(),
        *service_settings(values),
        agent_profiles(values),
        public_port(values),
        await nats(values),
        model(values),
        *other_endpoints(values),
        *pipeline(values),
        *twilio(values),
        *secrets_file(Path(".env")),
    ]


def python_version() -> Finding:
    """Which one runs; `make setup` refuses those that are too old."""
    return Finding(Level.OK, "python", ".".join(map(str, sys.version_info[:3])))


def nats_binary() -> Finding:
    """The server `trunkline up` starts when no `NATS_URL` is given."""
    if NATS_SERVER.exists():
        return Finding(Level.OK, "nats-server", "installed")
    return Finding(Level.WRONG, "nats-server", "not beside this Python", "run `make setup`")


def service_settings(values: Mapping[str, str]) -> list[Finding]:
    """Each service's own reading of the settings: wrong and misspelt ones."""
    filled = _filled(values)
    services: tuple[tuple[str, str | Prefixes, type[ServiceSettings]], ...] = (
        ("edge", EDGE_PREFIX, EdgeSettings),
        ("worker", WORKER_PREFIX, RealtimeWorkerSettings),
        ("fallback", FALLBACK_PREFIX, FallbackSettings),
        ("orchestrator", ORCHESTRATOR_PREFIXES, OrchestratorSettings),
    )
    found: dict[str, list[str]] = {}
    for about, prefix, cls in services:
        if fault := _fault(prefix, cls, filled):
            found.setdefault(fault, []).append(about)
    wrong = [
        Finding(Level.WRONG, f"{' and '.join(about)} settings", fault, "correct it in the environment or .env")
        for fault, about in found.items()
    ]
    return wrong or [Finding(Level.OK, "settings", "every service understands its own")]


def _fault(prefix: str | Prefixes, cls: type[ServiceSettings], values: Mapping[str, str]) -> str:
    """What is wrong with a service's own settings; empty if nothing is."""
    try:
        refuse_unknown(prefix, (name.upper() for name in cls.model_fields), values)
        _read(cls, values)
    except ConfigError as error:
        return str(error)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{str(first['loc'][0]).upper()}: {first['msg']}" if first["loc"] else str(first["msg"])
    return ""


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return _STAND_IN | {name: value for name, value in values.items() if value}


def _read(cls: type[Settings], values: Mapping[str, str]) -> Settings:
    return cls.model_validate({name: values[name.upper()] for name in cls.model_fields if name.upper() in values})


def agent_profiles(values: Mapping[str, str]) -> Finding:
    """Who answers calls."""
    directory = Path(values.get("EDGE_AGENT_PROFILES") or "agents")
    try:
        profiles = load_profiles(directory, "EDGE_AGENT_PROFILES")
    except ConfigError as error:
        return Finding(Level.WRONG, "agents", str(error), f"correct it, or set EDGE_AGENT_PROFILES (now {directory})")
    return Finding(Level.OK, "agents", ", ".join(profiles.by_name))


def public_port(values: Mapping[str, str]) -> Finding:
    """Whether `EDGE_PORT` can be had."""
    try:
        port = port_of(values, "EDGE_PORT", DEFAULT_EDGE_PORT)
    except ConfigError as error:
        return Finding(Level.WRONG, "port", str(error), "set EDGE_PORT to a free port")
    if port and not is_free(port):
        return Finding(Level.NOTE, "port", f"{port} is in use (by a running stack?)", "stop it, or set EDGE_PORT")
    return Finding(Level.OK, "port", f"{port or 'any'} is free")


async def nats(values: Mapping[str, str]) -> Finding:
    """Whether the given NATS answers."""
    servers = [server.strip() for server in (values.get("NATS_URL") or "").split(",") if server.strip()]
    if not servers:
        return Finding(Level.OK, "nats", "no NATS_URL: `trunkline up` starts its own")
    for server in servers:
        address = urlsplit(server if "://" in server else f"nats://{server}")
        try:
            async with asyncio.timeout(_CONNECT_WITHIN_S):
                _, writer = await asyncio.open_connection(address.hostname, address.port or 4222)
            writer.close()
        except (OSError, TimeoutError, ValueError):
            continue
        return Finding(Level.OK, "nats", f"{address.hostname}:{address.port or 4222} answers")
    return Finding(Level.WRONG, "nats", "no server of NATS_URL answers", "start it, or unset NATS_URL")


def model(values: Mapping[str, str]) -> Finding:
    """Whether there is a model to talk to."""
    if values.get("OPENAI_API_KEY"):
        peer = values.get("OPENAI_BASE_URL") or "OpenAI"
        return Finding(Level.OK, "model", f"OPENAI_API_KEY is set; sessions go to {peer}")
    return Finding(Level.NOTE, "model", "OPENAI_API_KEY is not set: the simulator answers", "set it for real speech")


def other_endpoints(values: Mapping[str, str]) -> list[Finding]:
    """Where calls go when the model fails, and whether the keys are there."""
    if not values.get("REALTIME_WORKER_OTHER_ENDPOINTS"):
        return []
    try:
        _, *others = _read(RealtimeWorkerSettings, _filled(values)).endpoints(values)
    except ValidationError:
        return []  # `service_settings` says which setting
    except ConfigError as error:
        return [Finding(Level.WRONG, "endpoints", str(error), "correct it in the environment or .env")]
    named = ", ".join(each.name for each in others)
    return [Finding(Level.OK, "endpoints", f"when the model fails, workers go to: {named}")] if others else []


def pipeline(values: Mapping[str, str]) -> list[Finding]:
    """Where the stages of the fallback pipeline are, and whether the keys are there."""
    file = pipeline_file(values)
    if file is None:
        where = values.get("OPENAI_BASE_URL") or "OpenAI" if values.get("OPENAI_API_KEY") else "the simulator"
        return [Finding(Level.OK, "pipeline", f"no file: every stage is at {where}")]
    try:
        read = load_pipeline(file)
        missing = read.missing_keys(values)
        if not missing:
            _read(FallbackSettings, _filled(values) | {"FALLBACK_PIPELINE": str(file)}).pipeline(values)
    except ValidationError:
        return []  # `service_settings` says which setting
    except ConfigError as error:
        return [Finding(Level.WRONG, "pipeline", str(error), "correct it, or set FALLBACK_PIPELINE")]
    if missing:
        is_used = values.get("OPENAI_API_KEY") or values.get("FALLBACK_PIPELINE")
        level = Level.WRONG if is_used else Level.NOTE
        return [Finding(level, "pipeline", f"{file}: {each}", "set it in the environment or .env") for each in missing]
    stages = "; ".join(f"{stage}: {', '.join(read.names(stage))}" for stage in STAGES)
    return [Finding(Level.OK, "pipeline", f"{file}: {stages}")]


def twilio(values: Mapping[str, str]) -> list[Finding]:
    """Whether Twilio could reach and sign for us, as far as can be seen from here."""
    findings = [
        Finding(Level.NOTE, "twilio", f"{name} is not set: only simulated calls", f"set {name} for a real number")
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "PUBLIC_BASE_URL")
        if not values.get(name)
    ]
    if url := values.get("PUBLIC_BASE_URL"):
        findings.append(public_base_url(url))
    return findings


def public_base_url(url: str) -> Finding:
    """Whether the address has the form Twilio needs: media sockets are `wss` only."""
    address = urlsplit(url)
    if address.scheme == "https" and address.hostname and address.hostname not in _LOCAL_HOSTS:
        return Finding(Level.OK, "public address", f"voice webhook: {url.rstrip('/')}/twilio/voice (POST)")
    advice = "start a tunnel to EDGE_PORT and set PUBLIC_BASE_URL to its https:// address (README)"
    return Finding(Level.NOTE, "public address", f"{url} is not one Twilio can reach: it needs public https://", advice)


def secrets_file(path: Path) -> list[Finding]:
    """Whether others on this machine can read the keys in `.env`."""
    if not path.is_file() or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return []
    return [Finding(Level.NOTE, str(path), "others on this machine can read it", f"chmod 600 {path}")]
