"""What the orchestrator keeps things in, all of it real: the two kinds of database, and a server of DynamoDB tables."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from common.bus.connection import Bus
from fakes import tool_pack
from fakes.dynamo import CREDENTIALS, DynamoServer, running_dynamo, started
from fakes.postgres import PostgresServer, running_postgres
from integration.orchestrator.tooling import Marks, connected, replica
from orchestrator.dynamo.client import Dynamo
from orchestrator.stores import migrating
from orchestrator.stores.database import Database
from orchestrator.tools.part import ToolRunner


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests of this process; who stops it starts it again."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'records.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database at the newest migration, once of each kind."""
    made = Database(database_url)
    await migrating.upgrade(made)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def dynamo_server() -> Iterator[DynamoServer]:
    """A server of DynamoDB tables for all tests of this process; who stops it starts it again."""
    with running_dynamo() as server:
        yield server


@pytest.fixture
async def dynamo(dynamo_server: DynamoServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Dynamo]:
    """A client of it, with credentials in the environment."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    async with started(dynamo_server.dynamo()) as client:
        yield client


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Marks:
    """The lines that tools of `fakes.tool_pack` left."""
    file = tmp_path / "marks"
    file.touch()
    monkeypatch.setenv(tool_pack.MARKS, str(file))
    return lambda: file.read_text().splitlines()


@pytest.fixture
async def gate(monkeypatch: pytest.MonkeyPatch) -> tool_pack.Gate:
    """Holds such tools up until it is opened."""
    made = tool_pack.Gate()
    monkeypatch.setattr(tool_pack, "gate", made)
    return made


@pytest.fixture
async def talker_bus(nats_url: str) -> AsyncIterator[Bus]:
    """What a talker asks for tools on."""
    async with connected(nats_url, "talker") as made:
        yield made


@pytest.fixture
async def runner(nats_url: str, database: Database, tmp_path: Path, marks: Marks) -> AsyncIterator[ToolRunner]:
    """A replica that runs tools."""
    async with replica(nats_url, database, tmp_path) as made:
        yield made
