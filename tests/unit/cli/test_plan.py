"""Which processes a stack is made of, and what each is told."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from trunkline.stack import environment, plan
from trunkline.stack.plan import Plan, Size
from trunkline.stack.process import ProcessSpec
from trunkline.stack.supervision import Role

ANY = {"EDGE_PORT": "0", "EDGE_OPS_PORT": "0", "REALTIME_WORKER_OPS_PORT": "0"}
REAL = ANY | {
    "NATS_URL": "nats://bus:4222",
    "OPENAI_API_KEY": "sk-secret",
    "TWILIO_ACCOUNT_SID": "AC" + "1" * 32,
    "TWILIO_AUTH_TOKEN": "token-secret",
    "PUBLIC_BASE_URL": "https://voice.example.com",
    "PATH": "/bin",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the repository, whose owner may have a pipeline of their own there."""
    monkeypatch.chdir(tmp_path)


def made(values: Mapping[str, str], edges: int = 1, workers: int = 1, fallbacks: int = 1) -> Plan:
    size = Size(edges, workers, fallbacks)
    return plan.make(environment.resolve(values), size, Path("nats"), Path("model.yaml"))


def spec(of: Plan, name: str) -> ProcessSpec:
    return next(one for one in of.specs if one.name == name)


def test_a_local_stack_brings_nats_and_a_model() -> None:
    stack = made(ANY, edges=2, workers=3, fallbacks=2)
    assert stack.names(Role.INFRASTRUCTURE) == ("nats", "model-simulator")
    assert stack.names(Role.EDGE) == ("edge-1", "edge-2")
    assert stack.names(Role.WORKER) == ("worker-1", "worker-2", "worker-3")
    assert stack.names(Role.FALLBACK) == ("fallback-1", "fallback-2")


def test_a_real_stack_is_services_alone() -> None:
    stack = made(REAL)
    assert [one.name for one in stack.specs] == ["worker-1", "edge-1", "fallback-1", "orchestrator-1"]
    assert stack.nats_url == "nats://bus:4222"


def test_no_process_learns_the_secrets_of_another() -> None:
    stack = made(REAL)
    edge, worker = spec(stack, "edge-1").environment, spec(stack, "worker-1").environment
    assert edge["TWILIO_AUTH_TOKEN"] == "token-secret"
    assert "OPENAI_API_KEY" not in edge
    assert worker["OPENAI_API_KEY"] == spec(stack, "fallback-1").environment["OPENAI_API_KEY"] == "sk-secret"
    assert "TWILIO_AUTH_TOKEN" not in worker
    assert "TWILIO_AUTH_TOKEN" not in spec(stack, "fallback-1").environment
    assert "TWILIO_AUTH_TOKEN" not in spec(stack, "orchestrator-1").environment


def test_only_the_orchestrator_learns_where_records_are_and_it_looks_at_the_edges_agents() -> None:
    given = {"ORCHESTRATOR_DATABASE_URL": "postgresql://secret@db/x", "EDGE_AGENT_PROFILES": "/agents"}
    stack = made({**REAL, **given})
    assert spec(stack, "orchestrator-1").environment["ORCHESTRATOR_AGENT_PROFILES"] == "/agents"
    assert spec(stack, "orchestrator-1").environment["ORCHESTRATOR_DATABASE_URL"] == "postgresql://secret@db/x"
    for name in ("edge-1", "worker-1", "fallback-1"):
        assert "ORCHESTRATOR_DATABASE_URL" not in spec(stack, name).environment
    bystander = plan.without_service_settings(REAL)
    assert bystander == {"PATH": "/bin"}


def test_the_simulated_model_is_where_the_worker_looks_for_it() -> None:
    stack = made(ANY)
    command = spec(stack, "model-simulator").command
    port = command[command.index("--port") + 1]
    for name in ("worker-1", "fallback-1"):
        assert spec(stack, name).environment["OPENAI_BASE_URL"] == f"http://127.0.0.1:{port}/v1"


def test_edges_share_the_public_port_and_have_ops_ports_of_their_own() -> None:
    stack = made(ANY, edges=2)
    first, second = spec(stack, "edge-1").environment, spec(stack, "edge-2").environment
    assert first["EDGE_PORT"] == second["EDGE_PORT"] != "0"
    assert first["EDGE_OPS_PORT"] != second["EDGE_OPS_PORT"]


def test_fallback_replicas_have_ops_ports_of_their_own() -> None:
    stack = made(ANY | {"FALLBACK_OPS_PORT": "0"}, fallbacks=3)
    ports = {spec(stack, name).environment["FALLBACK_OPS_PORT"] for name in stack.names(Role.FALLBACK)}
    assert len(ports) == 3


def test_the_first_flags_go_to_the_edge_and_the_workers_settings_do_not() -> None:
    flags = {"REALTIME_ENABLED": "true", "REALTIME_ROLLOUT_PERCENTAGE": "5", "REALTIME_FALLBACK_ENABLED": "true"}
    stack = made(REAL | flags | {"REALTIME_WORKER_CAPACITY": "7"})
    edge = spec(stack, "edge-1").environment
    assert flags.items() <= edge.items()
    assert "REALTIME_WORKER_CAPACITY" not in edge
    for name in ("worker-1", "fallback-1"):
        assert not flags.keys() & spec(stack, name).environment.keys()


PIPELINE = """
[[transcription]]
name = "house"
base_url = "http://house/v1"
model = "writes"
[[chat]]
name = "eu"
base_url = "https://eu.example.com/v1"
key_name = "EU_KEY"
model = "answers"
[[speech]]
name = "openai"
base_url = "https://api.openai.com/v1"
key_name = "OPENAI_API_KEY"
model = "speaks"
"""
OTHERS = '[{"name": "us", "base_url": "https://us.example.com/v1", "key_name": "US_KEY"}]'


def pipeline_beside(agents: str) -> str:
    file = Path(agents) / "pipeline.toml"
    file.parent.mkdir()
    file.write_text(PIPELINE)
    return str(file)


@pytest.mark.parametrize("agents", ["agents", "mine"])
def test_the_pipeline_beside_the_agents_is_the_fallbacks(agents: str) -> None:
    file = pipeline_beside(agents)
    stack = made(REAL | {"EDGE_AGENT_PROFILES": agents})
    assert spec(stack, "fallback-1").environment["FALLBACK_PIPELINE"] == file
    assert "FALLBACK_PIPELINE" not in spec(stack, "edge-1").environment
    given = made(REAL | {"EDGE_AGENT_PROFILES": agents, "FALLBACK_PIPELINE": "other.toml"})
    assert spec(given, "fallback-1").environment["FALLBACK_PIPELINE"] == "other.toml"


def test_keys_that_settings_point_to_reach_only_who_needs_them() -> None:
    pipeline_beside("agents")
    keys = {"EU_KEY": "sk-eu", "US_KEY": "sk-us"}
    values = REAL | keys | {"REALTIME_WORKER_OTHER_ENDPOINTS": OTHERS}
    stack = made(values)
    held = {name: keys.keys() & spec(stack, name).environment.keys() for name in ("edge-1", "worker-1", "fallback-1")}
    assert held == {"edge-1": set(), "worker-1": {"US_KEY"}, "fallback-1": {"EU_KEY"}}
    assert spec(stack, "worker-1").environment["OPENAI_API_KEY"] == "sk-secret"
    assert plan.without_service_settings(values) == {"PATH": "/bin"}


def test_where_the_simulator_stands_in_no_pipeline_leads_elsewhere() -> None:
    file = pipeline_beside("agents")
    resolved = environment.resolve(ANY)
    assert str(resolved.unused_pipeline) == file
    assert resolved.values["FALLBACK_PIPELINE"] == "none"
    assert environment.resolve(REAL).unused_pipeline is None


@pytest.mark.parametrize("broken", ["", "[[chat]]", "\0"])
def test_settings_that_cannot_be_read_are_left_to_the_service_to_refuse(broken: str) -> None:
    Path(pipeline_beside("agents")).write_text(broken)
    stack = made(REAL | {"REALTIME_WORKER_OTHER_ENDPOINTS": "{"})
    assert spec(stack, "worker-1").environment["REALTIME_WORKER_OTHER_ENDPOINTS"] == "{"


def test_prompts_are_beside_the_agent_profiles_unless_said_otherwise() -> None:
    assert "FALLBACK_PROMPTS" not in spec(made(ANY), "fallback-1").environment
    kept = made(ANY | {"EDGE_AGENT_PROFILES": "/srv/agents"})
    assert spec(kept, "fallback-1").environment["FALLBACK_PROMPTS"] == "/srv/agents/prompts"
    own = made(ANY | {"EDGE_AGENT_PROFILES": "/srv/agents", "FALLBACK_PROMPTS": "/srv/said"})
    assert spec(own, "fallback-1").environment["FALLBACK_PROMPTS"] == "/srv/said"
