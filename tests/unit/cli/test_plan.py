"""Which processes a stack is made of, and what each is told."""

from collections.abc import Mapping
from pathlib import Path

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


def made(values: Mapping[str, str], edges: int = 1, workers: int = 1) -> Plan:
    return plan.make(environment.resolve(values), Size(edges, workers), Path("nats"), Path("model.yaml"))


def spec(of: Plan, name: str) -> ProcessSpec:
    return next(one for one in of.specs if one.name == name)


def test_a_local_stack_brings_nats_and_a_model() -> None:
    stack = made(ANY, edges=2, workers=3)
    assert stack.names(Role.INFRASTRUCTURE) == ("nats", "model-simulator")
    assert stack.names(Role.EDGE) == ("edge-1", "edge-2")
    assert stack.names(Role.WORKER) == ("worker-1", "worker-2", "worker-3")


def test_a_real_stack_is_services_alone() -> None:
    stack = made(REAL)
    assert [one.name for one in stack.specs] == ["worker-1", "edge-1", "fallback-1"]
    assert stack.nats_url == "nats://bus:4222"


def test_no_process_learns_the_secrets_of_another() -> None:
    stack = made(REAL)
    edge, worker = spec(stack, "edge-1").environment, spec(stack, "worker-1").environment
    assert edge["TWILIO_AUTH_TOKEN"] == "token-secret"
    assert "OPENAI_API_KEY" not in edge
    assert worker["OPENAI_API_KEY"] == "sk-secret"
    assert "TWILIO_AUTH_TOKEN" not in worker
    bystander = plan.without_service_settings(REAL)
    assert bystander == {"PATH": "/bin"}


def test_the_simulated_model_is_where_the_worker_looks_for_it() -> None:
    stack = made(ANY)
    command = spec(stack, "model-simulator").command
    port = command[command.index("--port") + 1]
    assert spec(stack, "worker-1").environment["OPENAI_BASE_URL"] == f"http://127.0.0.1:{port}/v1"


def test_edges_share_the_public_port_and_have_ops_ports_of_their_own() -> None:
    stack = made(ANY, edges=2)
    first, second = spec(stack, "edge-1").environment, spec(stack, "edge-2").environment
    assert first["EDGE_PORT"] == second["EDGE_PORT"] != "0"
    assert first["EDGE_OPS_PORT"] != second["EDGE_OPS_PORT"]
