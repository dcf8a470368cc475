"""Which processes a stack is made of, and what each is told: its own settings and nobody else's secrets."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from trunkline.stack import key_names
from trunkline.stack.environment import (
    DEFAULT_EDGE_OPS_PORT,
    DEFAULT_FALLBACK_OPS_PORT,
    DEFAULT_ORCHESTRATOR_OPS_PORT,
    DEFAULT_ORCHESTRATOR_PORT,
    DEFAULT_WORKER_OPS_PORT,
    StackEnvironment,
    port_of,
)
from trunkline.stack.ports import free_port, ops_ports
from trunkline.stack.probes import HttpProbe, TcpProbe
from trunkline.stack.process import ProcessSpec
from trunkline.stack.supervision import Role

NATS_SERVER: Final = Path(sys.executable).parent / "nats-server"
_EDGE_PREFIXES: Final = (
    *("EDGE_", "TWILIO_", "PUBLIC_BASE_URL"),
    *("REALTIME_ENABLED", "REALTIME_ROLLOUT_", "REALTIME_FALLBACK_"),
)
_WORKER_PREFIXES: Final = ("REALTIME_WORKER_", "OPENAI_")
_FALLBACK_PREFIXES: Final = ("FALLBACK_", "OPENAI_")
_ORCHESTRATOR_PREFIXES: Final = (
    *("ORCHESTRATOR_", "OPENAI_", "SYSTEM_PROMPT_PATH", "FAQ_", "AWS_"),
    *("PROMPTS_TABLE_NAME", "CALL_LOGS_TABLE_NAME", "TASKS_TABLE_NAME"),
)
_SERVICE_PREFIXES: Final = (*_EDGE_PREFIXES, *_WORKER_PREFIXES, *_FALLBACK_PREFIXES, *_ORCHESTRATOR_PREFIXES)
_SHARED: Final = ("NATS_URL", "LOG_LEVEL", "LOG_FORMAT")
_SIMULATOR_KEY: Final = "sk-simulated-only-on-this-machine"


@dataclass(frozen=True, slots=True)
class Size:
    """How many of each service."""

    edges: int
    workers: int
    fallbacks: int = 1
    orchestrators: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """The processes to run, and where they can be reached."""

    specs: tuple[ProcessSpec, ...]
    nats_url: str
    records_url: str = ""
    """Where the first orchestrator shows records; empty: there is none."""

    def names(self, role: Role) -> tuple[str, ...]:
        """The processes of one role."""
        return tuple(spec.name for spec in self.specs if spec.role is role)


def make(environment: StackEnvironment, size: Size, directory: Path, model_script: Path) -> Plan:
    """The plan for `environment`. `directory` is where NATS keeps its streams."""
    values = dict(environment.values)
    values["EDGE_PORT"] = str(environment.edge_port)
    taken = [environment.edge_port]
    infrastructure: list[ProcessSpec] = []
    if environment.needs_nats:
        taken.append(port := free_port(taken))
        values["NATS_URL"] = f"nats://127.0.0.1:{port}"
        infrastructure.append(_nats(port, directory, values))
    if environment.uses_simulated_model:
        taken.append(port := free_port(taken))
        values |= {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1", "OPENAI_API_KEY": _SIMULATOR_KEY}
        infrastructure.append(_model(port, model_script, values))
    edge_ops = ops_ports(port_of(values, "EDGE_OPS_PORT", DEFAULT_EDGE_OPS_PORT), size.edges, taken)
    worker_base = port_of(values, "REALTIME_WORKER_OPS_PORT", DEFAULT_WORKER_OPS_PORT)
    worker_ops = ops_ports(worker_base, size.workers, (*taken, *edge_ops))
    fallback_base = port_of(values, "FALLBACK_OPS_PORT", DEFAULT_FALLBACK_OPS_PORT)
    fallback_ops = ops_ports(fallback_base, size.fallbacks, (*taken, *edge_ops, *worker_ops))
    orchestrator_base = port_of(values, "ORCHESTRATOR_OPS_PORT", DEFAULT_ORCHESTRATOR_OPS_PORT)
    taken = [*taken, *edge_ops, *worker_ops, *fallback_ops]
    orchestrator_ops = ops_ports(orchestrator_base, size.orchestrators, taken)
    api_base = port_of(values, "ORCHESTRATOR_PORT", DEFAULT_ORCHESTRATOR_PORT)
    api_ports = ops_ports(api_base, size.orchestrators, (*taken, *orchestrator_ops))
    workers = [_worker(index, port, values) for index, port in enumerate(worker_ops, 1)]
    edges = [_edge(index, port, values) for index, port in enumerate(edge_ops, 1)]
    fallbacks = [_fallback(index, port, values) for index, port in enumerate(fallback_ops, 1)]
    ports = zip(orchestrator_ops, api_ports, strict=True)
    orchestrators = [_orchestrator(index, ops, api, values) for index, (ops, api) in enumerate(ports, 1)]
    records_url = f"http://127.0.0.1:{api_ports[0]}" if api_ports else ""
    specs = (*infrastructure, *workers, *edges, *fallbacks, *orchestrators)
    return Plan(specs, values["NATS_URL"], records_url)


def _nats(port: int, directory: Path, values: Mapping[str, str]) -> ProcessSpec:
    command = (str(NATS_SERVER), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(directory))
    return ProcessSpec("nats", Role.INFRASTRUCTURE, command, _own(values, ()), TcpProbe(port))


def _model(port: int, script: Path, values: Mapping[str, str]) -> ProcessSpec:
    command = (sys.executable, "-m", "simulators.openai", "--port", str(port), "--script", str(script))
    return ProcessSpec("model-simulator", Role.INFRASTRUCTURE, command, _own(values, ()), TcpProbe(port))


def _fallback(index: int, ops_port: int, values: Mapping[str, str]) -> ProcessSpec:
    environment = {
        **_prompts_beside_profiles(values),
        **_own(values, _FALLBACK_PREFIXES, key_names.of_fallbacks(values)),
        "FALLBACK_OPS_PORT": str(ops_port),
    }
    command = (sys.executable, "-m", "fallback")
    return ProcessSpec(f"fallback-{index}", Role.FALLBACK, command, environment, HttpProbe(ops_port))


def _orchestrator(index: int, ops_port: int, api_port: int, values: Mapping[str, str]) -> ProcessSpec:
    profiles = values.get("EDGE_AGENT_PROFILES")
    environment = {
        **({"ORCHESTRATOR_AGENT_PROFILES": profiles} if profiles else {}),
        **_own(values, _ORCHESTRATOR_PREFIXES),
        "ORCHESTRATOR_OPS_PORT": str(ops_port),
        "ORCHESTRATOR_PORT": str(api_port),
    }
    command = (sys.executable, "-m", "orchestrator")
    return ProcessSpec(f"orchestrator-{index}", Role.ORCHESTRATOR, command, environment, HttpProbe(ops_port))


def _prompts_beside_profiles(values: Mapping[str, str]) -> dict[str, str]:
    """Who keeps the agent profiles elsewhere keeps the prompts beside them: the edge looks for them there as well."""
    profiles = values.get("EDGE_AGENT_PROFILES")
    return {"FALLBACK_PROMPTS": str(Path(profiles) / "prompts")} if profiles else {}


def _worker(index: int, ops_port: int, values: Mapping[str, str]) -> ProcessSpec:
    environment = _own(values, _WORKER_PREFIXES, key_names.of_workers(values)) | {
        "REALTIME_WORKER_OPS_PORT": str(ops_port)
    }
    command = (sys.executable, "-m", "realtime_worker")
    return ProcessSpec(f"worker-{index}", Role.WORKER, command, environment, HttpProbe(ops_port))


def _edge(index: int, ops_port: int, values: Mapping[str, str]) -> ProcessSpec:
    environment = _own(values, _EDGE_PREFIXES) | {"EDGE_OPS_PORT": str(ops_port)}
    command = (sys.executable, "-m", "edge")
    return ProcessSpec(f"edge-{index}", Role.EDGE, command, environment, HttpProbe(ops_port))


def without_service_settings(values: Mapping[str, str]) -> dict[str, str]:
    """`values` without any service's settings and secrets: what a bystander may know."""
    return _own({name: value for name, value in values.items() if name not in _SHARED}, ())


def _own(values: Mapping[str, str], prefixes: tuple[str, ...], keys: frozenset[str] = frozenset()) -> dict[str, str]:
    """`values` without other services' settings and keys. `keys`: the variables of this one's own further keys."""
    others = tuple(prefix for prefix in _SERVICE_PREFIXES if prefix not in prefixes)
    further = key_names.of_workers(values) | key_names.of_fallbacks(values)

    def is_own(name: str) -> bool:
        return name in keys or name.startswith(prefixes)

    return {
        name: value
        for name, value in values.items()
        if is_own(name) or not (name.startswith(others) or name in further)
    }
