"""One of two replicas is killed: the other takes its calls over, skips no turn and says nothing twice."""

from pathlib import Path

import pytest

from common.agents import FRONT
from fakes.postgres import PostgresServer
from fakes.waiting import until
from integration.orchestrator.processes import orchestrator_process
from integration.orchestrator.steering import SCRIPT, listener
from integration.orchestrator.test_following import of
from integration.realtime_worker.openai_process import running
from orchestrator.core.partitions import PARTITIONS
from unit.orchestrator.following import said, started

PROFILE = """
name: desk
numbers: ["*"]
greeting: Hello.
instructions: You answer the telephone.
agents:
  billing:
    when: Invoices and payments.
    instructions: You know invoices.
rules: {forbidden: [guaranteed]}
"""
CALLS = [f"CA{number}" for number in range(24)]


@pytest.fixture
def agents(tmp_path: Path) -> Path:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.yaml").write_text(PROFILE)
    (tmp_path / "script.yaml").write_text(SCRIPT)
    return tmp_path


async def test_when_one_of_two_replicas_is_killed_the_other_takes_its_calls_over(
    nats_url: str, postgres: PostgresServer, agents: Path
) -> None:
    database_url = postgres.new_database()
    with running(agents / "script.yaml") as openai:
        given = {"OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": openai.base_url, "ORCHESTRATOR_MIGRATE": "true"}
        async with (
            listener(nats_url) as heard,
            orchestrator_process(nats_url, database_url, agents, "one", **given) as one,
            orchestrator_process(nats_url, database_url, agents, "two", **given) as two,
        ):
            await until(lambda: one.partitions and two.partitions and not one.partitions & two.partitions)
            for call in CALLS:
                heard.write(*of(call, started()))
            for call in CALLS:
                await heard.told(call, FRONT)
            await one.kill()
            for call in CALLS:
                heard.write(*of(call, said(1, "My invoice.")))
            for call in CALLS:
                revision = await heard.told(call, "billing")
                assert (revision.revision, revision.answers) == (2, f"{call}-fact-c1")
            assert len(two.partitions) == PARTITIONS
            assert [len(heard.of(call)) for call in CALLS] == [2] * len(CALLS), "none lost, none doubled"
            assert "Traceback" not in two.log
